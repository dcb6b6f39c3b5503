package socketcan

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"canseal/can"
)

func TestRealLinkDownAndUp(t *testing.T) {
	realBus(t)
	addLink(t, "flap0", "vcan")
	r := record(t, Interface{Name: "flap0", Bus: 1})
	p, err := OpenPort(PortOptions{Interface: "flap0", Bus: 1, Capture: r.Capture})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(frame(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	links(t, "down", "flap0")
	r.await(t, "down", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUp, can.LinkDown) })
	if err := p.Send(frame(9, 0, 0)); !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("send while down: %v", err)
	}
	links(t, "up", "flap0")
	r.await(t, "up", func(l []can.Event) bool { return ends(states(l, 1), can.LinkDown, can.LinkUp) })
	if err := p.Send(frame(2, 0, 0)); err != nil {
		t.Errorf("send when up again: %v", err)
	}
	r.awaitFrames(t, 2)
	if s := states(r.all(), 1); len(s) != 3 {
		t.Errorf("states %v", s)
	}
	for _, e := range r.frames() {
		if e.Dir != can.Tx {
			t.Errorf("direction of %+v", e)
		}
	}
}

func TestRealInterfaceAppearsAndIsPulledOut(t *testing.T) {
	realBus(t)
	r := record(t, Interface{Name: "late0", Bus: 1})
	r.await(t, "missing", func(l []can.Event) bool { return ends(states(l, 1), can.LinkMissing) })
	for i := range 3 {
		addLink(t, "late0", "vcan")
		r.await(t, "up", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUp) })
		newWriter(t, "late0").send(t, frame(uint32(i), 0, 0))
		r.awaitFrames(t, i+1)
		links(t, "del", "late0")
		r.await(t, "unplugged", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUnplugged) })
		if p := r.Status()[0].Problem; p != "no such interface" {
			t.Errorf("problem %q", p)
		}
	}
	for i, e := range r.frames() {
		if e.Frame.ID != uint32(i) {
			t.Errorf("frame %d is %X", i, e.Frame.ID)
		}
	}
}

func TestRealInterfaceThatIsNoCAN(t *testing.T) {
	realBus(t)
	r := record(t, Interface{Name: "lo", Bus: 1})
	r.await(t, "missing", func(l []can.Event) bool { return ends(states(l, 1), can.LinkMissing) })
	if p := r.Status()[0].Problem; p != "not a CAN interface" {
		t.Errorf("problem %q", p)
	}
}

func TestRealErrorMessages(t *testing.T) {
	name := realBus(t)
	list := []can.Frame{
		frame(0x204, can.Error, 8, 0, 0x08, 0, 0, 0, 0, 96, 0),
		frame(0x040, can.Error, 8, 0, 0, 0, 0, 0, 0, 0, 0),
		frame(0x100, can.Error, 8, 0, 0, 0, 0, 0, 0, 0, 0),
		frame(0x0A8, can.Error, 8, 0, 0, 0, 0x19, 0, 0, 0, 0),
		frame(0x004, can.Error, 8, 0, 0x01, 0, 0, 0, 0, 0, 0),
		frame(0x123, 0, 1, 7),
	}
	with, without := record(t, errorsToo(name, 1)), record(t, Interface{Name: name, Bus: 1})
	w := newWriter(t, name)
	for _, f := range list {
		w.send(t, f)
	}
	with.awaitFrames(t, len(list))
	without.awaitFrames(t, 1)
	for i, e := range with.frames() {
		if e.Frame != list[i] {
			t.Errorf("frame %d: got %+v, want %+v", i, e.Frame, list[i])
		}
	}
	for _, r := range []*recording{with, without} {
		if s := states(r.all(), 2); !ends(s, can.ErrorWarning, can.BusOff, can.ControllerRestarted) || len(s) != 3 {
			t.Errorf("states %v", s)
		}
		if s := r.Status()[0]; s.LostController != 1 || s.Controller != can.ControllerRestarted {
			t.Errorf("status %+v", s)
		}
	}
	if got := without.frames(); len(got) != 1 || got[0].Frame != list[5] {
		t.Errorf("error messages delivered: %+v", got)
	}
}
