package logger

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"canseal/can"
	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

// keeper looks after everything on the card that is not being written: it makes
// seal lines, mends segments that an error ended, deletes when room is short and
// counts. It works beside the recorder, who never waits for it but to recover a
// card. Whoever holds busy may touch sealed segments and the chain.
type keeper struct {
	o    *Options
	card segment.Card
	tell *teller
	busy chan struct{} // 1 token
	wake chan struct{}

	chain    chain     // under busy
	surveyed time.Time // under busy
	stale    bool      // under busy: the survey

	mu      sync.Mutex
	jobs    []*job
	deleted losses // forced deletions, for the recorder to write down
	shared  keeperView
}

// keeperView is what the keeper shows to others.
type keeperView struct {
	Short, Low   bool // no room: recording has to stop; unsent segments are being deleted
	Space        durable.Space
	Reserve      int64
	Segments     SegmentStatus
	Seal         SealStatus
	PlainDeleted int
	Deleted      uint64 // frames
}

// job is a segment of this run that needs its seal line.
type job struct {
	name  segment.Name // the folder's session
	line  segment.SealLine
	mend  bool  // it has to be repaired and renamed first; line is empty
	keep  int64 // mend: bytes that were synced for sure; 0: do not cut
	empty bool  // mend: nothing but the header was promised: remove it
	done  chan struct{}

	due   time.Time // not before
	pause time.Duration
}

func newKeeper(o *Options, tell *teller) *keeper {
	return &keeper{
		o: o, card: segment.Card{FS: o.Card, Device: o.Device}, tell: tell,
		busy: make(chan struct{}, 1), wake: make(chan struct{}, 1), chain: chain{Head: segment.FirstPrev},
	}
}

func (k *keeper) hold()         { k.busy <- struct{}{} }
func (k *keeper) letGo()        { <-k.busy }
func (k *keeper) present() bool { return k.o.CheckCard() == nil }

// add hands a segment over.
func (k *keeper) add(j *job) {
	j.done = make(chan struct{})
	k.mu.Lock()
	k.jobs = append(k.jobs, j)
	k.mu.Unlock()
	poke(k.wake)
}

// run works until stop is closed, then once more.
func (k *keeper) run(stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-k.wake:
		case <-tick.C:
		case <-stop:
			k.round(true)
			return
		}
		k.round(false)
	}
}

func (k *keeper) round(last bool) {
	k.hold()
	defer k.letGo()
	if !k.present() {
		return
	}
	k.work(last)
	k.retain()
	if age := time.Since(k.surveyed); age >= time.Minute || k.stale && age >= 2*time.Second || last {
		k.survey()
	}
}

// work does all jobs that are due, in order; those that fail come again.
func (k *keeper) work(all bool) {
	for _, j := range k.waiting() {
		if !all && time.Now().Before(j.due) {
			continue
		}
		err := k.do(j)
		if err == nil {
			k.finish(j)
			k.stale = true
			k.o.Sealed()
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			k.finish(j) // another card: the segment is recovered where it is found
		}
		if j.pause == 0 {
			k.o.Log.Error("segment not sealed yet", "segment", j.name.String(), "error", err)
			k.tell.tell("segment", "not sealed", 0, detail{"session": j.name.Session, "split": j.name.Split})
		}
		j.pause = min(max(2*j.pause, time.Second), time.Minute)
		j.due = time.Now().Add(j.pause)
	}
}

func (k *keeper) waiting() []*job {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.jobs)
}

func (k *keeper) finish(j *job) {
	k.mu.Lock()
	k.jobs = slices.DeleteFunc(k.jobs, func(other *job) bool { return other == j })
	k.mu.Unlock()
	close(j.done)
}

// held tells whether a segment still waits for its seal line.
func (k *keeper) held(n segment.Name) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.jobs, func(j *job) bool { return j.name == n })
}

