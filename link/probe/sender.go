package probe

import (
	"canseal/can"
)

const (
	ringBatches = 4096   // that a probe keeps until the logger has them
	flushAfter  = 20_000 // µs: a batch waits no longer for more events
)

// sender is the probe's side: it makes batches of events, keeps them until the
// logger has them, and sends them again on request. It is pure: times in µs of
// the probe's monotonic clock and messages in, messages out.
type sender struct {
	boot uint64
	most int // bytes of a batch's message

	kept   []batch // oldest first
	lowest uint64  // number of kept[0]
	cursor uint64  // number of the next batch to send for the first time
	again  []uint64
	index  uint64 // of the next event
	floor  uint64 // of the first event that no logger has acknowledged

	open    batch // of events that wait for more
	last    uint64
	waiting bool // open has events

	dropped uint64 // batches that left the ring unsent or unheard
	nonce   uint64 // to be echoed; 0: none
	unasked bool   // an echo is due all the same
}

func newSender(boot uint64, most int) *sender {
	return &sender{boot: boot, most: most, unasked: true}
}

// add adds an event that happened at t; times that go back count as equal.
func (s *sender) add(e *can.Event, t uint64) {
	t = max(t, s.last)
	if s.waiting {
		before := len(s.open.items)
		s.open.items = appendItem(s.open.items, e, t-s.last)
		if s.open.head()+len(s.open.items) > s.most {
			s.open.items = s.open.items[:before]
			s.flush()
		}
	}
	if !s.waiting {
		s.waiting = true
		s.open = batch{seq: s.next(), index: s.index, base: t}
		s.open.items = appendItem(make([]byte, 0, s.most), e, 0)
	}
	s.last = t
	s.index++
}

// tick ends a batch that has waited long enough.
func (s *sender) tick(now uint64) {
	if s.waiting && now >= s.open.base+flushAfter {
		s.flush()
	}
}

func (s *sender) flush() {
	s.open.seq = s.next()
	s.waiting = false
	if len(s.kept) == ringBatches {
		s.kept = s.kept[:copy(s.kept, s.kept[1:])]
		s.lowest++
		s.cursor = max(s.cursor, s.lowest)
		s.dropped++
	}
	s.kept = append(s.kept, s.open)
}

// oldest is the index of the oldest event that is kept.
func (s *sender) oldest() uint64 {
	switch {
	case len(s.kept) > 0:
		return s.kept[0].index
	case s.waiting:
		return s.open.index
	}
	return s.index
}

// next is the number of the next batch.
func (s *sender) next() uint64 { return s.lowest + uint64(len(s.kept)) }

// connected begins anew: what the logger has it will say.
func (s *sender) connected() {
	s.cursor, s.again, s.unasked = s.lowest, nil, true
}

// asked takes an ask.
func (s *sender) asked(a *ask) {
	s.nonce = a.nonce
	if a.boot != s.boot || a.want > s.next() {
		return // of another life of this probe
	}
	if n := int(a.want) - int(s.lowest); n > 0 {
		s.kept = s.kept[:copy(s.kept, s.kept[n:])]
		s.lowest = a.want
		s.floor = s.oldest()
	}
	s.cursor = max(s.cursor, s.lowest)
	s.again = s.again[:0]
	for i := range 8 * len(a.missing) {
		seq := a.want + uint64(i)
		if a.missing[i/8]>>(i%8)&1 != 0 && s.lowest <= seq && seq < s.cursor {
			s.again = append(s.again, seq)
		}
	}
}

// message returns the next message to send, nil if there is none.
func (s *sender) message(now uint64) []byte {
	if s.nonce != 0 || s.unasked {
		e := echo{boot: s.boot, nonce: s.nonce, clock: now, lowest: s.lowest, next: s.next(), events: s.index, floor: s.floor}
		s.nonce, s.unasked = 0, false
		return e.append(nil)
	}
	for len(s.again) > 0 {
		seq := s.again[0]
		if s.again = s.again[1:]; seq >= s.lowest {
			return s.kept[seq-s.lowest].append(nil)
		}
	}
	if s.cursor < min(s.next(), s.lowest+mostMissing) {
		s.cursor++
		return s.kept[s.cursor-1-s.lowest].append(nil)
	}
	return nil
}
