// Package sessions keeps the messages that are being put together from parts:
// never more than a fixed number, whatever the bus says.
package sessions

import "math/bits"

// Message is one that grows. Payload has its final length from the start. Own
// is what its protocol keeps beside.
type Message[X any] struct {
	Time    int64 // of the first part
	Last    int64 // of the latest part
	Tag     uint8 // of all parts, Mixed if they differ
	Payload []byte
	Done    int // bytes that are there, or parts: as the protocol counts
	Next    int // number of the part that comes next
	Own     X
}

// Mixed is the tag of a message whose parts have different ones.
const Mixed = 255

// Part notes the time and the tag of another part.
func (m *Message[X]) Part(time int64, tag uint8) {
	if m.Last = time; m.Tag != tag {
		m.Tag = Mixed
	}
}

// Store holds up to a number of messages by key. When it is full a new one
// takes the place of the one that has waited longest.
type Store[K comparable, X any] struct {
	most int
	held map[K]*entry[X]
	free []*entry[X]
	tick uint64
}

type entry[X any] struct {
	Message[X]
	used uint64
}

// New makes a Store for at most so many messages.
func New[K comparable, X any](most int) *Store[K, X] {
	return &Store[K, X]{most: most, held: map[K]*entry[X]{}}
}

// Len returns how many messages are being put together.
func (s *Store[K, X]) Len() int { return len(s.held) }

// Of returns the message of a key, nil if there is none.
func (s *Store[K, X]) Of(k K) *Message[X] {
	e := s.held[k]
	if e == nil {
		return nil
	}
	s.tick++
	e.used = s.tick
	return &e.Message
}

// Begin makes a message of n bytes, in the place of one of the same key. It
// tells how many messages ended for that.
func (s *Store[K, X]) Begin(k K, time int64, tag uint8, n int) (m *Message[X], lost int) {
	if s.held[k] != nil {
		s.End(k)
		lost++
	}
	if len(s.held) == s.most {
		s.End(s.oldest())
		lost++
	}
	e := s.unused()
	s.tick++
	e.used = s.tick
	if cap(e.Payload) < n {
		e.Payload = make([]byte, n, 1<<bits.Len(uint(n))) // lengths that grow one by one do not cost their sum
	}
	e.Message = Message[X]{Time: time, Last: time, Tag: tag, Payload: e.Payload[:n]}
	s.held[k] = e
	return &e.Message, lost
}

func (s *Store[K, X]) unused() (e *entry[X]) {
	if last := len(s.free) - 1; last >= 0 {
		e, s.free = s.free[last], s.free[:last]
		return e
	}
	return &entry[X]{}
}

func (s *Store[K, X]) oldest() (k K) {
	least := uint64(1<<64 - 1)
	for key, e := range s.held {
		if e.used < least {
			least, k = e.used, key
		}
	}
	return k
}

// End forgets the message of a key. Its payload may be read until the next
// Begin.
func (s *Store[K, X]) End(k K) {
	if e := s.held[k]; e != nil {
		delete(s.held, k)
		s.free = append(s.free, e)
	}
}

// Clear forgets all messages and tells how many there were.
func (s *Store[K, X]) Clear() (lost int) {
	lost = len(s.held)
	for k := range s.held {
		s.End(k)
	}
	return lost
}
