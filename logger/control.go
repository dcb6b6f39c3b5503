package logger

import (
	"fmt"
	"math"
	"time"

	"canseal/can"
)

// Control pauses and resumes the recording of a bus by the value of a signal.
type Control struct {
	Signal     Signal
	StartAt    float64 // a value from here on resumes; above StopAt
	StopAt     float64 // a value up to here pauses
	PreTrigger time.Duration
	MaxPause   time.Duration // 0: no limit
	Authentic  bool          // only frames with the verdict authentic steer
	Pin        bool          // segments recorded after a resume by the signal are pinned
}

// verb is what a frame makes of a control.
type verb uint8

const (
	goOn verb = iota
	pause
	resume
)

// control is the pure core of a Control: it turns frames into verbs and keeps
// what comes during a pause. Its owner carries the verbs out.
type control struct {
	o        Control
	bus      uint8
	low      bool // the signal fell to StopAt and has not risen to StartAt since
	paused   bool
	pinning  bool  // the signal resumed, and has not paused since
	since    int64 // begin of the pause, as recorded time
	id       uint32
	extended bool
	missed   uint64 // frames left out that no record tells yet
	ring     ring
}

// ringsBytes is shared out among the controls that have a pre-trigger: 60 s of
// one full bus of 1 Mbit/s, 13 s of eight.
const ringsBytes = 24 << 20

func newControl(o Control, bus uint8, sharers int) *control {
	return &control{o: o, bus: bus, ring: ring{limit: max(1, ringsBytes/ringBlock/max(1, sharers))}}
}

// read looks for the signal in a frame. Only its edges count, with the
// hysteresis between the two thresholds; at the start it counts as high. After
// a pause that ended by its limit a rising edge changes nothing.
func (c *control) read(f *can.Frame) verb {
	v, ok := c.o.Signal.Value(f)
	switch {
	case !ok || math.IsNaN(v):
	case v <= c.o.StopAt && !c.low:
		c.low = true
		return pause
	case v >= c.o.StartAt && c.low:
		c.low = false
		if c.paused {
			return resume
		}
	}
	return goOn
}

// overdue tells whether a pause has lasted too long at t.
func (c *control) overdue(t int64) bool {
	return c.paused && c.o.MaxPause > 0 && t-c.since >= int64(c.o.MaxPause)
}

// pause begins a pause with the frame that asks for it.
func (c *control) pause(e *can.Event) {
	c.paused, c.pinning, c.since = true, false, e.Time
	c.id, c.extended = e.Frame.ID, e.Frame.Is(can.Extended)
}

// resume ends a pause, by a frame or (nil) by the limit, which then names no
// frame.
func (c *control) resume(f *can.Frame) {
	c.paused, c.pinning, c.id, c.extended = false, false, 0, false
	if f != nil {
		c.pinning, c.id, c.extended = c.o.Pin, f.ID, f.Is(can.Extended)
	}
}

// hold keeps a frame that comes during a pause, and returns how many older
// ones are left out for good.
func (c *control) hold(e *can.Event) (leftOut int) {
	if c.o.PreTrigger <= 0 {
		c.missed++
		return 1
	}
	leftOut = c.ring.push(e)
	c.missed += uint64(leftOut)
	return leftOut + c.expire(e.Time)
}

// expire leaves out what is older than the pre-trigger at t.
func (c *control) expire(t int64) (leftOut int) {
	for c.ring.count > 0 && t-c.ring.oldest() > int64(c.o.PreTrigger) {
		c.ring.skip()
		leftOut++
	}
	c.missed += uint64(leftOut)
	return leftOut
}

// move takes a pause, and what it holds, over a step of the clock.
func (c *control) move(by int64) {
	c.since += by
	c.ring.move(by)
}

// drop leaves out all that is held.
func (c *control) drop() (leftOut int) {
	for ; c.ring.count > 0; leftOut++ {
		c.ring.skip()
	}
	c.missed += uint64(leftOut)
	return leftOut
}

// detail names the frame that made the control turn; the limit has none.
func (c *control) detail(s can.State) detail {
	switch {
	case c == nil || s == can.ResumedByLimit:
		return nil
	case c.extended:
		return detail{"id": fmt.Sprintf("%08X", c.id)}
	}
	return detail{"id": fmt.Sprintf("%03X", c.id)}
}

// told takes the number of frames left out for a record.
func (c *control) told() uint32 {
	n := min(c.missed, math.MaxUint32)
	c.missed -= n
	return uint32(n)
}
