package logger

import (
	"math/rand/v2"
	"testing"

	"canseal/can"
)

func TestRingGivesBackWhatWasPushed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ring := ring{limit: 3}
	var kept []can.Event
	most := 0
	for i := range 60_000 {
		if r.IntN(100) < 45 && len(kept) > 0 {
			var got can.Event
			if at := ring.oldest(); at != kept[0].Time {
				t.Fatalf("frame %d: the oldest is of %d, wanted %d", i, at, kept[0].Time)
			}
			if ring.pop(&got, 5); got != kept[0] {
				t.Fatalf("frame %d: found %+v, wanted %+v", i, got, kept[0])
			}
			kept = kept[1:]
		} else {
			e := can.Event{Time: r.Int64() - r.Int64(), Bus: 5, Dir: can.Direction(r.IntN(3)), Verdict: can.Verdict(r.IntN(20)), Frame: randomFrame(r, 1<<29)}
			if r.IntN(3) == 0 {
				e.Frame = can.Frame{ID: 1<<29 - 1, Flags: can.Extended | can.FD | can.BRS, DLC: 15, Len: 64}
				e.Frame.Data[63] = byte(i)
			}
			kept = append(kept, e)
			kept = kept[ring.push(&e):]
		}
		if ring.count != len(kept) || len(ring.blocks) > 3 {
			t.Fatalf("frame %d: %d frames in %d blocks, wanted %d in at most 3", i, ring.count, len(ring.blocks), len(kept))
		}
		most = max(most, len(kept))
	}
	if full := 2 * ringBlock / (ringHead + can.MaxData); most < full {
		t.Errorf("the ring held at most %d frames: it was never full", most)
	}
}

func TestAFullRingAllocatesNothing(t *testing.T) {
	ring := ring{limit: 2}
	e := can.Event{Frame: can.Frame{DLC: 8, Len: 8}}
	for range 20_000 {
		ring.push(&e)
	}
	if n := testing.AllocsPerRun(20_000, func() { ring.push(&e) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

func BenchmarkRing(b *testing.B) {
	b.ReportAllocs()
	ring := ring{limit: 16}
	e := can.Event{Frame: can.Frame{DLC: 8, Len: 8}}
	for b.Loop() {
		ring.push(&e)
	}
}
