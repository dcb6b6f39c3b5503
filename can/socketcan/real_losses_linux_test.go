package socketcan

import (
	"slices"
	"strings"
	"testing"

	"canseal/can"
)

// What a controller loses is counted by its driver and mostly reported by a
// message too. slcan does both for an overflow that the adapter reports, and
// only counts a line that is too long for it.
func TestRealOverflowsAreCountedOnce(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	links(t, "set", a.Name, "bitrate=1000000")
	links(t, "up", a.Name)
	r := record(t, errorsToo(a.Name, 1))
	lost := func(reason can.Reason) (list []can.Event) {
		for _, e := range r.all() {
			if e.Kind == can.KindLost && e.Reason == reason {
				list = append(list, e)
			}
		}
		return list
	}
	before := wall()
	a.says(t, "t1230")
	a.says(t, "e1o")
	r.awaitFrames(t, 2)
	a.says(t, strings.Repeat("x", 200))
	r.await(t, "the overflow of the driver", func([]can.Event) bool { return len(lost(can.LostInterface)) == 1 })
	after := wall()
	frames, reported, counted := r.frames(), lost(can.LostController), lost(can.LostInterface)
	if len(reported) != 1 || reported[0].Lost != 1 || !reported[0].AtLeast || reported[0].From != frames[0].Time || reported[0].Time != frames[1].Time {
		t.Errorf("reported: %+v, wanted at least one between the frame and the message", reported)
	}
	if g := counted[0]; !g.AtLeast || g.From > after || g.Time < before || g.From > g.Time {
		t.Errorf("counted: %+v, wanted at least one between two looks", g)
	}
	if s := r.Status()[0]; s.LostController != 1 || s.LostInterface != 1 || s.LostSocket != 0 {
		t.Errorf("status %+v", s)
	}
	a.says(t, "t1240")
	r.await(t, "the next frame", func([]can.Event) bool {
		return slices.ContainsFunc(r.frames(), func(e can.Event) bool { return e.Frame.ID == 0x124 })
	})
}
