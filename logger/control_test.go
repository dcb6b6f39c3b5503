package logger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/durable/memfs"
	"canseal/mdf"
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

// model is what a bus with filter and control should do.
type model struct {
	o       *Control
	filter  slowFilter
	low     bool
	paused  bool
	since   int64
	by      uint32
	ring    []can.Event
	missed  int
	leftOut LeftOut
	frames  []can.Event
	states  []string
}

func (m *model) tell(s can.State) {
	m.states = append(m.states, fmt.Sprintf("%v %X %d", s, m.by, m.missed))
	m.missed = 0
}

func (m *model) drop(keep func(can.Event) bool) {
	n := len(m.ring)
	m.ring = slices.DeleteFunc(m.ring, func(e can.Event) bool { return !keep(e) })
	m.leftOut.Control += uint64(n - len(m.ring))
	m.missed += n - len(m.ring)
}

func (m *model) resume(t int64, s can.State, by uint32) {
	m.drop(func(e can.Event) bool { return m.o.PreTrigger > 0 && t-e.Time <= int64(m.o.PreTrigger) })
	m.frames = append(m.frames, m.ring...)
	m.paused, m.by, m.ring = false, by, nil
	m.tell(s)
}

func (m *model) event(e can.Event) {
	if e.Frame.Is(can.Error) {
		m.frames = append(m.frames, e)
		return
	}
	held := m.paused
	if m.paused && m.o.MaxPause > 0 && e.Time >= m.since+int64(m.o.MaxPause) {
		m.resume(e.Time, can.ResumedByLimit, 0)
		held = false
	}
	if m.o != nil && e.Frame.ID == 0x3A0 && e.Frame.Flags == 0 && e.Frame.Len == 8 {
		v := e.Frame.Data[7]
		if v <= 3 && !m.low {
			m.low, m.paused, m.since, m.by = true, true, e.Time, 0x3A0
			m.tell(can.PausedByControl)
		} else if v >= 6 && m.low {
			m.low = false
			if m.paused {
				m.resume(e.Time, can.ResumedByControl, 0x3A0)
				held = false
			}
		}
	}
	fate := pass
	if m.filter.list != nil && e.Dir != can.Tx {
		fate = m.filter.decide(e)
	}
	switch {
	case fate == filtered:
		m.leftOut.Filter++
	case fate == thinned:
		m.leftOut.Prescaler++
	case held:
		m.ring = append(m.ring, e)
	default:
		m.frames = append(m.frames, e)
	}
}

func (m *model) end() {
	if m.paused {
		m.drop(func(can.Event) bool { return false })
		m.tell(can.RecordingStopped)
	}
}

func randomControl(r *rand.Rand) *Control {
	if r.IntN(8) == 0 {
		return nil
	}
	o := lamp()
	o.PreTrigger = time.Duration(r.IntN(3)*r.IntN(40)) * time.Millisecond
	o.MaxPause = time.Duration(r.IntN(2)*r.IntN(300)) * time.Millisecond
	return o
}

// TestRecordingEqualsTheModel runs random frames of two buses through the whole
// recorder, and wants on the card what a model says that knows only lists.
func TestRecordingEqualsTheModel(t *testing.T) {
	for seed := range uint64(16) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			rig := newRig(t, newCard())
			if seed%2 == 1 {
				rig.o.SplitSize = 45_000 // some 300 frames
			}
			rig.o.Compress = seed%3 == 0
			var models [2]model
			for i := range models {
				b := &rig.o.Buses[i]
				b.Control = randomControl(r)
				if r.IntN(2) == 0 {
					b.Filter = append(randomFilters(r), Filter{Rule: from(0x380, 0x3FF)})
				}
				models[i] = model{o: b.Control, filter: slowFilter{
					list: b.Filter, long: map[can.Frame]bool{}, last: map[can.Frame]can.Event{}, left: map[can.Frame]int{},
				}}
			}
			rig.start()
			batch := randomDrive(r, rig.clocks.read().Wall)
			for i := range batch {
				models[batch[i].Bus-1].event(batch[i])
			}
			for part := range slices.Chunk(batch, 500) {
				rig.feed.events <- slices.Clone(part)
			}
			synctest.Wait()
			rig.stop()
			compare(t, seed, rig, &models)
		})
	}
}

func randomDrive(r *rand.Rand, at int64) []can.Event {
	batch := make([]can.Event, 3000)
	for i := range batch {
		at += 2000 * (1 + r.Int64N(1000))
		e := can.Event{Time: at, Bus: uint8(1 + r.IntN(2)), Dir: can.Direction(r.IntN(3)), Frame: randomFrame(r, 12)}
		switch r.IntN(20) {
		case 0:
			e.Frame = can.Frame{ID: 0x3A0, DLC: 8, Len: 8}
			e.Frame.Data[7] = byte(r.IntN(10))
		case 1:
			e.Dir, e.Frame = can.Rx, can.Frame{ID: 4, Flags: can.Error, DLC: 8, Len: 8}
		}
		batch[i] = e
	}
	return batch
}

func compare(t *testing.T, seed uint64, rig *rig, models *[2]model) {
	t.Helper()
	c := inventory(t, rig.card)
	var leftOut LeftOut
	for i := range models {
		m, bus := &models[i], uint8(i+1)
		m.end()
		frames := slices.DeleteFunc(slices.Clone(c.frames), func(e can.Event) bool { return e.Bus != bus })
		if rig.o.Compress { // the compressed form is in the order of times
			slices.SortStableFunc(m.frames, func(a, b can.Event) int { return int(a.Time - b.Time) })
			slices.SortStableFunc(frames, func(a, b can.Event) int { return int(a.Time - b.Time) }) // over segments
		}
		if !slices.Equal(frames, m.frames) {
			t.Errorf("seed %d, bus %d: %d frames recorded, %d wanted, or others; %+v", seed, bus, len(frames), len(m.frames), rig.o.Buses[i])
		}
		var states []mdf.State
		told := uint64(0)
		for _, s := range c.states {
			if s.Bus == bus && s.State.Kind() == can.PausedByControl.Kind() {
				states = append(states, s)
				told += uint64(s.Count)
			}
		}
		if told != m.leftOut.Control {
			t.Errorf("seed %d, bus %d: the records tell of %d frames left out, wanted %d", seed, bus, told, m.leftOut.Control)
		}
		if len(c.segments) == 1 { // else each repeats what pauses
			expect(t, fmt.Sprintf("seed %d, bus %d: states", seed, bus), turns(contents{states: states}), m.states)
		}
		leftOut.Filter += m.leftOut.Filter
		leftOut.Prescaler += m.leftOut.Prescaler
		leftOut.Control += m.leftOut.Control
	}
	if got := rig.logger.Status().Log.LeftOut; got != leftOut {
		t.Errorf("seed %d: left out %+v, wanted %+v", seed, got, leftOut)
	}
}
