package cancrypt

import "canseal/can"

// Times of P1.9, in ns.
const (
	millisecond = 1_000_000

	sequenceTime = 10 * millisecond  // preamble to data, between frames of a stream, and to the epilog
	cycleTime    = 100 * millisecond // from the first heartbeat of a cycle
	graceTime    = 100 * millisecond // in which the previous key may be used
	windowTime   = 500 * millisecond // from the first GROUP
	restartTime  = 5000 * millisecond
	doubtTime    = 30 * millisecond // around a cycle's deadline, see 5.2
)

// never is a time that no deadline reaches.
const never = 1<<63 - 1

// ref names a captured frame, or with from the heartbeat-only frames of a
// sender in an interval.
type ref struct {
	time   int64
	from   int64
	n      uint64 // frames since the judge began, so that equal stamps stay apart
	word   Word
	sender uint8
}

// selected is the key of a sequence, chosen when its preamble arrived; an
// update while it runs does not change it. An AES pair has two.
type selected struct {
	epoch [2]Epoch
	key   [2]uint32 // numbers of the keys, 0 for none
}

// sequence is a preamble and what followed it, of one sender in one context.
type sequence struct {
	active   bool
	pair     bool // an AES pair: the preamble is the first half of the block
	unzeroed bool // a stream whose preamble has a signature
	cut      bool // frames were lost while it ran
	context  uint8
	sender   uint8
	got      uint8 // messages so far
	frames   uint8 // refs in use
	preamble [8]byte
	head     Preamble
	with     selected
	deadline int64
	messages [MaxMessages]Message
	refs     [MaxMessages + 2]ref
}

// slot numbers the sequences of a bus: one per sender and context. The
// configurator, sender 0, has one in each pairing.
func slot(sender, context uint8) int {
	switch {
	case context == 0:
		return int(sender)
	case sender == 0:
		return 32 + int(context)
	}
	return 16 + int(sender)
}

const slots = 48

// arm starts the sequence that a preamble, or frame 1 of an AES pair, announces.
func (s *sequence) arm(at ref, sender uint8, b *[8]byte, head Preamble, with selected) {
	s.active, s.pair, s.cut = true, false, false
	s.unzeroed = head.Count > 1 && head.Signature != [2]byte{}
	s.context, s.sender, s.got, s.frames = head.Context, sender, 0, 0
	s.preamble, s.head, s.with = *b, head, with
	s.add(at)
}

func (s *sequence) add(at ref) {
	s.refs[s.frames] = at
	s.frames++
	s.deadline = at.time + sequenceTime
}

// progress is what a frame does to a sequence (5.5).
type progress uint8

const (
	unawaited progress = iota // the frame is not the sequence's
	taken                     // and more is to come
	completed
	tooEarly // the epilog came before the last message: the sequence ends
	unfit    // the epilog is another one: the sequence ends
)

// data offers a listed frame of the sequence's sender.
func (s *sequence) data(at ref, r *Record, f *can.Frame) progress {
	switch {
	case !s.active || s.got == s.head.Count:
		return unawaited
	case s.pair != (r.Cipher == AESPair) || s.pair && f.Len != 8:
		return unawaited
	case s.got == 0 && !s.pair && r.Announced() != s.head.Word:
		return unawaited
	}
	s.messages[s.got] = Message{Record: *r, Len: f.Len, Data: [8]byte(f.Data[:8])}
	s.got++
	s.add(at)
	if s.head.Count > 1 {
		return taken
	}
	return completed
}

// epilog offers an epilog of the sequence's sender and context.
func (s *sequence) epilog(at ref, e *Preamble, b *[8]byte) progress {
	if !s.active || s.pair || s.head.Count == 1 {
		return unawaited
	}
	s.add(at)
	switch {
	case s.got < s.head.Count:
		return tooEarly
	case e.Count != s.head.Count || b[1] != s.preamble[1] || e.Word != s.messages[s.got-1].Record.Announced():
		return unfit
	}
	return completed
}

// window finds the sequence number that a preamble's low six bits mean, given
// the last verified one, -1 for none: the next one that matches, and the latest
// one not after last, whose right signature is a replay. A negative number does
// not exist.
func window(last int32, low uint8) (fresh, old int32) {
	fresh = last + 1 + (int32(low)-(last+1))&63
	old = fresh - 64
	if fresh > 0xFFFF {
		fresh = -1
	}
	return fresh, max(old, -1)
}

// result is what the check of a complete sequence found.
type result uint8

const (
	bad      result = iota
	right           // signature right, counter new
	replayed        // signature right, counter not new
)

// check verifies a complete sequence under the key of its preamble and returns
// its number. last holds the last verified number of each key of the sequence.
// end is the epilog, nil for a single message.
func (s *Suite) check(q *sequence, last [2]int32, end *[8]byte) (found result, seq uint16, key int) {
	if q.pair {
		return s.checkPair(q, last)
	}
	fresh, old := window(last[0], q.head.Seq)
	if fresh >= 0 && s.try(q, uint16(fresh), end) {
		return right, uint16(fresh), 0
	}
	if old >= 0 && s.try(q, uint16(old), end) {
		return replayed, uint16(old), 0
	}
	return bad, 0, 0
}

func (s *Suite) try(q *sequence, seq uint16, end *[8]byte) bool {
	messages := q.messages
	return s.Open(&q.with.epoch[0], Place{q.context, q.sender, seq}, &q.preamble, messages[:q.got], end)
}

// checkPair tries the four numbers after the last one with both keys, then the
// last four, which would be replays.
func (s *Suite) checkPair(q *sequence, last [2]int32) (result, uint16, int) {
	for _, pass := range []struct {
		from  int32
		found result
	}{{1, right}, {-3, replayed}} {
		for key := range q.with.key {
			for i := range int32(4) {
				seq := last[key] + pass.from + i
				if q.with.key[key] == 0 || seq < 0 || seq > 0xFFFF {
					continue
				}
				m := &q.messages[0]
				if _, ok := s.OpenPair(&q.with.epoch[key], Place{q.context, q.sender, uint16(seq)}, &m.Record, q.preamble, m.Data); ok {
					return pass.found, uint16(seq), key
				}
			}
		}
	}
	return bad, 0, 0
}
