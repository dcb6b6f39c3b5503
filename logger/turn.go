package logger

import (
	"canseal/can"
	"canseal/internal/clock"
	"canseal/mdf"
)

// turn is a step of the clock on its way through the queue: events that were
// stamped before it are still to be recorded, on the old time.
type turn struct {
	step clock.Step
	was  int64 // offset before, ns
	mid  int64 // between the wall clock before and after, ns
}

// before tells on which side of the step a stamp lies.
func (t *turn) before(stamp int64) bool {
	if t.step.By > 0 {
		return stamp < t.mid
	}
	return stamp > t.mid
}

// checkClock looks for a step. It runs before events are dated, so no event is
// newer than the offset that it gets.
func (r *recorder) checkClock() {
	step, changed := r.o.Clock.Check()
	if !changed {
		return
	}
	r.finishTurn()
	if !step.Set() {
		r.anchor(step.Now, false)
		return
	}
	r.tell.tell("clock", "step", 0, detail{"by_ms": step.By.Milliseconds(), "moved_ms": step.Moved.Milliseconds()})
	r.turn = &turn{step: step, was: r.offset, mid: step.Now.Wall - int64(step.By)/2}
	r.offset = step.Now.Offset
	r.time.step(r.turn, r.offset)
	if step.By == 0 {
		r.finishTurn()
	}
}

// date turns stamps of the kernel into recorded time.
func (r *recorder) date(e *can.Event) {
	if r.turn != nil && !r.turn.before(e.Time) {
		r.finishTurn()
	}
	e.From += r.offsetOf(e.From)
	e.Time += r.offsetOf(e.Time)
}

func (r *recorder) offsetOf(stamp int64) int64 {
	if r.turn != nil && r.turn.before(stamp) {
		return r.turn.was
	}
	return r.offset
}

// finishTurn goes over to the new time: by a new segment after a large step,
// else by an anchor. The last anchor of the old segment has the old time.
func (r *recorder) finishTurn() {
	t := r.turn
	if t == nil {
		return
	}
	r.turn, r.time.turn = nil, nil
	r.gates.each(func(c *control) { c.move(int64(t.step.Moved)) })
	if r.seg == nil {
		return
	}
	now := anchorOf(t.step.Now, true)
	if !t.step.Split {
		r.anchor(t.step.Now, true)
		return
	}
	now.Time -= int64(t.step.Moved)
	r.sealAt(now, false)
	r.open()
}

// anchor ties the recorded time to the clocks of the machine.
func (r *recorder) anchor(s clock.Stamp, step bool) {
	if r.seg == nil {
		return
	}
	r.seg.anchored = s.Boot
	r.seg.clock = max(r.seg.clock, clockRank(s.Synchronised, s.BelowFloor))
	if err := r.seg.w.Append(anchorOf(s, step)); err != nil {
		r.fail(err)
	}
}

func anchorOf(s clock.Stamp, step bool) mdf.Clock {
	return mdf.Clock{
		Time: s.Time, Boot: s.Boot, Wall: s.Wall, Error: s.Error, Source: mdf.ClockSource(s.Source),
		Synchronised: s.Synchronised, Step: step, BelowFloor: s.BelowFloor,
	}
}
