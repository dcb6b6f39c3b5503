package socketcan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	return ctx, stop
}

func so[T any](v T) *T { return &v }

// differs waits for a difference that is said in these words; "": for none.
func (r *recording) differs(t *testing.T, word string) {
	t.Helper()
	r.await(t, "differs: "+word, func([]can.Event) bool {
		d := r.Status()[0].Differs
		return word == "" && len(d) == 0 || word != "" && slices.ContainsFunc(d, func(s string) bool { return strings.Contains(s, word) })
	})
}

// settingStates are the states 14 and 15 in order.
func settingStates(list []can.Event) (s []can.State) {
	for _, e := range list {
		if e.Kind == can.KindState && (e.State == can.LinkDiffers || e.State == can.LinkAsConfigured) {
			s = append(s, e.State)
		}
	}
	return s
}

func TestRealLinkIsComparedWithTheConfiguration(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	links(t, "set", a.Name, "bitrate=250000")
	links(t, "up", a.Name)
	r := record(t, Interface{Name: a.Name, Bus: 1, Want: Settings{BitRate: 500_000, ListenOnly: so(true), Restart: so(100 * time.Millisecond)}})
	for _, word := range []string{"bitrate 250000, configured 500000", "listen_only false, configured true", "restart 0s, configured 100ms"} {
		r.differs(t, word)
	}
	links(t, "down", a.Name)
	links(t, "set", a.Name, "bitrate=500000", "mode=listen-only")
	links(t, "up", a.Name)
	r.await(t, "only the restart differs", func([]can.Event) bool {
		return slices.Equal(r.Status()[0].Differs, []string{"restart 0s, configured 100ms"})
	})
	if s := settingStates(r.all()); len(s) < 2 || slices.Contains(s, can.LinkAsConfigured) {
		t.Errorf("states %v", s)
	}
}

// The whole life of a link that canseal sets: listen-only first, in doubt after
// errors, normal after the first valid frame, and all that again after the
// adapter was out.
func TestRealLinkIsSetListenOnlyFirst(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	r := record(t, Interface{Name: a.Name, Bus: 1, Configure: true, Want: Settings{BitRate: 500_000, ListenOnly: so(false)}})
	p, err := OpenPort(PortOptions{Interface: a.Name, Bus: 1, Capture: r.Capture})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a.hears(t, "C\rS6\rL\r")
	r.differs(t, listening)
	if err := p.Send(frame(1, 0, 0)); !errors.Is(err, ErrSilent) {
		t.Errorf("send on a link that listens: %v", err)
	}
	a.says(t, "e2fs")
	r.differs(t, wrongBitRate)
	a.says(t, "t1230")
	a.hears(t, "C\rS6\rO\r")
	r.differs(t, "")
	if err := p.Send(frame(0x321, 0, 0)); err != nil {
		t.Errorf("send in normal mode: %v", err)
	}
	a.hears(t, "t3210\r")
	if n := strings.Count(a.Heard(), "O\r") + strings.Count(a.Heard(), "L\r"); n != 2 {
		t.Errorf("the link was opened %d times: %q", n, a.Heard())
	}
	r.await(t, "a gap over the change", func(list []can.Event) bool {
		return slices.ContainsFunc(list, func(e can.Event) bool {
			return e.Kind == can.KindLost && e.Reason == can.LostReconfigured && e.AtLeast && e.Lost == 0 && 0 < e.From && e.From < e.Time
		})
	})
	if s := settingStates(r.all()); !ends(s, can.LinkDiffers, can.LinkAsConfigured) {
		t.Errorf("states %v", s)
	}
	a.Pull()
	r.await(t, "unplugged", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUnplugged) })
	b := nextAdapter(t, a)
	b.hears(t, "C\rS6\rL\r")
	b.says(t, "t1230")
	b.hears(t, "C\rS6\rO\r")
}

func TestRealLinkStaysListenOnly(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	r := record(t, Interface{Name: a.Name, Bus: 1, Configure: true, Want: Settings{BitRate: 1_000_000, ListenOnly: so(true), Restart: so(100 * time.Millisecond)}})
	a.hears(t, "C\rS8\rL\r")
	a.says(t, "t1230")
	r.awaitFrames(t, 1)
	// slcan knows no automatic restart: used without, and said.
	r.differs(t, "restart 0s, configured 100ms")
	r.await(t, "the reason", func([]can.Event) bool { return strings.Contains(r.Status()[0].Problem, "set restart") })
	n := len(states(r.all(), 1))
	links(t, "down", a.Name) // somebody's hand
	r.await(t, "up again", func(l []can.Event) bool { return len(states(l, 1)) > n && ends(states(l, 1), can.LinkUp) })
	a.says(t, "t1240")
	r.awaitFrames(t, 2)
	if strings.Contains(a.Heard(), "O\r") {
		t.Errorf("the adapter heard %q", a.Heard())
	}
}

