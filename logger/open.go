package logger

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"canseal/can"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

const (
	anchorEvery = 60 * time.Second
	// reopenPause lies between two segments that an error ended; after the first
	// one the next segment is opened at once.
	reopenPause = 10 * time.Second
	// maxUndone bounds the jobs while a card lets make files and remove none.
	maxUndone = 16
)

// errNoRoom: nothing may be deleted any more, and the reserve is not for segments.
var errNoRoom = errors.New("no room above the reserve")

// open is the segment that is being written.
type open struct {
	name     segment.Name // its session is the folder's number
	header   mdf.Header
	file     durable.File
	w        *mdf.Writer
	until    int64 // time of the split by the grid, ns; -1: none
	anchored int64 // Boot of the last anchor, ns
	clock    int   // the worst of clockStates
	pinned   bool

	head   int64 // bytes of the header
	synced int64 // bytes that are durable
	gaps   losses
	frames [buses]loss // not durable yet
}

// risk counts a frame that is lost if the next sync fails.
func (s *open) risk(e *can.Event) {
	m := &s.frames[e.Bus%buses]
	if m.Count == 0 {
		m.From, m.To = e.Time, e.Time
	}
	m.From, m.To = min(m.From, e.Time), max(m.To, e.Time)
	m.Count++
	m.Times = 1
}

// safe forgets the risk after a sync.
func (s *open) safe() {
	s.synced = s.w.Size()
	s.gaps.Clear()
	s.frames = [buses]loss{}
}

// open tries to begin the next segment; if it cannot, the card has a state that
// says why, and the next tick tries again.
func (r *recorder) open() {
	err := r.tryOpen()
	if err != nil {
		r.setCardFor(err)
		r.halt()
		return
	}
	if r.card != can.CardOK && r.card != can.CardLow {
		r.setCard(can.CardOK)
	}
	if r.halted {
		r.halted = false
		r.note(mdf.State{State: can.RecordingStarted})
	}
	now := r.o.Clock.Now()
	r.anchor(now, false)
	r.introduce(now.Time)
	r.repeatPauses(now.Time)
	r.pin()
	r.writeLosses()
	r.writeNotes()
}

func (r *recorder) tryOpen() error {
	now := r.o.Clock.Now()
	r.opened = now.Boot
	if err := r.checkCard(); err != nil {
		return err
	}
	if !r.attached {
		if _, err := r.attach(); err != nil {
			return err
		}
	}
	if r.keep.view().Short {
		return errNoRoom
	}
	file, name, err := r.create()
	if err != nil {
		return err
	}
	now = r.o.Clock.Now()
	s, err := r.start(file, name, now)
	if err != nil {
		file.Close()
		r.undo(name, now.Time)
		return err
	}
	r.seg, r.split = s, name.Split
	return nil
}

// undo removes a file that did not become a segment. If it resists, its split is
// not used again, and the keeper tries on: nothing of it is a loss.
func (r *recorder) undo(name segment.Name, start int64) {
	err := r.o.Card.Remove(r.keep.card.Path(name, segment.Part))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	r.split = name.Split
	if len(r.keep.waiting()) < maxUndone {
		r.keep.add(&job{name: name, start: start, mend: true, empty: true})
	}
}

// create makes the file under the next split of which the card has no name at
// all. A session that has had its splits is followed by another.
func (r *recorder) create() (durable.File, segment.Name, error) {
	if r.split >= maxSplits && r.session < segment.LastSession {
		r.newSession(nil)
	}
	name := segment.Name{Session: r.session, Split: r.split}
	folder := r.keep.card.Folder(name.Session)
	if err := r.o.Card.MkdirAll(folder, 0o755); err != nil {
		return nil, name, err
	}
	for range 1000 {
		name.Split++
		there, err := r.keep.card.Load(name)
		if err != nil {
			return nil, name, err
		}
		if there.Has == 0 {
			file, err := r.o.Card.Create(r.keep.card.Path(name, segment.Part), 0o644)
			return file, name, err
		}
	}
	r.attached = false // there are splits that nobody told us of
	return nil, name, fmt.Errorf("segment %s: %w", name, fs.ErrExist)
}

