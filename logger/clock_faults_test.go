package logger

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"canseal/mdf"
	"canseal/segment"
)

// redate gives a recorded time its true one, as docs/formats.md C9.6 says; every
// reader of the files can do the same. good is false when no anchor of the boot
// is synchronised.
func redate(c contents, n segment.Name, x int64) (t int64, good bool) {
	anchors := c.files[n].clocks
	k := anchors[0]
	for _, a := range anchors {
		if a.Time <= x {
			k = a
		}
	}
	boot := k.Boot + x - k.Time
	var best mdf.Clock
	for _, f := range c.files {
		for _, a := range f.clocks {
			if a.Synchronised && (!good || distance(a.Boot, boot) < distance(best.Boot, boot)) {
				best, good = a, true
			}
		}
	}
	return best.Wall + boot - best.Boot, good
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// wantRedated wants every frame of the card to get the moment at which it was
// sent.
func wantRedated(t *testing.T, c contents, moments []int64) {
	t.Helper()
	for _, s := range c.segments {
		for _, e := range c.files[s.Name].frames {
			got, good := redate(c, s.Name, e.Time)
			want := moments[number(e)]
			if !good || distance(got, want) > int64(time.Millisecond) {
				t.Fatalf("segment %s, frame %d: re-dated to %s (%v), was sent at %s", s.Name, number(e), moment(got), good, moment(want))
			}
		}
	}
}

// moments are the true times of what was sent so far by a clock with this skew.
func (r *rig) moments(skew time.Duration) (list []int64) {
	for _, e := range r.sent {
		list = append(list, e.Time-int64(skew)+int64(now2026))
	}
	return list
}

func TestTheOnlyGoodAnchorInTheLastSegmentDatesTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		const skew = now2026 + 3*time.Hour // wrong, and plausible
		r.clocks.set(skew, false)
		r.start()
		for range 3 {
			r.run(4, 5)
			if _, err := r.logger.Rotate(context.Background(), false); err != nil {
				t.Fatal(err)
			}
		}
		r.run(2, 5)
		moments := r.moments(skew)
		r.clocks.set(now2026, true)
		time.Sleep(2 * time.Second)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		last := len(c.segments) - 1
		for i, s := range c.segments {
			for _, a := range c.files[s.Name].clocks {
				if a.Synchronised && !a.Step && i < last {
					t.Errorf("segment %s has a synchronised anchor, too early", s.Name)
				}
			}
		}
		wantRedated(t, c, moments)
	})
}

func TestARestoredClockIsPlausibleAndCorrectedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		const skew = now2026 - 30*24*time.Hour + 123*time.Millisecond // the time of the last shutdown
		r.clocks.set(skew, false)
		r.start().run(5, 10)
		moments := r.moments(skew)
		r.clocks.set(now2026, true)
		r.run(5, 10)
		for _, e := range r.sent[len(moments):] {
			moments = append(moments, e.Time)
		}
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if len(c.lines) != 2 || c.lines[0].Clock != "unsynchronised" || c.lines[1].Clock != "synchronised" {
			t.Fatalf("found lines %+v, wanted an unsynchronised one and a synchronised one", c.lines)
		}
		for _, e := range c.files[c.segments[0].Name].frames {
			if e.Time != r.sent[number(e)].Time {
				t.Fatalf("frame %d: found %s; a plausible time is recorded as it is", number(e), moment(e.Time))
			}
		}
		wantRedated(t, c, moments)
	})
}

func TestAClockSetBackAnHourSplitsOnceAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(5, 10)
		r.clocks.set(now2026-time.Hour, true)
		r.run(5, 10)
		r.stop()
		c := inventory(t, r.card)
		if recorded, _ := account(t, len(r.sent), c); recorded != 200 {
			t.Errorf("recorded %d frames, wanted all 200", recorded)
		}
		if len(c.segments) != 2 {
			t.Fatalf("found %d segments, wanted 2", len(c.segments))
		}
		first, second := c.files[c.segments[0].Name], c.files[c.segments[1].Name]
		if back := first.header.Start - second.header.Start; back < int64(59*time.Minute) || back > int64(time.Hour) {
			t.Errorf("the second segment starts %v before the first, wanted an hour less 5 s", time.Duration(back))
		}
		for _, e := range c.frames {
			if e.Time != r.sent[number(e)].Time {
				t.Fatalf("frame %d: found %s, wanted the kernel's stamp %s", number(e), moment(e.Time), moment(r.sent[number(e)].Time))
			}
		}
		if last := first.clocks[len(first.clocks)-1]; !last.Step || last.Time-last.Wall < int64(59*time.Minute) {
			t.Errorf("last anchor before the step: found %+v, wanted the new wall clock on the old time", last)
		}
	})
}

func TestANervousClockSplitsOnceInTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(2, 2)
		for i := range 600 {
			jitter := time.Duration((i*7919)%4001-2000) * time.Millisecond // up to 2 s to either side
			r.clocks.set(now2026+jitter, true)
			r.run(1, 1)
		}
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if n := len(c.segments); n > 2 {
			t.Errorf("found %d segments after ten minutes of a nervous clock, wanted at most 2", n)
		}
		if len(c.gaps) > 0 {
			t.Errorf("found gaps %+v", c.gaps)
		}
	})
}
