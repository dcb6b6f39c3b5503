package logger

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

// do seals one segment.
func (k *keeper) do(j *job) error {
	if err := k.ours(j); err != nil {
		return err
	}
	if j.mend {
		if err := k.mend(j); err != nil || j.empty {
			return err
		}
	}
	if j.raw {
		if err := k.place(j); err != nil {
			return err
		}
	}
	if j.pause > 0 { // an earlier try may have written the line
		if done, err := k.sealed(j.name); done || err != nil {
			return err
		}
	}
	if j.mend || j.found || j.late {
		line, err := examine(k.card.FS, k.card.Path(j.name, segment.Sealed))
		if line.SHA256 == "" {
			return err
		}
		if err != nil { // it is uploaded as it is: more of it cannot be had here
			k.o.Log.Error("segment is damaged", "segment", j.name.String(), "error", err)
			k.tell.tell("segment", "damaged", 0, detail{"session": j.name.Session, "split": j.name.Split})
		}
		line.Late = j.late
		return k.seal(j.name, line)
	}
	f, err := k.card.FS.Open(k.card.Path(j.name, segment.Sealed))
	if err != nil {
		return err
	}
	defer f.Close()
	line := j.line
	line.Form = j.form()
	if line.SHA256, line.Size, err = hashFile(f); err != nil {
		return fmt.Errorf("hash segment %s: %w", j.name, err)
	}
	return k.seal(j.name, line)
}

// errOther: the file that has the name of a job's segment is another segment.
var errOther = errors.New("another segment has its name")

// ours tells whether the files of a job are those it was made for. The card may
// have been exchanged since.
func (k *keeper) ours(j *job) error {
	if j.start == 0 {
		return nil
	}
	for _, suffix := range []segment.Suffix{segment.Part, segment.Raw, segment.Sealed} {
		start, err := startOf(k.card.FS, k.card.Path(j.name, suffix))
		if err == nil && start != j.start {
			return fmt.Errorf("segment %s: %w", j.name, errOther)
		}
	}
	return nil
}

// mend finishes a segment that an error ended. What lies behind the last sync is
// counted as lost already, so it is cut off.
func (k *keeper) mend(j *job) error {
	s, err := k.card.Load(j.name)
	if err != nil || s.Sealed() {
		return err
	}
	if j.empty {
		return k.card.Drop(j.name, segment.Of(segment.Part, segment.Keep))
	}
	if s.Has.Has(segment.Raw) && !s.Open() { // finished: only the sync of its folder failed
		return k.card.Seal(j.name, segment.Raw)
	}
	if err := repairFile(k.card.FS, k.card.Path(j.name, segment.Part), j.keep); err != nil {
		return err
	}
	return k.card.Seal(j.name, segment.Part)
}

// repairFile cuts a file to keep bytes (0: not) and repairs it.
func repairFile(fsys durable.FS, name string, keep int64) error {
	f, err := fsys.Edit(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if size, err := f.Size(); err != nil {
		return err
	} else if keep > 0 && size > keep {
		if err := f.Truncate(keep); err != nil {
			return err
		}
	}
	report, err := mdf.Repair(f)
	if err == nil && report.Empty {
		err = fmt.Errorf("repair %s: the header is incomplete", name)
	}
	return err
}

// seal makes the line of a sealed segment and continues the chain.
func (k *keeper) seal(n segment.Name, line segment.SealLine) error {
	line.Split = n.Split // a segment that was moved has another in its header
	line.Prev, line.Dropped = k.chain.Head, k.chain.Dropped
	line = k.signed(line)
	if err := k.card.AppendSeal(n.Session, line); err != nil {
		return err
	}
	k.advance(line.Hash())
	k.tell.tell("segment", "sealed", 0, detail{"session": n.Session, "split": n.Split, "frames": line.Frames, "end": line.End})
	return nil
}

// advance writes the new end of the chain down. A state folder that takes
// nothing is no reason to stop: the line on the card leads on at the next start.
func (k *keeper) advance(head string) {
	k.chain.Head = head
	k.chain.Lines++
	k.saveChain()
	k.publish(func(v *keeperView) { v.Seal = k.sealStatus() })
}

func (k *keeper) saveChain() {
	if err := k.chain.save(k.o.State); err != nil {
		k.o.Log.Warn("end of the seal chain not kept", "error", err)
	}
}

func (k *keeper) sealStatus() SealStatus {
	return SealStatus{Head: k.chain.Head, Lines: k.chain.Lines, Dropped: k.chain.Dropped, Signed: k.signer.key != ""}
}

// sealed tells whether seal.log has the line of a segment, after cutting what an
// interrupted write left.
func (k *keeper) sealed(n segment.Name) (bool, error) {
	log, err := k.card.ReadSeals(n.Session)
	if err != nil {
		return false, err
	}
	if err := k.card.CutSeals(n.Session, log); err != nil {
		return false, err
	}
	for _, line := range log.Lines {
		if line.Split != n.Split {
			continue
		}
		if line.Prev == k.chain.Head {
			k.advance(line.Hash())
		}
		return true, nil
	}
	return false, nil
}

// anySent tells whether anything of a session is in the bucket already.
func (k *keeper) anySent(session uint32) (bool, error) {
	listing, err := k.card.Scan()
	return slices.ContainsFunc(listing.Segments, func(s segment.Segment) bool {
		return s.Session == session && s.Sent()
	}), err
}

// renumber gives a session's folder another number.
func (k *keeper) renumber(from, to uint32) error {
	folder := k.card.Folder(to)
	if err := k.card.FS.Rename(k.card.Folder(from), folder); err != nil {
		return fmt.Errorf("renumber session %08d: %w", from, err)
	}
	k.mu.Lock()
	for _, j := range k.jobs {
		if j.name.Session == from {
			j.name.Session = to
		}
	}
	k.mu.Unlock()
	return k.card.FS.SyncDir(path.Dir(folder))
}
