package logger

import (
	"sort"

	"canseal/can"
)

// mostWaiting bounds the frames of a bus whose verdict is remembered as pending.
// Of more, the oldest stay so.
const mostWaiting = 1 << 15

// entry is a frame whose verdict is pending.
type entry struct {
	n     uint64     // of the judge's frames
	at    uint64     // of the run's events
	e     *can.Event // in the queue; nil: taken from it
	stamp int64      // judge's time
	time  int64      // as recorded; 0: not recorded (yet)
	only  uint8      // its sender, if it is heartbeat-only: its verdict takes seconds
	once  bool       // it was vouched for, once
	done  bool
}

// waiting are the pending frames of a bus in their order. Entries before next
// are out of the queue.
type waiting struct {
	list []entry
	next int
}

func (w *waiting) add(e entry) {
	if len(w.list) >= mostWaiting {
		w.drop(mostWaiting / 4)
	}
	w.list = append(w.list, e)
}

// drop forgets the oldest entries.
func (w *waiting) drop(n int) {
	w.list = append(w.list[:0], w.list[n:]...)
	w.next = max(w.next-n, 0)
}

// trim forgets settled entries at the front, in large steps.
func (w *waiting) trim() {
	n := 0
	for n < w.next && w.list[n].done {
		n++
	}
	if n == len(w.list) || n >= 1024 {
		w.drop(n)
	}
}

// find returns the entry of a frame by its number; nil: none.
func (w *waiting) find(n uint64) *entry {
	i := sort.Search(len(w.list), func(i int) bool { return w.list[i].n >= n })
	if i == len(w.list) || w.list[i].n != n || w.list[i].done {
		return nil
	}
	return &w.list[i]
}

// interval settles the heartbeat-only frames of a sender in an interval of the
// judge's time, and calls f for each with what it was before.
func (w *waiting) interval(sender uint8, from, to int64, v can.Verdict, f func(before can.Verdict)) {
	for i := range w.list {
		e := &w.list[i]
		if e.only != sender || e.done || e.stamp < from || e.stamp > to || e.once && v != can.VouchedTwice {
			continue
		}
		before := can.Pending
		if e.once {
			before = can.Vouched
		}
		e.once, e.done = v == can.Vouched, v != can.Vouched
		f(before)
	}
	w.trim()
}

// ripe returns the event up to which nothing waits for a verdict that is to
// come within moments: entries older than a stamp have waited long enough.
func (w *waiting) ripe(old int64) uint64 {
	for i := w.next; i < len(w.list); i++ {
		if e := &w.list[i]; e.only == 0 && !e.done && e.e != nil && e.stamp >= old {
			return e.at
		}
	}
	return ^uint64(0)
}

// written notes the recorded time of event at, if it waits.
func (w *waiting) written(at uint64, t int64) {
	for w.next < len(w.list) && w.list[w.next].at <= at {
		e := &w.list[w.next]
		if e.at == at {
			e.time = t
		}
		e.e = nil
		w.next++
	}
}

// taken forgets that events before at were in the queue.
func (w *waiting) taken(at uint64) {
	if at > 0 {
		w.written(at-1, 0)
	}
}
