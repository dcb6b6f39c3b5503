package socketcan

import (
	"sync"
	"sync/atomic"
	"time"

	"canseal/can"
)

const (
	ownMost = 256                // frames remembered of one bus
	ownLife = int64(time.Second) // a frame that has not come back by then never will
)

// own remembers the frames that this process sent on one bus, until the
// kernel hands them back. Ports add, the capture thread takes. Times are
// CLOCK_REALTIME, as the kernel's stamps.
type own struct {
	silent atomic.Bool  // nothing may be sent
	count  atomic.Int32 // frames remembered: the capture thread asks this first
	mu     sync.Mutex
	sent   []ownFrame // oldest first
}

type ownFrame struct {
	frame    can.Frame
	at       int64 // ns since 1970 UTC, before the kernel got it
	unlogged bool  // its sender does not want it in the log
}

// add remembers a frame about to be sent, and forgets the oldest when there
// are too many.
func (o *own) add(f ownFrame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.sent) == ownMost {
		o.remove(0, 1)
	}
	o.sent = append(o.sent, f)
	o.count.Store(int32(len(o.sent)))
}

// take reports whether this process sent the frame that the kernel stamped,
// and whether it is to be left out, and forgets it: the oldest one that is
// equal. Frames before it stay, since a controller may send by priority.
func (o *own) take(f *can.Frame, stamp int64) (mine, unlogged bool) {
	if o.count.Load() == 0 {
		return false, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	dead := 0
	for dead < len(o.sent) && o.sent[dead].at < stamp-ownLife {
		dead++
	}
	o.remove(0, dead)
	for i := range o.sent {
		if o.sent[i].at <= stamp && o.sent[i].frame == *f {
			unlogged = o.sent[i].unlogged
			o.remove(i, i+1)
			return true, unlogged
		}
	}
	return false, false
}

// forget takes back the newest frame that is equal: it was not sent.
func (o *own) forget(f can.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.sent) - 1; i >= 0; i-- {
		if o.sent[i].frame == f {
			o.remove(i, i+1)
			return
		}
	}
}

func (o *own) remove(from, to int) {
	o.sent = append(o.sent[:from], o.sent[to:]...)
	o.count.Store(int32(len(o.sent)))
}
