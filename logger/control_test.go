package logger

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// lamp is a control by the byte 7 of message 3A0.
func lamp() *Control {
	return &Control{Signal: Signal{ID: 0x3A0, Start: 56, Length: 8, Factor: 1}, StartAt: 6, StopAt: 3}
}

// drive is a bus with a control, whose clock a test moves by its frames.
type drive struct {
	*rig
	at int64
}

func newDrive(t testing.TB, bus Bus) *drive { return driveOn(t, newCard(), bus) }

func driveOn(t testing.TB, card *memfs.FS, bus Bus) *drive {
	r := newRig(t, card)
	bus.Number, bus.Interface = 1, "can0"
	r.o.Buses = []Bus{bus}
	r.start()
	return &drive{r, r.clocks.read().Wall}
}

// frame sends the next number under an identifier, after a while.
func (d *drive) frame(id uint32, value byte, after time.Duration) {
	d.at += int64(after)
	e := can.Event{Time: d.at, Bus: 1, Frame: can.Frame{ID: id, DLC: 8, Len: 8}}
	n := len(d.sent)
	e.Frame.Data = [64]byte{byte(n), byte(n >> 8), byte(n >> 16), 7: value}
	d.sent = append(d.sent, e)
	d.feed.events <- []can.Event{e}
	synctest.Wait()
}

// set sends the signal.
func (d *drive) set(value byte, after time.Duration) { d.frame(0x3A0, value, after) }

// run sends frames 1 ms apart.
func (d *drive) run(n int) {
	for range n {
		d.frame(0x100, 0, time.Millisecond)
	}
}

// numbers of the frames that were recorded, in the order of the file.
func numbers(c contents) (list []int) {
	for _, e := range c.frames {
		e.Frame.Data[7] = 0
		list = append(list, number(e))
	}
	return list
}

func span(from, to int) (list []int) {
	for ; from <= to; from++ {
		list = append(list, from)
	}
	return list
}

// turns shows the states of buses, and marks.
func turns(c contents) (list []string) {
	for _, s := range c.states {
		if s.Bus != 0 {
			list = append(list, fmt.Sprintf("%v %X %d", s.State, s.ID, s.Count))
		}
	}
	return list
}

func expect[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: found %v, wanted %v", what, got, want)
	}
}

func TestASignalPausesAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrive(t, Bus{Control: lamp()})
		d.run(3)                     // 0-2
		d.set(4, time.Millisecond)   // 3: between the thresholds
		d.set(3, time.Millisecond)   // 4: pauses
		d.run(5)                     // 5-9
		d.set(5, time.Millisecond)   // 10: between
		d.set(6, time.Millisecond)   // 11: resumes
		d.set(200, time.Millisecond) // 12
		d.run(2)                     // 13, 14
		if s := d.logger.Status(); s.Log.LeftOut.Control != 6 || s.Buses[0].LeftOut != 6 || s.Log.Frames != 9 || s.Log.Lost.Sum() != 0 {
			t.Errorf("status: left out %+v, %d of the bus, %d frames, lost %+v", s.Log.LeftOut, s.Buses[0].LeftOut, s.Log.Frames, s.Log.Lost)
		}
		d.stop()
		c := inventory(t, d.card)
		expect(t, "frames", numbers(c), append(span(0, 4), span(11, 14)...))
		expect(t, "states", turns(c), []string{"paused by control 3A0 0", "resumed by control 3A0 6"})
		if len(c.gaps) != 0 {
			t.Errorf("what was left out is a gap: %+v", c.gaps)
		}
	})
}

