package logger

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/mdf"
	"canseal/segment"
)

func TestFramesReachASealedSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(3, 100)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if len(c.segments) != 1 || c.lines[0].End != "orderly" || c.lines[0].Frames != 600 {
			t.Errorf("found %d segments, line %+v", len(c.segments), c.lines)
		}
		for i, e := range c.frames {
			if e.Time != r.sent[i].Time || e.Bus != r.sent[i].Bus || e.Frame != r.sent[i].Frame {
				t.Fatalf("frame %d: found %+v, wanted %+v", i, e, r.sent[i])
			}
		}
		if got := stateList(c.states); !slices.Equal(got, []can.State{can.RecordingStarted, can.RecordingStopped}) {
			t.Errorf("found states %v, wanted started, stopped", got)
		}
	})
}

func stateList(states []mdf.State) (list []can.State) {
	for _, s := range states {
		list = append(list, s.State)
	}
	return list
}

func TestASegmentEndsAtItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.SplitSize = 200_000
		r.start().run(40, 500)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if len(c.segments) < 5 {
			t.Errorf("found %d segments of 40,000 frames, wanted at least 5", len(c.segments))
		}
		for _, s := range c.segments[:len(c.segments)-1] {
			if s.Size < 200_000 || s.Size > 210_000 {
				t.Errorf("segment %s has %d bytes, wanted 200,000 and a little", s.Name, s.Size)
			}
		}
	})
}

func TestSegmentsEndOnTheGridOfTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.SplitTime, r.o.SplitOffset = time.Minute, 7*time.Second
		r.start().run(200, 2)
		time.Sleep(5 * time.Minute) // a quiet bus: one more split, then none
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if len(c.segments) != 6 || len(c.files[c.segments[5].Name].frames) != 0 {
			t.Errorf("found %d segments, wanted 5 and an empty one", len(c.segments))
		}
		for i, line := range c.lines[1:] {
			if s := line.Start.Second(); s != 7 && s != 8 {
				t.Errorf("segment %d starts at %s, wanted second 7 of a minute", i+2, line.Start)
			}
			if !line.First.IsZero() && line.First.Before(line.Start.Truncate(time.Second)) {
				t.Errorf("segment %d: its first frame is of %s, before the grid", i+2, line.First)
			}
		}
	})
}

func TestNextSplitCountsFromMidnight(t *testing.T) {
	at := func(s string) int64 {
		d, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return d.UnixNano()
	}
	for _, row := range []struct {
		now            string
		period, offset time.Duration
		want           string
	}{
		{"2026-05-04 10:00:00", time.Hour, 0, "2026-05-04 11:00:00"},
		{"2026-05-04 10:59:59", time.Hour, 0, "2026-05-04 11:00:00"},
		{"2026-05-04 10:00:00", time.Hour, 10 * time.Minute, "2026-05-04 10:10:00"},
		{"2026-05-04 10:10:00", time.Hour, 10 * time.Minute, "2026-05-04 11:10:00"},
		{"2026-05-04 20:00:00", 7 * time.Hour, 0, "2026-05-04 21:00:00"},
		{"2026-05-04 21:00:00", 7 * time.Hour, 0, "2026-05-05 00:00:00"}, // a short last piece
		{"2026-05-05 00:00:00", 7 * time.Hour, 0, "2026-05-05 07:00:00"},
		{"2026-05-04 00:30:00", 24 * time.Hour, time.Hour, "2026-05-04 01:00:00"},
		{"1970-01-01 00:00:01", time.Hour, time.Minute, "1970-01-01 00:01:00"},
	} {
		if got := nextSplit(at(row.now), row.period, row.offset); got != at(row.want) {
			t.Errorf("at %s, each %v from %v: found %v, wanted %s", row.now, row.period, row.offset, time.Unix(0, got).UTC(), row.want)
		}
	}
	if got := nextSplit(5, 0, 0); got != -1 {
		t.Errorf("without a period: found %d, wanted none", got)
	}
}

func TestAtMostAFlushIntervalIsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Flush = 100 * time.Millisecond
		r.start()
		r.send(50, 1)
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		left := r.card.Crash(0)
		r.stop()
		again := newRig(t, left).start()
		if lost := again.logger.Status().Log; lost.Lost.Cut != 1 || !lost.LostAtLeast {
			t.Errorf("found %+v, wanted one cut", lost.Lost)
		}
		again.stop()
		c := inventory(t, left)
		if len(c.frames) != 50 || c.lines[0].End != "cut" || !c.lines[0].Late {
			t.Errorf("found %d frames, first line %+v; wanted all 50, cut, late", len(c.frames), c.lines[0])
		}
		if again.rec.LastEnd != "cut" || again.rec.Repaired != 1 || again.rec.Late != 1 {
			t.Errorf("recovery: found %+v", again.rec)
		}
	})
}

