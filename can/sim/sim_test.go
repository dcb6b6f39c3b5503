package sim

import (
	"io"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
)

const start = 1_735_270_496_000_000_000

// all reads a bus to its end.
func all(t *testing.T, o Options) (events []can.Event) {
	t.Helper()
	bus, buf := New(o), make([]can.Event, 100)
	for {
		n, err := bus.Read(buf)
		events = append(events, buf[:n]...)
		if err == io.EOF {
			return events
		}
		if err != nil || n == 0 {
			t.Fatalf("Read: %d, %v", n, err)
		}
	}
}

func TestEqualOptionsGiveEqualEvents(t *testing.T) {
	o := Mixed(7)
	o.Start, o.Duration = start, time.Second
	first, second := all(t, o), all(t, o)
	if !slices.Equal(first, second) {
		t.Error("events differ")
	}
	if taken := Take(o, 1000); !slices.Equal(taken, first[:1000]) {
		t.Error("Take gives other events than Read")
	}
	o.Seed++
	if slices.Equal(first, all(t, o)) {
		t.Error("another seed gives the same events")
	}
}

func TestStampsAreDistinctAndRiseOverAllBuses(t *testing.T) {
	for _, rate := range []int{1, 7, 4000, 18018, 999_983, 123_456_789, 1e9} {
		o := Mixed(1)
		o.Start, o.Rate, o.Buses = start, rate, 8
		last := int64(start - 1)
		for i, e := range Take(o, 100_000) {
			if e.Time <= last {
				t.Fatalf("rate %d: event %d is stamped %d, not after %d", rate, i, e.Time, last)
			}
			last = e.Time
		}
	}
}

func TestRateIsMetInEverySecond(t *testing.T) {
	o := Options{Seed: 3, Rate: 18018, Start: start, Duration: 3 * time.Second}
	counts := map[int64]int{}
	for _, e := range all(t, o) {
		counts[(e.Time-start)/1e9]++
	}
	if len(counts) != 3 || counts[0] != 18018 || counts[1] != 18018 || counts[2] != 18018 {
		t.Errorf("frames by second: %v", counts)
	}
}

func TestAllKindsOfFramesInTheirShares(t *testing.T) {
	o := Options{Seed: 5, Start: start, FD: 0.3, Remote: 0.02, Errors: 0.01, Buses: 3}
	const n = 200_000
	var fd, remote, errors, extended int
	ids, buses := map[uint32]bool{}, map[uint8]int{}
	for _, e := range Take(o, n) {
		if f := &e.Frame; !f.Valid() || e.Kind != can.KindFrame {
			t.Fatalf("invalid event %+v", e)
		}
		buses[e.Bus]++
		switch f := &e.Frame; {
		case f.Is(can.Error):
			errors++
			continue
		case f.Is(can.Remote):
			remote++
		case f.Is(can.FD):
			fd++
		}
		if e.Frame.Is(can.Extended) {
			extended++
		}
		ids[e.Frame.ID] = true
	}
	for _, s := range []struct {
		name      string
		got       int
		want, off float64
	}{
		{"FD", fd, 0.3 * 0.97, 0.05}, {"remote", remote, 0.02, 0.002}, {"errors", errors, 0.01, 0.002}, {"extended", extended, 0.25, 0.02},
	} {
		if share := float64(s.got) / n; math.Abs(share-s.want) > s.off {
			t.Errorf("share of %s frames is %.4f, want %.4f", s.name, share, s.want)
		}
	}
	if len(ids) != 80 || len(buses) != 3 {
		t.Errorf("%d identifiers on buses %v, want 80 on 3", len(ids), buses)
	}
}

func TestWithoutSharesAllFramesAreClassicData(t *testing.T) {
	for _, e := range Take(Options{Seed: 9}, 50_000) {
		if e.Frame.Flags&^can.Extended != 0 {
			t.Fatalf("%+v", e.Frame)
		}
	}
}

func TestPayloadsCountAndCarryAChecksum(t *testing.T) {
	last := map[uint32]byte{}
	for _, e := range Take(Options{Seed: 2, FD: 0.5}, 50_000) {
		p := e.Frame.Payload()
		if len(p) < 2 {
			continue
		}
		sum := byte(0)
		for _, b := range p {
			sum ^= b
		}
		if before, ok := last[e.Frame.ID]; sum != 0 || ok && p[0] != before+1 {
			t.Fatalf("payload %x of %x after counter %d", p, e.Frame.ID, before)
		}
		last[e.Frame.ID] = p[0]
	}
}

func TestRealTimeIsKept(t *testing.T) {
	for _, c := range []struct {
		name  string
		start int64
		pace  float64
	}{{"from a given start", start, 1}, {"from now", 0, 1}, {"twice as fast", start, 2}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Mixed(1)
				o.Start, o.Pace, o.Duration = c.start, c.pace, 10*time.Second
				began, bus, buf, n := time.Now(), New(o), make([]can.Event, 64), 0
				origin := c.start
				if origin == 0 {
					origin = began.UnixNano()
				}
				for {
					got, err := bus.Read(buf)
					for _, e := range buf[:got] {
						late := time.Since(began) - time.Duration(float64(e.Time-origin)/c.pace)
						if late < 0 || late > 5*time.Millisecond {
							t.Fatalf("event %d came %v late", n, late)
						}
						n++
					}
					if err == io.EOF {
						break
					}
				}
				if n != 10*DefaultRate {
					t.Errorf("%d events, want %d", n, 10*DefaultRate)
				}
			})
		})
	}
}

func TestAnEndlessBusEndsWhenClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, ended := New(Options{Pace: 1, Rate: 1}), make(chan error)
		go func() {
			buf := make([]can.Event, 8)
			for {
				if _, err := bus.Read(buf); err != nil {
					ended <- err
					return
				}
			}
		}()
		time.Sleep(time.Minute)
		bus.Close()
		if err := <-ended; err != io.EOF {
			t.Errorf("Read ended with %v", err)
		}
	})
	flatOut, buf := New(Options{}), make([]can.Event, 8)
	if n, err := flatOut.Read(buf); n == 0 || err != nil {
		t.Errorf("Read: %d, %v", n, err)
	}
	flatOut.Close()
	if _, err := flatOut.Read(buf); err != io.EOF {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestNumbersBeyondTheirRangeAreTakenAsTheNearest(t *testing.T) {
	for _, e := range Take(Options{Rate: -5, Buses: 99, FD: -1, Remote: 7, Errors: -2}, 1000) {
		if e.Bus < 1 || e.Bus > 8 || !e.Frame.Is(can.Remote) {
			t.Fatalf("%+v", e)
		}
	}
}
