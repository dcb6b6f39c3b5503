package socketcan

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// lineSlcan is N_SLCAN: the line discipline that makes a CAN interface of a
// serial line.
const lineSlcan = 17

// adapter is the far end of a serial CAN adapter, which speaks LAWICEL text:
// the kernel's slcan driver on a pseudo terminal has all that a controller
// has, states and bit rates included.
type adapter struct {
	name   string
	master *os.File
	slave  int
	mu     sync.Mutex
	heard  strings.Builder // what the driver sent
	pulled sync.Once
}

func newAdapter(t *testing.T) *adapter {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT RUN: no pseudo terminals: %v", err)
	}
	a := &adapter{master: master, slave: -1}
	t.Cleanup(a.pull)
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		a.slave, err = unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.attach(t)
	go a.listen()
	return a
}

// attach makes the slave end raw and turns it into an interface.
func (a *adapter) attach(t *testing.T) {
	t.Helper()
	raw := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL}
	if err := unix.IoctlSetTermios(a.slave, unix.TCSETS, &raw); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(a.slave, unix.TIOCSETD, lineSlcan); err != nil {
		t.Skipf("NOT RUN: no slcan driver: %v", err)
	}
	var name [unix.IFNAMSIZ]byte
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(a.slave), unix.SIOCGIFNAME, uintptr(unsafe.Pointer(&name))); errno != 0 {
		t.Fatal(errno)
	}
	a.name = unix.ByteSliceToString(name[:])
}

func (a *adapter) listen() {
	for b := make([]byte, 256); ; {
		n, err := a.master.Read(b)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.heard.Write(b[:n])
		a.mu.Unlock()
	}
}

func (a *adapter) says(t *testing.T, text string) {
	t.Helper()
	if _, err := a.master.WriteString(text + "\r"); err != nil {
		t.Fatal(err)
	}
}

// hears waits until the driver has sent the text.
func (a *adapter) hears(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		a.mu.Lock()
		heard := a.heard.String()
		a.mu.Unlock()
		if strings.Contains(heard, text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the adapter heard %q, want %q", heard, text)
		}
	}
}

// pull takes the adapter out.
func (a *adapter) pull() {
	a.pulled.Do(func() {
		if a.slave >= 0 {
			unix.Close(a.slave)
		}
		a.master.Close()
	})
}

func TestRealControllerStates(t *testing.T) {
	realBus(t)
	a := newAdapter(t)
	links(t, "set", a.name, "bitrate=1000000")
	links(t, "up", a.name)
	a.hears(t, "C\rS8\rO\r")
	r := record(t, errorsToo(a.name, 2))
	p, err := OpenPort(PortOptions{Interface: a.name, Bus: 2, Capture: r.Capture})
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
	a.pull()
	r.await(t, "unplugged", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUnplugged) })
	b := newAdapter(t)
	if b.name != a.name {
		t.Skipf("the next adapter is %s, not %s", b.name, a.name)
	}
	links(t, "set", b.name, "bitrate=500000", "mode=listen-only")
	links(t, "up", b.name)
	r.await(t, "up again", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUp) })
	n := len(r.frames())
	b.says(t, "t4560")
	r.awaitFrames(t, n+1)
	if s := r.Status()[0]; s.BitRate != 500_000 || !s.ListenOnly {
		t.Errorf("status %+v", s)
	}
}
