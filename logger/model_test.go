package logger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/mdf"
)

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