func (k *keeper) do(j *job) error {
	if j.mend {
		if err := k.mend(j); err != nil || j.empty {
			return err
		}
	}
	if j.pause > 0 { // an earlier try may have written the line
		if done, err := k.sealed(j.name); done || err != nil {
			return err
		}
	}
	if j.mend {
		line, err := examine(k.card.FS, k.card.Path(j.name, segment.Sealed))
		if err != nil {
			return err
		}
		return k.seal(j.name, line)
	}
	f, err := k.card.FS.Open(k.card.Path(j.name, segment.Sealed))
	if err != nil {
		return err
	}
	defer f.Close()
	line := j.line
	if line.SHA256, line.Size, err = hashFile(f); err != nil {
		return fmt.Errorf("hash segment %s: %w", j.name, err)
	}
	return k.seal(j.name, line)
}

// mend finishes a segment that an error ended. What lies behind the last sync is
// counted as lost already, so it is cut off.
func (k *keeper) mend(j *job) error {
	part := k.card.Path(j.name, segment.Part)
	if j.empty {
		if err := k.card.FS.Remove(part); err != nil {
			return err
		}
		return k.card.FS.SyncDir(k.card.Folder(j.name.Session))
	}
	if s, err := k.card.Load(j.name); err != nil || s.Sealed() {
		return err
	}
	if err := repairFile(k.card.FS, part, j.keep); err != nil {
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
	line.Prev, line.Dropped = k.chain.Head, k.chain.Dropped
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
	return SealStatus{Head: k.chain.Head, Lines: k.chain.Lines, Dropped: k.chain.Dropped}
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

func (k *keeper) publish(change func(*keeperView)) {
	k.mu.Lock()
	change(&k.shared)
	k.mu.Unlock()
}

func (k *keeper) view() keeperView {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shared
}

// takeDeleted moves the forced deletions to the recorder.
func (k *keeper) takeDeleted(into *losses) {
	k.mu.Lock()
	defer k.mu.Unlock()
	into.Merge(&k.deleted)
	k.deleted.Clear()
}

// survey counts what is on the card.
func (k *keeper) survey() {
	listing, err := k.card.Scan()
	if err != nil {
		return
	}
	k.surveyed, k.stale = time.Now(), false
	s := SegmentStatus{Foreign: listing.Foreign}
	for _, seg := range listing.Segments {
		if seg.Open() {
			continue
		}
		s.count(seg)
		if s.Oldest == "" && seg.Sealed() && !seg.Sent() {
			s.Oldest = k.started(seg.Name)
		}
	}
	k.publish(func(v *keeperView) { v.Segments = s })
}

func (s *SegmentStatus) count(seg segment.Segment) {
	if seg.Pinned() {
		s.Pinned++
	}
	switch {
	case !seg.Sealed():
		s.Raw++
	case !seg.Sent():
		s.Unsent++
		s.UnsentBytes += seg.Size
	case seg.Receipt.Proved == segment.ProvedTLS:
		s.SentTLS++
	default:
		s.SentPlain++
	}
}

func (k *keeper) started(n segment.Name) string {
	if line, ok := k.lineOf(n); ok {
		return line.Start.Format(time.RFC3339)
	}
	return ""
}

// lineOf finds the seal line of a segment.
func (k *keeper) lineOf(n segment.Name) (segment.SealLine, bool) {
	log, err := k.card.ReadSeals(n.Session)
	if err != nil {
		return segment.SealLine{}, false
	}
	for _, line := range slices.Backward(log.Lines) {
		if line.Split == n.Split {
			return line, true
		}
	}
	return segment.SealLine{}, false
}

// missing is the loss that the deletion of an unsent segment is: its frames, and
// those whose gaps it held.
func missing(line segment.SealLine, known bool) (loss, bool) {
	if !known {
		return loss{Times: 1}, true
	}
	if line.Frames+line.Lost == 0 {
		return loss{}, false
	}
	l := loss{From: line.Start.UnixNano(), To: line.Start.UnixNano(), Count: line.Frames + line.Lost, Times: 1}
	if line.Frames > 0 {
		l.From, l.To = line.First.UnixNano(), line.Last.UnixNano()
	}
	return l, true
}

func (k *keeper) lose(d deletion, l loss, any bool, line segment.SealLine) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if any {
		k.deleted.Add(0, can.LostDeleted, l)
	}
	k.shared.Deleted += max(line.Frames, 1)
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
