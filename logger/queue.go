package logger

import (
	"io"
	"runtime"
	"sync"

	"canseal/can"
)

const (
	// defaultQueue is the number of events between capture and recorder:
	// 14 MiB when full, 6 s of a full classic bus with empty frames.
	defaultQueue = 1 << 17
	// chunk bounds the events that the recorder takes at once, so that its
	// timers are served and room is given back in between.
	chunk = 1024
)

// queue is the ring between the capture goroutine, which must never wait for a
// disk, and the recorder. Events are read into it and recorded from it in
// place. What does not fit is counted, by bus.
type queue struct {
	ring []can.Event
	wake chan struct{} // there may be something to take
	room chan struct{} // there may be room again

	mu      sync.Mutex
	head    int // first pending event
	count   int // pending events
	peak    int // most that were pending
	end     error
	dropped losses
	states  []can.Event // changes of state that did not fit: the last by bus and kind
}

func newQueue(size int) *queue {
	if size <= 0 {
		size = defaultQueue
	}
	return &queue{ring: make([]can.Event, size), wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// free returns a piece of the ring to read into; it is empty when the ring is
// full. An empty ring starts over at the front, so that only as much memory is
// touched as the worst stall needed.
func (q *queue) free() []can.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 {
		q.head = 0
	}
	from := q.head + q.count
	if from >= len(q.ring) {
		from -= len(q.ring)
		return q.ring[from : from+len(q.ring)-q.count]
	}
	return q.ring[from:]
}

// commit adds the first n events of the piece that free returned.
func (q *queue) commit(n int) {
	q.mu.Lock()
	q.count += n
	q.peak = max(q.peak, q.count)
	q.mu.Unlock()
	poke(q.wake)
}

// drop counts events for which there is no room.
func (q *queue) drop(events []can.Event) {
	q.mu.Lock()
	for i := range events {
		switch e := &events[i]; e.Kind {
		case can.KindFrame:
			q.dropped.Frame(e.Bus, can.LostQueue, e.Time)
		case can.KindLost:
			q.dropped.Add(e.Bus, e.Reason, lossOf(e))
		case can.KindState:
			q.keepState(e)
		}
	}
	q.mu.Unlock()
	poke(q.wake)
}

func (q *queue) keepState(e *can.Event) {
	for i := range q.states {
		if s := &q.states[i]; s.Bus == e.Bus && slot(s.State) == slot(e.State) {
			*s = *e
			return
		}
	}
	if len(q.states) < 64 {
		q.states = append(q.states, *e)
	}
}

// pending returns the oldest events, at most chunk; they are the caller's until
// release. An error means that the source has ended and nothing is left.
func (q *queue) pending() ([]can.Event, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 {
		return nil, q.end
	}
	n := min(q.count, chunk, len(q.ring)-q.head)
	return q.ring[q.head : q.head+n], nil
}

// release gives n events back; more is set when others are waiting.
func (q *queue) release(n int) {
	q.mu.Lock()
	q.head += n
	if q.head == len(q.ring) {
		q.head = 0
	}
	q.count -= n
	more := q.count > 0 || q.end != nil
	q.mu.Unlock()
	poke(q.room)
	if more {
		poke(q.wake)
	}
}

// overflow moves what did not fit into the caller's hands.
func (q *queue) overflow(into *losses) (states []can.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	into.Merge(&q.dropped)
	q.dropped.Clear()
	states, q.states = q.states, nil
	return states
}

// ending reports that nothing more will come.
func (q *queue) ending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.end != nil
}

// empty reports that nothing waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count == 0
}

// finish tells that no more events will come, and why.
func (q *queue) finish(err error) {
	q.mu.Lock()
	q.end = err
	q.mu.Unlock()
	poke(q.wake)
}

// capture moves events from the source into the queue until the source ends.
// It holds its thread: the source waits in system calls.
func (q *queue) capture(source can.Source, patient bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spill := make([]can.Event, 64)
	for {
		buf := q.free()
		if len(buf) > 0 {
			n, err := source.Read(buf)
			q.commit(n)
			if err != nil {
				q.finish(err)
				return
			}
			continue
		}
		if patient {
			<-q.room
			continue
		}
		n, err := source.Read(spill)
		q.drop(spill[:n])
		if err != nil {
			q.finish(err)
			return
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func lossOf(e *can.Event) loss {
	return loss{From: e.From, To: e.Time, Count: e.Lost, AtLeast: e.AtLeast, Times: 1}
}

// ended reports whether err is how a source ends in order.
func ended(err error) bool { return err == io.EOF }
