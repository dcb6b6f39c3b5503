package node

import "time"

// clock counts ns that never jump, from the wall clock's time at its start.
type clock struct{ start time.Time }

func startClock() clock { return clock{time.Now()} }

// now is the present time.
func (c clock) now() int64 { return c.start.UnixNano() + int64(time.Since(c.start)) }

// mostAge bounds what a stamp is believed: older ones come from a clock that was
// set meanwhile.
const mostAge = time.Second

// of turns a stamp of the wall clock into a time of this clock.
func (c clock) of(stamp int64) int64 {
	now := time.Now() // both clocks in one reading
	age := now.UnixNano() - stamp
	return c.start.UnixNano() + int64(now.Sub(c.start)) - max(0, min(age, int64(mostAge)))
}

// wall turns a time of this clock into the wall clock's.
func (c clock) wall(t int64) time.Time { return time.Now().Add(time.Duration(t - c.now())) }
