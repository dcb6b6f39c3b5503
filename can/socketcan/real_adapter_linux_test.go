package socketcan

import (
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/internal/vmtest/slcan"
)

// adapter is the far end of a serial CAN adapter.
type adapter struct{ *slcan.Adapter }

func newAdapter(t *testing.T) *adapter {
	t.Helper()
	a, err := slcan.Plug()
	if err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	t.Cleanup(a.Pull)
	return &adapter{a}
}

// nextAdapter plugs in an adapter under the name of one that has gone.
func nextAdapter(t *testing.T, gone *adapter) *adapter {
	t.Helper()
	a := newAdapter(t)
	if a.Name != gone.Name {
		links(t, "rename", a.Name, gone.Name)
		a.Name = gone.Name
	}
	return a
}

func (a *adapter) says(t *testing.T, line string) {
	t.Helper()
	if err := a.Say(line); err != nil {
		t.Fatal(err)
	}
}

// hears waits until the driver has sent the text.
func (a *adapter) hears(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(a.Heard(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the adapter heard %q, want %q", a.Heard(), text)
		}
	}
}

func TestRealControllerStates(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	links(t, "set", a.Name, "bitrate=1000000")
	links(t, "up", a.Name)
	a.hears(t, "C\rS8\rO\r")
	r := record(t, errorsToo(a.Name, 2))
	p, err := OpenPort(PortOptions{Interface: a.Name, Bus: 2, Capture: r.Capture})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()

	a.says(t, "t1232AABB")
	a.says(t, "T18DAF1108"+"0102030405060708")
	r.awaitFrames(t, 2)
	if err := p.Send(frame(0x321, 0, 3, 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	a.hears(t, "t3213010203\r")
	r.awaitFrames(t, 3)
	want := []can.Event{
		{Dir: can.Rx, Frame: frame(0x123, 0, 2, 0xAA, 0xBB)},
		{Dir: can.Rx, Frame: frame(0x18DAF110, can.Extended, 8, 1, 2, 3, 4, 5, 6, 7, 8)},
		{Dir: can.Tx, Frame: frame(0x321, 0, 3, 1, 2, 3)},
	}
	for i, e := range r.frames() {
		if e.Dir != want[i].Dir || e.Frame != want[i].Frame {
			t.Errorf("frame %d: got %+v, want %+v", i, e, want[i])
		}
	}
	controllerStates(t, a, r)
	pullOut(t, a, r)
}

// controllerStates lets the adapter report trouble.
func controllerStates(t *testing.T, a *adapter, r *recording) {
	t.Helper()
	for _, c := range []struct {
		says  string
		state can.State
	}{{"sw100096", can.ErrorWarning}, {"sp010200", can.ErrorPassive}, {"sb256256", can.BusOff}} {
		a.says(t, c.says)
		r.await(t, c.state.String(), func(l []can.Event) bool { return ends(states(l, 2), c.state) })
	}
	if s := r.Status()[0]; s.BitRate != 1_000_000 || s.Controller != can.BusOff || s.Link != can.LinkUp || s.Errors == 0 {
		t.Errorf("status %+v", s)
	}
	for _, e := range r.all() {
		if e.State == can.ErrorWarning && (e.RxErrors != 100 || e.TxErrors != 96) && (e.RxErrors != 96 || e.TxErrors != 100) {
			t.Errorf("counters of %+v", e)
		}
	}
}

// pullOut takes the adapter out, and puts another one in.
func pullOut(t *testing.T, a *adapter, r *recording) {
	t.Helper()
	a.Pull()
	r.await(t, "unplugged", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUnplugged) })
	b := nextAdapter(t, a)
	links(t, "set", b.Name, "bitrate=500000", "mode=listen-only")
	links(t, "up", b.Name)
	r.await(t, "up again", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUp) })
	n := len(r.frames())
	b.says(t, "t4560")
	r.awaitFrames(t, n+1)
	if s := r.Status()[0]; s.BitRate != 500_000 || !s.ListenOnly {
		t.Errorf("status %+v", s)
	}
}
