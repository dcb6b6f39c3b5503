package mqtt

import (
	"context"
	"sync"
)

// Message is what is published.
type Message struct {
	Topic   string
	Payload []byte
	Retain  bool // the broker keeps it for who comes later; a newer one of the topic takes its place here too
}

// size is what a message takes in the ring, about.
func (m *Message) size() int { return len(m.Topic) + len(m.Payload) + 100 }

// entry is a message in the ring.
type entry struct {
	Message
	state entryState
}

type entryState uint8

const (
	waiting entryState = iota
	flying             // on its way, not acknowledged
	gone               // acknowledged, refused or dropped
)

// ring holds messages until they are acknowledged.
type ring struct {
	room int // bytes

	lock    sync.Mutex
	entries []*entry // oldest first
	bytes   int
	dropped uint64
	signal  chan struct{} // closed when there is something to take
}

func newRing(room int) *ring { return &ring{room: room, signal: make(chan struct{})} }

// add adds a message, and drops the oldest ones for it.
func (r *ring) add(m Message) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if m.Retain {
		r.replace(m.Topic)
	}
	r.entries = append(r.entries, &entry{Message: m})
	r.bytes += m.size()
	for _, e := range r.entries {
		if r.bytes <= r.room {
			break
		}
		if e.state != gone {
			r.dropped++
			r.remove(e)
		}
	}
	r.trim()
	r.wake()
}

// replace takes out what waits on a topic: something newer comes.
func (r *ring) replace(topic string) {
	for _, e := range r.entries {
		if e.state == waiting && e.Retain && e.Topic == topic {
			r.remove(e)
		}
	}
}

func (r *ring) remove(e *entry) {
	if e.state != gone {
		e.state = gone
		r.bytes -= e.size()
		e.Payload = nil
	}
}

// trim forgets the oldest entries that are gone.
func (r *ring) trim() {
	n := 0
	for n < len(r.entries) && r.entries[n].state == gone {
		r.entries[n] = nil
		n++
	}
	r.entries = r.entries[n:]
	if len(r.entries) == 0 {
		r.entries = nil
	}
}

func (r *ring) wake() {
	close(r.signal)
	r.signal = make(chan struct{})
}

// take waits for a message and takes the oldest one that waits.
func (r *ring) take(ctx context.Context) (*entry, Message, error) {
	for {
		r.lock.Lock()
		for _, e := range r.entries {
			if e.state == waiting {
				e.state = flying
				m := e.Message
				r.lock.Unlock()
				return e, m, nil
			}
		}
		signal := r.signal
		r.lock.Unlock()
		select {
		case <-signal:
		case <-ctx.Done():
			return nil, Message{}, ctx.Err()
		}
	}
}

// done forgets a message.
func (r *ring) done(e *entry) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.remove(e)
	r.trim()
}

// back gives a message back that was not acknowledged.
func (r *ring) back(e *entry) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if e.state == flying {
		e.state = waiting
		r.wake()
	}
}

// counts returns how many messages are held, and how many were dropped.
func (r *ring) counts() (held int, dropped uint64) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, e := range r.entries {
		if e.state != gone {
			held++
		}
	}
	return held, r.dropped
}