// Bus-off without an automatic restart ends when somebody restarts the link.
func TestRealBusOffAndRestartByHand(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	links(t, "set", a.Name, "bitrate=500000")
	links(t, "up", a.Name)
	r := record(t, Interface{Name: a.Name, Bus: 1})
	a.says(t, "sb256256")
	r.await(t, "bus-off", func(l []can.Event) bool { return ends(states(l, 2), can.BusOff) })
	links(t, "down", a.Name)
	links(t, "up", a.Name)
	r.await(t, "active again", func(l []can.Event) bool { return ends(states(l, 2), can.ErrorActive) })
	a.says(t, "t1230")
	r.awaitFrames(t, 1)
}

func TestRealRenamedInterface(t *testing.T) {
	realBus(t)
	addLink(t, "name0", "vcan")
	addLink(t, "other0", "vcan")
	r := record(t, Interface{Name: "name0", Bus: 1}, Interface{Name: "other0", Bus: 2})
	w := newWriter(t, "other0")
	rename := func(from, to string) {
		t.Helper()
		links(t, "down", from)
		links(t, "rename", from, to)
		links(t, "up", to)
		w.send(t, frame(0x7FF, 0, 0))
	}
	rename("name0", "moved0")
	r.await(t, "renamed", func(l []can.Event) bool {
		return ends(states(l, 1), can.LinkUnplugged) && r.Status()[0].Problem == "renamed to moved0"
	})
	rename("moved0", "name0")
	r.await(t, "back", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUp) && r.Status()[0].Problem == "" })
	newWriter(t, "name0").send(t, frame(1, 0, 0))
	r.awaitFrames(t, 3)
}

func TestRealTransmitList(t *testing.T) {
	realBus(t)
	addLink(t, "ask0", "vxcan", "answer0")
	r := record(t, Interface{Name: "ask0", Bus: 1}, Interface{Name: "answer0", Bus: 2})
	obd := frame(0x7DF, 0, 8, 2, 1, 5, 0, 0, 0, 0, 0)
	j1939 := frame(0x18EAFFF9, can.Extended, 3, 0xE8, 0xFE, 0)
	long := frame(0x100, can.FD|can.BRS, 10, make([]byte, 16)...)
	secret := frame(0x200, 0, 1, 9)
	tr := NewTransmitter(TransmitOptions{Interface: "ask0", Bus: 1, Capture: r.Capture, List: []Timed{
		{Frame: obd, Period: 100 * time.Millisecond, Log: true},
		{Frame: j1939, Delay: 150 * time.Millisecond, Log: true},
		{Frame: long, Delay: 250 * time.Millisecond, Log: true},
		{Frame: secret, Delay: 350 * time.Millisecond},
	}})
	ctx, stop := contextOf(t)
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(ctx) }()
	count := func(bus uint8, dir can.Direction, f can.Frame) (n int) {
		for _, e := range r.frames() {
			if e.Bus == bus && e.Dir == dir && e.Frame == f {
				n++
			}
		}
		return n
	}
	r.await(t, "the list", func([]can.Event) bool { return count(1, can.Tx, obd) >= 6 && count(2, can.Rx, secret) == 1 })
	links(t, "down", "ask0")
	links(t, "up", "ask0")
	before := count(1, can.Tx, obd)
	r.await(t, "the list after the link was down", func([]can.Event) bool { return count(1, can.Tx, obd) >= before+3 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	r.await(t, "the far end", func([]can.Event) bool { return count(2, can.Rx, obd) == count(1, can.Tx, obd) })
	for _, f := range []can.Frame{j1939, long} {
		if count(1, can.Tx, f) != 1 || count(2, can.Rx, f) != 1 {
			t.Errorf("%X: sent %d, received %d", f.ID, count(1, can.Tx, f), count(2, can.Rx, f))
		}
	}
	if s := r.Status()[0]; count(1, can.Tx, secret) != 0 || s.Unlogged != 1 || s.OtherTx != 0 {
		t.Errorf("not logged: status %+v", s)
	}
}

func TestRealTransmitListFollowsItsInterface(t *testing.T) {
	realBus(t)
	r := record(t, Interface{Name: "comes0", Bus: 1})
	once, often := frame(1, 0, 0), frame(2, 0, 0)
	tr := NewTransmitter(TransmitOptions{Interface: "comes0", Bus: 1, Capture: r.Capture, List: []Timed{
		{Frame: once, Log: true}, {Frame: often, Period: 50 * time.Millisecond, Log: true},
	}})
	ctx, _ := contextOf(t)
	go tr.Run(ctx)
	for i := range 2 {
		addLink(t, "comes0", "vcan")
		r.awaitFrames(t, 4*(i+1)+len(r.frames()))
		links(t, "del", "comes0")
		r.await(t, "unplugged", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUnplugged) })
	}
	n := 0
	for _, e := range r.frames() {
		if e.Frame.ID == once.ID {
			n++
		}
		if e.Dir != can.Tx {
			t.Errorf("direction of %+v", e)
		}
	}
	if n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
}

// Without the right to change links nothing is lost but the change.
func TestConfigureOfALinkThatIsNot(t *testing.T) {
	if _, _, err := apply(link{index: 1 << 30, controller: true}, Settings{}); !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
}