func TestThePreTriggerIsRecordedWhenTheSignalResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := lamp()
		o.PreTrigger = 3 * time.Millisecond
		d := newDrive(t, Bus{Control: o})
		d.set(0, time.Millisecond) // 0
		d.run(10)                  // 1-10
		d.set(9, time.Millisecond) // 11
		d.run(1)
		d.stop()
		c := inventory(t, d.card)
		expect(t, "frames", numbers(c), append([]int{0}, span(8, 12)...))
		expect(t, "states", turns(c), []string{"paused by control 3A0 0", "resumed by control 3A0 7"})
		for i, e := range c.frames {
			if n := numbers(c)[i]; e.Time != d.sent[n].Time || e.Frame != d.sent[n].Frame {
				t.Errorf("frame %d is recorded as %+v, sent was %+v", n, e, d.sent[n])
			}
		}
	})
}

func TestAPauseLastsAtMostSoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := lamp()
		o.MaxPause = 10 * time.Millisecond
		d := newDrive(t, Bus{Control: o})
		d.set(0, time.Millisecond) // 0 pauses
		d.run(12)                  // 1-12; 10 resumes
		d.set(0, time.Millisecond) // 13: no edge
		d.set(9, time.Millisecond) // 14: an edge, but nothing pauses
		d.set(0, time.Millisecond) // 15 pauses
		d.run(3)                   // 16-18
		d.stop()
		c := inventory(t, d.card)
		expect(t, "frames", numbers(c), append([]int{0}, span(10, 15)...))
		expect(t, "states", turns(c), []string{"paused by control 3A0 0", "resumed by limit 0 9", "paused by control 3A0 0", "stopped 3A0 3"})
	})
}

func TestAPauseOfAQuietBusEndsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := lamp()
		o.MaxPause = 10 * time.Second
		d := newDrive(t, Bus{Control: o})
		d.set(0, 0)
		d.run(4)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if s := d.logger.Status(); s.Buses[0].Recording != "paused" || s.Log.State != "paused" {
			t.Errorf("after 9 s the bus is %s, the log %s", s.Buses[0].Recording, s.Log.State)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := d.logger.Status(); s.Buses[0].Recording != "recording" || s.Log.State != "recording" {
			t.Errorf("after 11 s the bus is %s, the log %s", s.Buses[0].Recording, s.Log.State)
		}
		if !d.has("bus: paused by control 1") || !d.has("bus: resumed by limit 1") {
			t.Errorf("events.jsonl has %q", d.events)
		}
		d.stop()
		expect(t, "states", turns(inventory(t, d.card)), []string{"paused by control 3A0 0", "resumed by limit 0 4"})
	})
}

func TestAStepOfTheClockDoesNotEndAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := lamp()
		o.MaxPause = 10 * time.Minute
		d := newDrive(t, Bus{Control: o})
		d.set(0, 0)
		d.clocks.set(now2026+time.Hour, true)
		time.Sleep(2 * time.Second)
		d.at += int64(time.Hour + 2*time.Second)
		d.run(3)
		if s := d.logger.Status(); s.Buses[0].Recording != "paused" {
			t.Errorf("the bus is %s", s.Buses[0].Recording)
		}
		d.stop()
	})
}

func TestErrorsStatesAndLossesNeverPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrive(t, Bus{Control: lamp(), Filter: []Filter{}})
		d.set(0, 0)
		d.feed.events <- []can.Event{
			{Time: d.at + 1000, Bus: 1, Frame: can.Frame{ID: 8, Flags: can.Error, DLC: 8, Len: 8}},
			{Time: d.at + 2000, From: d.at, Bus: 1, Kind: can.KindLost, Lost: 7, Reason: can.LostSocket},
			{Time: d.at + 3000, Bus: 1, Kind: can.KindState, State: can.BusOff},
		}
		synctest.Wait()
		d.stop()
		c := inventory(t, d.card)
		if len(c.frames) != 1 || !c.frames[0].Frame.Is(can.Error) || len(c.gaps) != 1 || c.gaps[0].Count != 7 {
			t.Errorf("recorded: %+v, gaps %+v", c.frames, c.gaps)
		}
		expect(t, "states", turns(c), []string{"paused by control 3A0 0", "bus-off 0 0", "stopped 3A0 0"})
	})
}

func TestAFilterDoesNotHideTheSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrive(t, Bus{Control: lamp(), Filter: []Filter{{Rule: one(0x100), Every: Every{Count: 2}}}})
		d.set(0, 0) // 0
		d.run(4)    // 1-4
		d.set(9, 0) // 5
		d.run(4)    // 6-9
		s := d.logger.Status().Log.LeftOut
		if want := (LeftOut{Filter: 2, Prescaler: 4, Control: 2}); s != want {
			t.Errorf("left out %+v, wanted %+v", s, want)
		}
		d.stop()
		expect(t, "frames", numbers(inventory(t, d.card)), []int{6, 8})
	})
}

func TestWhatTheKernelLeavesOutIsLeftOutByTheFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Buses[0].Filter = []Filter{{Rule: one(0x7FF)}}
		r.o.Links = func() []Link { return []Link{{Number: 1, Filtered: 5}, {Number: 2, FilteredUnknown: true}} }
		r.start()
		r.send(3, 1)
		s := r.logger.Status()
		if s.Log.LeftOut != (LeftOut{Filter: 8}) || !s.Log.LeftOutAtLeast || s.Buses[0].LeftOut != 8 || s.Buses[0].LeftOutAtLeast || !s.Buses[1].LeftOutAtLeast {
			t.Errorf("log %+v, buses %+v", s.Log, s.Buses)
		}
		r.stop()
	})
}

func TestASegmentSaysWhichBusesPauseAndTheEndWhatWasLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := lamp()
		o.PreTrigger = 2 * time.Millisecond
		d := newDrive(t, Bus{Control: o})
		d.set(0, 0)
		d.run(10)
		if _, err := d.logger.Rotate(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		d.run(5)
		d.stop()
		c := inventory(t, d.card)
		first, second := c.files[segment.Name{Session: 1, Split: 1}], c.files[segment.Name{Session: 1, Split: 2}]
		expect(t, "first", turns(contents{states: first.states}), []string{"paused by control 3A0 0"})
		expect(t, "second", turns(contents{states: second.states}), []string{"paused by control 3A0 7", "stopped 3A0 8"})
		if s := d.logger.Status().Log; s.LeftOut.Control != 15 || s.Frames != 1 {
			t.Errorf("left out %+v, recorded %d", s.LeftOut, s.Frames)
		}
	})
}

func TestATriggerPinsUntilThePauseAndAtMostHalfOfTheCard(t *testing.T) {
	for _, capacity := range []int64{0, 320_000} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := lamp()
				o.Pin = true
				d := newDrive(t, Bus{Control: o})
				if capacity > 0 {
					d.card.Limit(capacity)
				}
				rotate := func() {
					if _, err := d.logger.Rotate(context.Background(), false); err != nil {
						t.Fatal(err)
					}
					time.Sleep(3 * time.Second) // for the survey
				}
				d.set(0, 0)
				rotate() // 1
				d.set(9, 0)
				for range 6 {
					rotate() // 2-7 are pinned
				}
				d.set(0, 0) // 8 as well: it was opened before
				d.stop()
				c := inventory(t, d.card)
				var pinned []uint32
				for _, s := range c.segments {
					if s.Pinned() {
						pinned = append(pinned, s.Split)
					}
				}
				want := []uint32{2, 3, 4, 5, 6, 7, 8}
				if capacity > 0 {
					want = want[:len(pinned)]
					if n := len(pinned); n == 0 || n == 7 || !d.has("segment: pins fill half of the card 0") {
						t.Errorf("%d segments are pinned on a small card; %q", n, d.events)
					}
				}
				expect(t, "pinned", pinned, want)
				if !slices.Contains(turns(c), "by trigger 3A0 0") {
					t.Errorf("no mark: %q", turns(c))
				}
			})
		})
	}
}

