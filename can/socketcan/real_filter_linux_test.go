package socketcan

import (
	"strings"
	"testing"

	"canseal/can"
)

// pushed is a recording whose filters the kernel has.
func pushed(t *testing.T, i Interface, w writer) *recording {
	t.Helper()
	r := record(t, i)
	w.send(t, can.Frame{ID: 0x7FF}) // the first frame comes whatever the list says
	r.await(t, "filters in the kernel", func([]can.Event) bool { return r.Status()[0].Filters > 0 })
	return r
}

func lamps(name string) Interface {
	return Interface{
		Name: name, Bus: 1, ErrorFrames: true, Pass: []ID{{0x3A0, false}},
		Filter: []can.Rule{
			{First: 0x105, Last: 0x105, Remote: true, Reject: true},
			{First: 0x100, Last: 0x123},
			{Extended: true, First: 0xFEF100, Last: 0xFEF100, Mask: 0xFFFF00, Remote: true},
		},
	}
}

// TestRealKernelFilters sends frames near the edges of a list, on a vcan, where
// what is sent counts as received, and over a pair of vxcan, where it does not.
func TestRealKernelFilters(t *testing.T) {
	realBus(t)
	addLink(t, "vflt0", "vcan")
	addLink(t, "vflt1", "vxcan", "vflt2")
	for _, from := range []string{"vflt0 vflt0", "vflt2 vflt1"} {
		t.Run(from, func(t *testing.T) {
			there, here, _ := strings.Cut(from, " ")
			w := newWriter(t, there)
			i := lamps(here)
			r := pushed(t, i, w)
			sent, want := 1, []can.Frame{{ID: 0x7FF}}
			for id := range uint32(0x400) {
				for _, f := range []can.Frame{
					{ID: id}, {ID: id, Flags: can.Remote}, {ID: 0xFEEF00 + id, Flags: can.Extended}, {ID: id, Flags: can.FD, DLC: 15, Len: 64},
				} {
					w.send(t, f)
					sent++
					if listTakes(i.Filter, i.Pass, &f) {
						want = append(want, f)
					}
				}
			}
			w.send(t, can.Frame{ID: 4, Flags: can.Error, DLC: 8, Len: 8})
			r.awaitFrames(t, len(want)+1)
			r.await(t, "all that was left out is counted", func([]can.Event) bool {
				return r.Status()[0].Filtered == uint64(sent-len(want))
			})
			got := r.frames()
			for n, f := range want {
				if got[n].Frame != f {
					t.Fatalf("frame %d: found %+v, wanted %+v", n, got[n].Frame, f)
				}
			}
			t.Logf("of %d frames %d came, %d were left out by %d filters", sent, len(got), r.Status()[0].Filtered, r.Status()[0].Filters)
		})
	}
}

func TestRealCangenThroughKernelFilters(t *testing.T) {
	realBus(t)
	addLink(t, "vflt3", "vcan")
	i := lamps("vflt3")
	r := pushed(t, i, newWriter(t, "vflt3"))
	const n = 5000
	runUtility(t, "cangen", "vflt3", "-g", "0", "-p", "10", "-n", "5000", "-I", "r", "-R")
	r.await(t, "every frame came or was left out", func([]can.Event) bool {
		s := r.Status()[0]
		return s.Frames+s.Filtered == n+1
	})
	for _, e := range r.frames()[1:] {
		if !listTakes(i.Filter, i.Pass, &e.Frame) {
			t.Errorf("%+v came", e.Frame)
		}
	}
}