func TestAnchorsStandAtTheHeadEachMinuteAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(150, 1)
		r.stop()
		c := inventory(t, r.card)
		var at []int64
		for _, a := range c.clocks {
			at = append(at, a.Boot/int64(time.Second))
			if a.Time != a.Wall || !a.Synchronised || a.BelowFloor || a.Step {
				t.Errorf("found anchor %+v", a)
			}
		}
		if !slices.Equal(at, []int64{0, 60, 120, 150}) {
			t.Errorf("found anchors at %v s, wanted 0, 60, 120, 150", at)
		}
	})
}

func TestErrorMessagesCanBeLeftOutWithoutStatesAndGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.LeaveOutErrors = true
		r.start()
		now := r.clocks.read().Wall
		r.feed.events <- []can.Event{
			{Time: now, Bus: 1, Frame: can.Frame{ID: 0x20, Flags: can.Error, DLC: 8, Len: 8}},
			{Time: now, Bus: 1, Kind: can.KindState, State: can.BusOff, TxErrors: 255},
			{Time: now, From: now - 5e6, Bus: 2, Kind: can.KindLost, Lost: 7, Reason: can.LostSocket},
			{Time: now, From: now - 5e6, Bus: 2, Kind: can.KindLost, Reason: can.LostController, AtLeast: true},
		}
		time.Sleep(2 * time.Second)
		s := r.logger.Status()
		r.stop()
		c := inventory(t, r.card)
		if len(c.frames) != 0 || len(c.gaps) != 2 || !slices.Contains(stateList(c.states), can.BusOff) {
			t.Errorf("found %d frames, gaps %+v, states %+v", len(c.frames), c.gaps, c.states)
		}
		if g := c.gaps[0]; g.Count != 7 || g.Bus != 2 || g.Reason != can.LostSocket || g.From != now-5e6 || g.To != now || g.AtLeast {
			t.Errorf("found gap %+v", g)
		}
		if s.Log.Lost != (Lost{Socket: 7, Controller: 1}) || !s.Log.LostAtLeast || s.Buses[1].Lost.Socket != 7 || s.Buses[0].LeftOut != 1 {
			t.Errorf("found status %+v", s)
		}
		if !r.has("bus: bus-off 1") {
			t.Errorf("found events %v, wanted bus-off", r.events)
		}
	})
}

func TestWhatOverflowsTheQueueIsCountedExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Queue = 500
		disk := &slowDisk{FS: r.card, stall: make(chan struct{}), at: 3}
		r.o.Card = disk
		r.start()
		for range 40 {
			r.send(100, 1)
			r.send(60, 2)
			time.Sleep(100 * time.Millisecond)
		}
		close(disk.stall)
		r.run(2, 10)
		s := r.logger.Status()
		r.stop()
		c := inventory(t, r.card)
		recorded, counted := account(t, len(r.sent), c)
		if counted == 0 || recorded < 500 || s.Log.Lost.Queue != uint64(counted) {
			t.Errorf("recorded %d, counted %d, status %d; wanted a loss, and the queue's content", recorded, counted, s.Log.Lost.Queue)
		}
		for _, g := range c.gaps {
			if g.Reason != can.LostQueue || g.AtLeast || g.From > g.To || g.To > r.sent[len(r.sent)-1].Time {
				t.Errorf("found gap %+v", g)
			}
		}
	})
}

// slowDisk makes one sync of a segment wait until stall is closed.
type slowDisk struct {
	durable.FS
	stall chan struct{}
	at    int // which sync, from 1
}

func (d *slowDisk) Create(name string, perm fs.FileMode) (durable.File, error) {
	f, err := d.FS.Create(name, perm)
	return slowFile{f, d}, err
}

type slowFile struct {
	durable.File
	disk *slowDisk
}

func (f slowFile) Sync() error {
	if f.disk.at--; f.disk.at == 0 {
		<-f.disk.stall
	}
	return f.File.Sync()
}

func TestASecondWithoutDiskLosesNothingOfAFullBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Queue = 0
		disk := &slowDisk{FS: r.card, stall: make(chan struct{}), at: 3}
		r.o.Card = disk
		r.start()
		time.AfterFunc(3*time.Second, func() { close(disk.stall) }) // it begins at 2 s
		for range 400 {
			r.send(213, 1) // 21,300 frames/s
			time.Sleep(10 * time.Millisecond)
		}
		r.stop()
		if recorded, _ := account(t, len(r.sent), inventory(t, r.card)); recorded != len(r.sent) {
			t.Errorf("recorded %d of %d", recorded, len(r.sent))
		}
	})
}

func TestAPatientSourceWaitsAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Queue, r.o.Patient = 10, true
		r.start()
		r.send(5000, 1)
		time.Sleep(time.Second)
		r.stop()
		c := inventory(t, r.card)
		if recorded, counted := account(t, len(r.sent), c); recorded != 5000 || counted != 0 {
			t.Errorf("recorded %d, counted %d", recorded, counted)
		}
	})
}

func TestRotateSealsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(1, 10)
		name, err := r.logger.Rotate(context.Background(), false)
		if err != nil || name != (segment.Name{Session: 1, Split: 1}) {
			t.Errorf("found %v, %v", name, err)
		}
		if s, err := (segment.Card{FS: r.card, Device: box}).Load(name); err != nil || !s.Sealed() {
			t.Errorf("after Rotate: found %v, %v", s.Has, err)
		}
		r.run(1, 10)
		name, err = r.logger.Rotate(context.Background(), true)
		if err != nil || name.Split != 2 || r.logger.Status().Log.OpenBytes != 0 {
			t.Errorf("final: found %v, %v, %d open bytes", name, err, r.logger.Status().Log.OpenBytes)
		}
		time.Sleep(10 * time.Second) // nothing is opened on a quiet bus
		if name, err := r.logger.Rotate(context.Background(), true); err != nil || name.Split != 0 {
			t.Errorf("nothing open: found %v, %v", name, err)
		}
		r.run(1, 10)
		r.stop()
		if _, err := r.logger.Rotate(context.Background(), false); !errors.Is(err, ErrEnded) {
			t.Errorf("after the end: found %v", err)
		}
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if len(c.segments) != 3 {
			t.Errorf("found %d segments, wanted 3", len(c.segments))
		}
	})
}

func TestAChangedConfigurationGoesOnWithTheNextSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(2, 10)
		r.stop()
		time.Sleep(3 * time.Second)
		r.feed = newFeed()
		r.o.Source = r.feed
		r.logger = r.logger.Continue(r.o)
		go func() { r.done <- r.logger.Run(context.Background()) }()
		<-r.logger.Ready()
		r.run(2, 10)
		r.stop()
		c := inventory(t, r.card)
		if len(c.segments) != 2 || c.segments[1].Name != (segment.Name{Session: 1, Split: 2}) || len(c.frames) != 80 {
			t.Errorf("found %+v, %d frames", c.segments, len(c.frames))
		}
		if len(c.gaps) != 1 || c.gaps[0].Reason != can.LostReconfigured || c.gaps[0].To-c.gaps[0].From < int64(3*time.Second) {
			t.Errorf("found gaps %+v, wanted one over the time between", c.gaps)
		}
	})
}

type brokenSource struct{ can.Source }

var errBus = errors.New("bus on fire")

func (b brokenSource) Read(buf []can.Event) (int, error) {
	n, err := b.Source.Read(buf)
	if errors.Is(err, io.EOF) {
		err = errBus
	}
	return n, err
}

func TestABrokenSourceIsReportedAfterTheSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Source = brokenSource{r.feed}
		r.start().run(1, 10)
		r.feed.Close()
		if err := <-r.done; !errors.Is(err, errBus) {
			t.Errorf("found %v, wanted the error of the source", err)
		}
		account(t, len(r.sent), inventory(t, r.card))
	})
}

func TestASegmentThatCouldNotBeOpenedLeavesNothing(t *testing.T) {
	card := newCard()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, card)
		r.start().run(2, 10)
		card.Fault(func(op memfs.Op) error {
			if (op.Kind == "syncdir" || op.Kind == "remove") && strings.HasPrefix(op.Name, "LOG") {
				return syscall.EIO
			}
			return nil
		})
		r.logger.ask(t.Context(), func(rec *recorder) { rec.rotate(false) })
		card.Fault(nil)
		r.run(20, 10)
		r.stop()
		account(t, len(r.sent), inventory(t, card))
	})
	if rec := recovered(t, card); rec.Cut+rec.Repaired > 0 {
		t.Errorf("the next start takes it for a cut: %+v", rec)
	}
}

func TestAPinGoesWithASegmentThatHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.start().run(1, 10)
		r.logger.ask(t.Context(), func(rec *recorder) {
			rec.rotate(false)
			if err := rec.keep.card.Pin(rec.seg.name); err != nil {
				t.Error(err)
			}
			rec.fail(syscall.EIO) // before anything was synced
		})
		time.Sleep(20 * time.Second)
		r.stop()
		for name := range snapshotOf(t, r.card) {
			if strings.HasSuffix(name, ".keep") {
				t.Errorf("found %s of no segment", name)
			}
		}
	})
}
