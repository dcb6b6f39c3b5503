package logger

import (
	"canseal/can"
	"canseal/mdf"
)

// gates decide which frames of a bus are recorded: first the filter, then the
// control. The recorder owns them.
type gates struct {
	filters  [buses]*filter
	controls [buses]*control
}

func newGates(list []Bus) (g gates) {
	sharers := 0
	for _, b := range list {
		if b.Control != nil && b.Control.PreTrigger > 0 {
			sharers++
		}
	}
	for _, b := range list {
		g.filters[b.Number%buses] = newFilter(b.Filter)
		if b.Control != nil {
			g.controls[b.Number%buses] = newControl(*b.Control, b.Number, sharers)
		}
	}
	return g
}

// each calls f for every control.
func (g *gates) each(f func(c *control)) {
	for _, c := range g.controls {
		if c != nil {
			f(c)
		}
	}
}

// paused tells which buses pause; all is true when every bus of the list does.
func (g *gates) paused(list []Bus) (by [buses]bool, all bool) {
	all = len(list) > 0
	for _, b := range list {
		c := g.controls[b.Number%buses]
		by[b.Number%buses] = c != nil && c.paused
		all = all && by[b.Number%buses]
	}
	return by, all
}

// pinning tells whether segments are to be pinned.
func (g *gates) pinning() (is bool) {
	g.each(func(c *control) { is = is || c.pinning })
	return is
}

// admit tells whether a data or remote frame is to be recorded now. The frame
// that pauses still is, the one that resumes already. Filters are for what is
// received: frames that this program sends pass.
func (r *recorder) admit(e *can.Event) bool {
	c := r.gates.controls[e.Bus%buses]
	held := c != nil && r.steer(c, e)
	fate := pass
	if e.Dir != can.Tx {
		fate = r.gates.filters[e.Bus%buses].decide(e)
	}
	switch {
	case fate != pass:
		r.counts.leave(e.Bus, fate, 1)
		return false
	case held:
		r.counts.leave(e.Bus, paused, c.hold(e))
		if j := r.judges.by[e.Bus%buses]; j != nil {
			j.waiting.written(r.at, e.Time)
		}
		return false
	}
	return true
}

// steer lets a frame pause or resume its bus, and tells whether it comes in a
// pause itself.
func (r *recorder) steer(c *control, e *can.Event) bool {
	if c.overdue(e.Time) {
		r.resume(c, e.Time, can.ResumedByLimit, nil)
	}
	held := c.paused
	verb := goOn
	if !c.o.Authentic || e.Verdict == can.Authentic {
		verb = c.read(&e.Frame)
	}
	switch verb {
	case pause:
		c.pause(e)
		r.turned(c, e.Time, can.PausedByControl)
	case resume:
		r.resume(c, e.Time, can.ResumedByControl, &e.Frame)
		held = false
	}
	return held
}

// resume ends a pause and records what the pre-trigger has kept: late, at the
// times at which it came. The frame is nil when the limit did it.
func (r *recorder) resume(c *control, t int64, by can.State, f *can.Frame) {
	r.counts.leave(c.bus, paused, c.expire(t))
	c.resume(f)
	r.turned(c, t, by)
	r.pin()
	for c.ring.count > 0 {
		c.ring.pop(&r.late, c.bus)
		r.record(&r.late)
	}
}

// turned records the state of a control, and how many frames were left out
// since the last such record.
func (r *recorder) turned(c *control, t int64, s can.State) {
	r.states.set(c.bus, s)
	r.note(mdf.State{Time: t, Bus: c.bus, State: s, ID: c.id, Extended: c.extended, Count: c.told()})
	if c.pinning {
		r.note(mdf.State{Time: t, Bus: c.bus, State: can.MarkByTrigger, ID: c.id, Extended: c.extended})
	}
}

// limitPauses resumes buses whose pause has lasted too long at t.
func (r *recorder) limitPauses(t int64) {
	r.gates.each(func(c *control) {
		if c.overdue(t) {
			r.resume(c, t, can.ResumedByLimit, nil)
		}
	})
}

// repeatPauses tells at the head of a segment which buses pause.
func (r *recorder) repeatPauses(t int64) {
	r.gates.each(func(c *control) {
		if c.paused {
			r.turned(c, t, can.PausedByControl)
		}
	})
}

// endPauses gives up what the pre-triggers hold, and records the counts.
func (r *recorder) endPauses(t int64) {
	r.gates.each(func(c *control) {
		if c.paused {
			r.counts.leave(c.bus, paused, c.drop())
			r.turned(c, t, can.RecordingStopped)
		}
	})
}

// pin pins the open segment while a trigger asks for it, as long as less than
// half of the card is pinned.
func (r *recorder) pin() {
	s := r.seg
	if s == nil || s.pinned || !r.gates.pinning() {
		return
	}
	if v := r.keep.view(); v.Space.Total > 0 && v.PinnedBytes >= v.Space.Total/2 {
		if !r.pinsFull {
			r.tell.tell("segment", "pins fill half of the card", 0, detail{"session": s.name.Session, "split": s.name.Split})
		}
		r.pinsFull = true
		return
	}
	r.pinsFull, s.pinned = false, true
	if err := r.keep.card.Pin(s.name); err != nil {
		r.o.Log.Error("segment not pinned", "segment", s.name.String(), "error", err)
		return
	}
	r.tell.tell("segment", "pinned by trigger", 0, detail{"session": s.name.Session, "split": s.name.Split})
}