// start writes the header, durably, before the first record.
func (r *recorder) start(file durable.File, name segment.Name, now clock.Stamp) (*open, error) {
	h := r.o.Header
	h.Start, h.ClockOffset, h.Device = now.Time, now.Offset, string(r.o.Device)
	h.Session, h.Split, h.Flush = name.Session, name.Split, r.o.Flush
	r.judges.each(func(j *judge) {
		h.Cancrypt, h.Plain = append(h.Cancrypt, j.describe()), h.Plain || j.o.Options.Plaintext
	})
	if space, err := r.o.Card.Space(); err == nil {
		h.StorageTotal, h.StorageFree = space.Total>>10, space.Free>>10
	}
	w, err := mdf.Create(file, h)
	if err != nil {
		return nil, fmt.Errorf("open segment %s: %w", name, err)
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("open segment %s: %w", name, err)
	}
	if err := r.o.Card.SyncDir(r.keep.card.Folder(name.Session)); err != nil {
		return nil, fmt.Errorf("open segment %s: %w", name, err)
	}
	return &open{
		name: name, header: h, file: file, w: w, head: w.Size(), synced: w.Size(),
		until: nextSplit(now.Time, r.o.SplitTime, r.o.SplitOffset),
	}, nil
}

// sync makes everything so far durable.
func (r *recorder) sync() {
	if r.seg == nil {
		return
	}
	if err := r.seg.w.Sync(); err != nil {
		r.fail(err)
		return
	}
	r.seg.safe()
	r.notes.durable()
	r.o.Synced(r.seg.name, r.seg.w.Stats().Frames)
}

// seal finishes the open segment, if there is one, and hands it to the keeper;
// done is closed when its seal line stands.
func (r *recorder) seal() (done <-chan struct{}) {
	return r.sealAt(anchorOf(r.o.Clock.Now(), false), false)
}

// sealAt seals with a last anchor; final is for a box that is about to go.
func (r *recorder) sealAt(last mdf.Clock, final bool) (done <-chan struct{}) {
	r.writeLosses()
	r.writeNotes()
	r.sync()
	s := r.seg
	if s == nil {
		return nil
	}
	r.seg = nil
	next := r.keep.finished()
	j := &job{name: s.name, start: s.header.Start, raw: next == segment.Raw, final: final}
	s.clock = max(s.clock, clockRank(last.Synchronised, last.BelowFloor))
	err := errors.Join(s.w.Finish(last), s.file.Close())
	if err == nil {
		err = r.keep.card.Rename(s.name, segment.Part, next)
	}
	stats := s.w.Stats()
	r.counts.sealed += s.w.Size()
	if err != nil {
		// All records were durable before: the keeper finishes it as recovery would.
		j.mend, j.raw = true, false
		r.o.Log.Error("segment not finished", "segment", s.name.String(), "error", err)
	} else {
		j.line = s.line(stats)
	}
	r.keep.add(j)
	return j.done
}

func (s *open) line(stats mdf.Stats) segment.SealLine {
	f := facts{
		header: s.header, first: stats.First, last: stats.Last, frames: stats.Frames,
		gaps: stats.Gaps, lost: stats.Lost, clock: s.clock,
	}
	line := f.line()
	line.End = "orderly"
	return line
}

// fail ends a segment after an error of a write or a sync, which is final for
// the file: what was not durable yet is lost and counted.
func (r *recorder) fail(err error) {
	s := r.seg
	r.seg = nil
	s.file.Close()
	r.o.Log.Error("segment ended by an error", "segment", s.name.String(), "error", err)
	r.tell.tell("segment", "write error", 0, detail{"session": s.name.Session, "split": s.name.Split})
	r.pending.Merge(&s.gaps)
	for bus, m := range s.frames {
		if m.Count > 0 {
			r.pending.Add(uint8(bus), can.LostWrite, m)
			r.counts.lose(uint8(bus), can.LostWrite, m.Count, false)
		}
	}
	r.notes.again()
	r.counts.sealed += s.synced
	r.keep.add(&job{name: s.name, start: s.header.Start, mend: true, keep: s.synced, empty: s.synced == s.head})
	again := r.o.Clock.Now().Boot-r.opened >= int64(reopenPause)
	r.setCardFor(err)
	if again {
		r.open()
	} else {
		r.halt()
	}
}

// halt notes that nothing is recorded for now.
func (r *recorder) halt() {
	if r.untidy { // the same fault may have hindered recovery: once more when it is over
		r.attached = false
	}
	if !r.halted {
		r.halted = true
		r.note(mdf.State{State: can.RecordingStopped})
	}
}

// setCardFor finds the state of a card that answered so.
func (r *recorder) setCardFor(err error) {
	state := can.CardWriteError
	switch {
	case r.o.CheckCard() != nil, errors.Is(err, errExchanged):
		state = can.CardMissing
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, errNoRoom):
		state = can.CardFull
	case errors.Is(err, syscall.EROFS):
		state = can.CardReadOnly
	}
	if state != r.card {
		r.o.Log.Error("card takes no segment", "state", state.String(), "error", err)
	}
	r.setCard(state)
}

// setCard records a change of the card's state.
func (r *recorder) setCard(state can.State) {
	if state == r.card {
		return
	}
	r.card = state
	r.tell.tell("card", state.String(), 0, nil)
	r.note(mdf.State{State: state})
}