// Whatever operation fails, what was recorded, lost and left out is what was sent.
func TestPausesSurviveAnyFailingOperation(t *testing.T) {
	var sent int
	var leftOut uint64
	memfs.EachFault(t, syscall.EIO, withState, func(f *memfs.FS) error {
		synctest.Test(t, func(t *testing.T) {
			o := lamp()
			o.PreTrigger, o.Pin = 20*time.Millisecond, true
			d := driveOn(t, f, Bus{Control: o, Filter: []Filter{{Rule: from(0, 0x3FF), Every: Every{Count: 2}}}})
			for _, value := range []byte{0, 9, 0, 9} {
				d.set(value, time.Millisecond)
				d.run(60)
				time.Sleep(1100 * time.Millisecond)
			}
			d.stop()
			s := d.logger.Status().Log.LeftOut
			sent, leftOut = len(d.sent), s.Filter+s.Prescaler+s.Control
		})
		return nil
	}, func(f *memfs.FS, _ error) {
		if rec := recovered(t, f); len(rec.Problems) > 0 {
			t.Errorf("recovery: %+v", rec)
		}
		c := inventory(t, f)
		list := numbers(c)
		lost := 0
		for _, g := range c.gaps {
			lost += int(g.Count)
		}
		slices.Sort(list)
		if once := len(slices.Compact(list)); once != len(c.frames) || once+lost+int(leftOut) != sent {
			t.Errorf("recorded %d (%d distinct) + lost %d + left out %d, sent %d", len(c.frames), once, lost, leftOut, sent)
		}
	})
}

func TestThePreTriggerIsNotLostWhileRecordingRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := lamp()
		o.PreTrigger, o.MaxPause = 30*time.Second, 5*time.Second
		d := newDrive(t, Bus{Control: o})
		d.run(3)                   // 0-2
		d.set(1, time.Millisecond) // 3: pauses
		d.run(10)                  // 4-13
		if _, err := d.logger.Rotate(context.Background(), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // the limit of the pause passes
		d.at = d.clocks.read().Wall
		d.run(2) // 14, 15
		if s := d.logger.Status().Log; s.Lost.Sum() != 0 || s.LeftOut.Control != 0 {
			t.Errorf("lost %+v, left out %+v", s.Lost, s.LeftOut)
		}
		d.stop()
		c := inventory(t, d.card)
		expect(t, "frames", numbers(c), span(0, 15))
		if len(c.gaps) != 0 {
			t.Errorf("found gaps %+v", c.gaps)
		}
	})
}

func TestThePreTriggerGoesOnOverAStepOfTheClock(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o := lamp()
			o.PreTrigger = 30 * time.Second
			d := newDrive(t, Bus{Control: o})
			d.run(3)                   // 0-2
			d.set(1, time.Millisecond) // 3: pauses
			d.run(10)                  // 4-13
			time.Sleep(2 * time.Second)
			d.clocks.set(now2026+step, true)
			time.Sleep(3 * time.Second)
			d.at = d.clocks.read().Wall
			d.run(2)                     // 14, 15
			d.set(200, time.Millisecond) // 16: resumes
			offset := d.o.Clock.Offset()
			d.stop()
			c := inventory(t, d.card)
			expect(t, step.String()+": frames", numbers(c), span(0, 16))
			for i, e := range c.frames[min(14, len(c.frames)):] {
				if want := d.sent[14+i].Time + offset; e.Time != want {
					t.Errorf("%v: frame %d is at %d, wanted %d", step, 14+i, e.Time, want)
				}
			}
			for i, e := range c.frames[:min(14, len(c.frames))] {
				if ago := c.frames[len(c.frames)-1].Time - e.Time; i >= 4 && (ago < int64(4*time.Second) || ago > int64(6*time.Second)) {
					t.Errorf("%v: frame %d is %v before the end", step, i, time.Duration(ago))
				}
			}
		})
	}
}
