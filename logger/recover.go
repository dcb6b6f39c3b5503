package logger

import (
	"errors"
	"fmt"
	"slices"

	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

// Recovery tells what was found when a card was opened, and done about it.
type Recovery struct {
	Repaired int            // segments that were open, and are sealed now
	Cut      int            // of these, how many a power cut had ended
	Late     int            // segments without a seal line: it is made, late, beside the recording
	Removed  int            // segments of which nothing but an empty or unused name was left, and names that could not be read beside a good one
	Moved    []segment.Name // splits of segments that were found under the split of another
	Damaged  []segment.Name // segments that cannot be repaired: left as they are
	LastEnd  string         // of the run before: orderly, cut, or empty if the card has none
	Problems []error        // what could not be done; it is tried again at the next start
}

func (r *Recovery) problem(n segment.Name, err error) {
	r.Problems = append(r.Problems, fmt.Errorf("recover segment %s: %w", n, err))
	if corrupt(err) {
		r.Damaged = append(r.Damaged, n)
	}
}

// recover brings the card into order (docs/formats.md C5): every segment of ours
// gets its name and its seal line, and the chain its end. Doing it again changes
// nothing. One segment that resists hinders no other. No segment is open.
func (k *keeper) recover() (rec Recovery, listing segment.Listing, err error) {
	k.forgetLate()
	listing, err = k.card.Scan()
	if err != nil {
		return rec, listing, fmt.Errorf("recover card: %w", err)
	}
	rec.Problems = append(rec.Problems, listing.Problems...)
	rec.LastEnd = lastEnd(listing)
	var sealed []segment.Name
	for i := 0; i < len(listing.Segments); i++ {
		s := listing.Segments[i]
		now, err := k.settle(s, &rec)
		if err != nil {
			rec.problem(s.Name, err)
		}
		listing.Segments = k.withMoved(listing.Segments, rec.Moved)
		if now.Sealed() && err == nil {
			sealed = append(sealed, s.Name)
		}
	}
	recorded := k.findEnd(listing.Sessions, &rec)
	for _, n := range sealed {
		if lines, known := recorded[n.Session]; known && !lines[n.Split] {
			k.late(n, &rec)
		}
	}
	return rec, listing, nil
}

// withMoved adds the splits that were made by moving, so that they are recovered,
// too.
func (k *keeper) withMoved(all []segment.Segment, moved []segment.Name) []segment.Segment {
	for _, n := range moved {
		if slices.ContainsFunc(all, func(s segment.Segment) bool { return s.Name == n }) {
			continue
		}
		if s, err := k.card.Load(n); err == nil {
			all = append(all, s)
		}
	}
	return all
}

// lastEnd tells from the names how the last run ended.
func lastEnd(l segment.Listing) string {
	if len(l.Segments) == 0 {
		return ""
	}
	last := l.Segments[len(l.Segments)-1]
	for _, s := range l.Segments {
		if s.Session == last.Session && s.Open() {
			return "cut"
		}
	}
	return "orderly"
}

// settle takes the names of one split to a state that stays, and returns it.
func (k *keeper) settle(s segment.Segment, rec *Recovery) (segment.Segment, error) {
	for range 8 { // each round leaves fewer names
		again, err := k.steps(s, rec)
		if err != nil || !again {
			return s, err
		}
		if s, err = k.card.Load(s.Name); err != nil {
			return s, err
		}
	}
	return s, errors.New("its names do not settle")
}

// steps does the next thing that changes names; again is false when there is none.
func (k *keeper) steps(s segment.Segment, rec *Recovery) (again bool, err error) {
	for _, step := range segment.AtBoot(s.Has) {
		switch step.Do {
		case segment.Drop:
			if s.Has == step.Names {
				rec.Removed++
			}
			return true, k.card.Drop(s.Name, step.Names)
		case segment.Resolve:
			return true, k.resolve(s.Name, rec)
		case segment.Repair:
			return true, k.repair(s.Name, segment.Part, rec)
		case segment.Compress:
			return k.later(s.Name, rec)
		}
	}
	return false, nil
}

// resolve settles names of a split that may share content, and tells of what it
// took from it.
func (k *keeper) resolve(n segment.Name, rec *Recovery) error {
	settled, err := k.card.Resolve(n, identify)
	for _, to := range settled.Moved {
		rec.Moved = append(rec.Moved, to)
		k.o.Log.Warn("segment had the split of another", "segment", n.String(), "moved_to", to.String())
		k.tell.tell("segment", "moved", 0, detail{"session": n.Session, "split": n.Split, "to": to.Split})
	}
	if settled.Refused != 0 {
		rec.Removed++
		k.o.Log.Warn("unreadable names of a segment removed", "segment", n.String(), "names", settled.Refused.String())
		k.tell.tell("segment", "unreadable removed", 0, detail{"session": n.Session, "split": n.Split, "names": settled.Refused.String()})
	}
	return err
}

// identify tells which segment a file holds, if it can be repaired or read.
func identify(f durable.File) (segment.Identity, bool) {
	r, err := openMDF(f)
	if err != nil {
		return segment.Identity{}, false
	}
	h := r.Header()
	return segment.Identity{Session: h.Session, Split: h.Split, Start: h.Start}, true
}

// repair finishes a file and gives it its next name; one that holds nothing is
// removed.
func (k *keeper) repair(n segment.Name, suffix segment.Suffix, rec *Recovery) error {
	f, err := k.card.FS.Edit(k.card.Path(n, suffix))
	if err != nil {
		return err
	}
	report, err := mdf.Repair(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if report.Empty {
		rec.Removed++
		return k.card.Drop(n, segment.Of(suffix))
	}
	if to := k.finished(); to != suffix {
		if err := k.card.Rename(n, suffix, to); err != nil {
			return err
		}
	}
	if report.Already && suffix == segment.Raw && k.o.Compress {
		return nil // it waits as before
	}
	rec.Repaired++
	if report.Cut {
		rec.Cut++
	}
	k.o.Log.Warn("segment recovered", "segment", n.String(), "cut", report.Cut, "dropped_bytes", report.Dropped)
	k.tell.tell("segment", "recovered", 0, detail{"session": n.Session, "split": n.Split, "dropped_bytes": report.Dropped})
	return nil
}

// later leaves a finished segment to the compression, or seals it as it is. Only its
// head is read: recording waits for this. A .raw that is not finished is repaired.
func (k *keeper) later(n segment.Name, rec *Recovery) (again bool, err error) {
	start, finished, err := k.headOf(n, segment.Raw)
	if err != nil || !finished {
		return true, k.repair(n, segment.Raw, rec)
	}
	if !k.o.Compress {
		rec.Repaired++
		return true, k.card.Seal(n, segment.Raw)
	}
	if !k.held(n) {
		k.add(&job{name: n, start: start, raw: true, found: true})
	}
	return false, nil
}

// headOf reads the head of a file.
func (k *keeper) headOf(n segment.Name, suffix segment.Suffix) (start int64, finished bool, err error) {
	f, err := k.card.FS.Open(k.card.Path(n, suffix))
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	r, err := openMDF(f)
	if err != nil {
		return 0, false, err
	}
	return r.Header().Start, r.Finished(), nil
}

// findEnd cuts torn seal logs, finds the end of the chain and tells which splits
// have their line. Of a session whose seal.log resists it tells nothing.
func (k *keeper) findEnd(sessions []uint32, rec *Recovery) map[uint32]map[uint32]bool {
	kept, known, err := loadChain(k.o.State)
	if err != nil {
		rec.Problems = append(rec.Problems, err)
	}
	recorded := make(map[uint32]map[uint32]bool)
	lines := newCardLines()
	for _, session := range sessions {
		log, err := k.card.ReadSeals(session)
		if err == nil {
			err = k.card.CutSeals(session, log)
		}
		if err != nil {
			rec.Problems = append(rec.Problems, err)
			continue
		}
		lines.add(log.Lines)
		recorded[session] = make(map[uint32]bool)
		for _, line := range log.Lines {
			recorded[session][line.Split] = true
		}
	}
	k.chain = kept.resume(known, lines)
	if k.chain != kept {
		k.saveChain()
	}
	_, now := k.sealKey()
	k.tellSigner(now)
	k.publish(func(v *keeperView) { v.Seal = k.sealStatus() })
	return recorded
}

// late leaves the seal line of a segment that has none to the time when recording
// has begun.
func (k *keeper) late(n segment.Name, rec *Recovery) {
	rec.Late++
	if !k.held(n) {
		k.add(&job{name: n, late: true})
	}
}
