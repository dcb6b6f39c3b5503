package logger

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/clock"
)

// from1970 is the skew of a box without a clock battery in the bubble, which
// begins in 2000.
const from1970 = -30 * 365 * 24 * time.Hour

func TestABoxOf1970RecordsFromTheFirstFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.clocks.set(from1970, false)
		r.start().run(5, 10)
		now := r.clocks.read().Wall
		r.feed.events <- []can.Event{{Kind: can.KindLost, From: now - 1000, Time: now, Reason: can.LostSocket}}
		synctest.Wait()
		r.clocks.set(now2026, true)
		r.run(5, 10)
		r.stop()
		c := inventory(t, r.card)
		if len(c.gaps) != 1 || c.gaps[0].To-c.gaps[0].From != 1000 {
			t.Errorf("found gaps %+v, wanted one of 1000 ns", c.gaps)
		}
		if recorded, _ := account(t, len(r.sent), c); recorded != 200 {
			t.Errorf("recorded %d frames, wanted all 200", recorded)
		}
		if len(c.lines) != 2 || c.lines[0].Clock != "below_floor" || c.lines[1].Clock != "synchronised" {
			t.Fatalf("found lines %+v, wanted one below the floor and one synchronised", c.lines)
		}
		build := clock.Build().UnixNano()
		for i, e := range c.frames {
			if e.Time < build {
				t.Fatalf("frame %d has the time %s, before the build", i, moment(e.Time))
			}
			if i >= 100 && e.Time != r.sent[i].Time {
				t.Fatalf("frame %d after the clock was set: found %s, wanted %s", i, moment(e.Time), moment(r.sent[i].Time))
			}
		}
		first := c.files[c.segments[0].Name]
		if first.header.ClockOffset == 0 || len(first.frames) != 100 || c.files[c.segments[1].Name].header.ClockOffset != 0 {
			t.Errorf("found offset %d with %d frames, then %d", first.header.ClockOffset, len(first.frames), c.files[c.segments[1].Name].header.ClockOffset)
		}
		last := first.clocks[len(first.clocks)-1]
		if !last.Step || !last.Synchronised || last.Wall < build || last.Time-first.header.Start > int64(10*time.Second) {
			t.Errorf("last anchor before the step: found %+v, wanted the true wall clock on the old time", last)
		}
	})
}

func TestEventsFromBeforeAStepKeepTheOldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.clocks.set(from1970, false)
		r.start()
		r.run(2, 10)
		// Both stamps are in the queue before the recorder can look at the clock.
		old := r.clocks.read().Wall
		r.clocks.set(now2026, true)
		early := frameEvent(1, old)
		late := frameEvent(1, r.clocks.read().Wall)
		r.feed.events <- append(slices.Clone(early), late...)
		time.Sleep(time.Second)
		r.stop()
		c := inventory(t, r.card)
		if len(c.segments) != 2 {
			t.Fatalf("found %d segments, wanted 2", len(c.segments))
		}
		first, second := c.files[c.segments[0].Name], c.files[c.segments[1].Name]
		if n := len(first.frames); n != 41 || first.frames[n-1].Time != old+first.header.ClockOffset {
			t.Errorf("before the step: found %d frames", n)
		}
		if len(second.frames) != 1 || second.frames[0].Time != late[0].Time {
			t.Errorf("after the step: found %+v", second.frames)
		}
	})
}

func TestStepsSplitAtMostOnceInTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(3, 5)
		for i := range 8 {
			r.clocks.set(now2026+time.Duration(i%2+1)*5*time.Second, true)
			r.run(5, 5)
		}
		r.clocks.set(now2026+100*time.Millisecond, true)
		r.run(5, 5)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		steps := 0
		for _, a := range c.clocks {
			if a.Step {
				steps++
			}
		}
		if len(c.segments) != 2 || steps != 9 {
			t.Errorf("found %d segments and %d steps, wanted 2 and 9", len(c.segments), steps)
		}
	})
}

func TestSynchronisationIsAnAnchor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.clocks.set(now2026, false)
		r.start().run(3, 5)
		r.clocks.set(now2026, true)
		r.run(3, 5)
		r.stop()
		c := inventory(t, r.card)
		if len(c.segments) != 1 || c.lines[0].Clock != "unsynchronised" || len(c.clocks) != 3 || !c.clocks[1].Synchronised {
			t.Errorf("found %d segments, %+v", len(c.segments), c.clocks)
		}
	})
}

func TestSessionsRiseInTimeWithAClockThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		for range 3 {
			r := newRig(t, card)
			r.clocks.set(from1970, false)
			r.start().run(2, 5)
			r.stop()
		}
		c := inventory(t, card)
		for i := 1; i < len(c.lines); i++ {
			if !c.lines[i].Start.After(c.lines[i-1].Start) {
				t.Errorf("session %d starts at %s, not after %s", i+1, c.lines[i].Start, c.lines[i-1].Start)
			}
		}
		if len(c.lines) != 3 {
			t.Errorf("found %d segments, wanted 3", len(c.lines))
		}
	})
}
