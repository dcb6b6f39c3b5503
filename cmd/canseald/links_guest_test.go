//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	"canseal/internal/mdfcheck"
	"canseal/internal/vmtest/slcan"
	"canseal/logger"
	"canseal/mdf"
)

// These tests are the guest's part of TestCansealdOnLinksThatComeAndGo.

// startOn starts canseald with these buses on a new card.
func startOn(t *testing.T, buses string) *daemon {
	t.Helper()
	roadFolder(t)
	card := t.TempDir()
	write(t, filepath.Join(card, "config.yaml"), fmt.Appendf(nil,
		"version: 1\ndevice: {id: %s}\nlog: {flush: 100ms}\nbuses:\n%supload:\n  mode: off\n", roadDevice, buses))
	return startDaemon(t, "/canseald", card)
}

// awaitBus waits for the status of one bus, in the order of the configuration.
func (d *daemon) awaitBus(t *testing.T, n int, what string, good func(*logger.BusStatus) bool) {
	t.Helper()
	d.await(t, fmt.Sprintf("bus %d: %s", n+1, what), func(f *appliance.Facts) bool {
		return len(f.Buses) > n && f.Log.State == "recording" && good(&f.Buses[n])
	})
}

func (d *daemon) awaitUp(t *testing.T, n int) {
	t.Helper()
	d.awaitBus(t, n, "up", func(b *logger.BusStatus) bool { return b.Link == can.LinkUp.String() })
}

// awaitWord waits for a word in what is said to differ.
func (d *daemon) awaitWord(t *testing.T, n int, word string) {
	t.Helper()
	d.awaitBus(t, n, word, func(b *logger.BusStatus) bool { return strings.Contains(strings.Join(b.Differs, ";"), word) })
}

// logOf is all that the log of a card holds, by bus.
type logOf struct {
	frames [9][]can.Event
	gaps   [9][]mdf.Gap
	states [9][]can.State
}

// close stops the daemon and reads its card.
func (d *daemon) close(t *testing.T) (l logOf) {
	t.Helper()
	d.stop(t)
	names, err := filepath.Glob(filepath.Join(d.card, "LOG", roadDevice, "*", "*.MF4"))
	must(t, err)
	for _, name := range names {
		l.add(t, name)
	}
	return l
}

func (l *logOf) add(t *testing.T, name string) {
	t.Helper()
	if report, err := mdfcheck.File(name); err != nil || len(report.Problems) > 0 {
		t.Errorf("%s: %v %v", name, err, report.Problems)
	}
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	r, err := mdf.Open(f, info.Size())
	must(t, err)
	for record, err := range r.Records() {
		must(t, err)
		switch v := record.(type) {
		case *mdf.Frame:
			l.frames[v.Bus] = append(l.frames[v.Bus], v.Event)
		case mdf.Gap:
			l.gaps[v.Bus] = append(l.gaps[v.Bus], v)
		case mdf.State:
			l.states[v.Bus] = append(l.states[v.Bus], v.State)
		}
	}
}

// holds tells whether states came in this order, others between them.
func holds(states []can.State, order ...can.State) bool {
	for _, s := range states {
		if len(order) > 0 && s == order[0] {
			order = order[1:]
		}
	}
	return len(order) == 0
}

// link changes links by the tool of the guest.
func link(t *testing.T, words ...string) {
	t.Helper()
	if out, err := exec.Command("/vminit", words...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v %s", words, err, out)
	}
}

// A daemon that gets no processor for a while, and then a quiet bus: the queue of
// the socket overflows, and the counter alone can tell.
func TestGuestCountsWhatTheSocketLost(t *testing.T) {
	d := startOn(t, "  - {interface: vcan0, receive_buffer: 256KiB}\n")
	d.awaitUp(t, 0)
	const sent = 3000
	fd := openBus(t, "vcan0")
	must(t, sendNumber(fd, 0))
	d.awaitBus(t, 0, "a frame", func(b *logger.BusStatus) bool { return b.Frames == 1 })
	before := time.Now().UnixNano()
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	for n := uint32(1); n < sent; n++ {
		must(t, sendNumber(fd, n))
	}
	must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	d.awaitBus(t, 0, "an even account on a quiet bus", func(b *logger.BusStatus) bool { return b.Frames+b.Lost.Socket == sent })
	after := time.Now().UnixNano()
	l := d.close(t)
	counted := uint64(0)
	for _, g := range l.gaps[1] {
		counted += g.Count
		if g.Reason != can.LostSocket || g.AtLeast || g.To < before || g.To > after || g.From > g.To {
			t.Errorf("gap %+v, wanted an exact one that ends within %d..%d", g, before, after)
		}
	}
	if recorded := len(l.frames[1]); counted == 0 || uint64(recorded)+counted != sent {
		t.Fatalf("%d recorded + %d counted, %d were sent", recorded, counted, sent)
	}
	fmt.Printf("ACCOUNT %d sent = %d recorded + %d counted in the socket queue\n", sent, len(l.frames[1]), counted)
}

func TestGuestLinksComeAndGo(t *testing.T) {
	roadFolder(t)
	a, err := slcan.Plug()
	must(t, err)
	t.Cleanup(a.Pull)
	d := startOn(t, fmt.Sprintf(`  - {interface: %s, configure: true, check: {bitrate: 500k, listen_only: false}}
  - {interface: vcan0, check: {bitrate: 500k, fd: true}}
  - {interface: late0}
`, a.Name))
	d.awaitUp(t, 1)
	p := &patient{daemon: d, fd: openBus(t, "vcan0")}
	p.drive(t)

	d.awaitWord(t, 0, "listens until a valid frame comes")
	must(t, a.Say("e2fs"))
	d.awaitWord(t, 0, "wrong bit rate?")
	told(t, d, "wrong bit rate?")
	must(t, a.Say("t1231AA"))
	d.awaitBus(t, 0, "normal mode", func(b *logger.BusStatus) bool { return len(b.Differs) == 0 && !b.ListenOnly && b.Bitrate == 500_000 })
	d.awaitBus(t, 2, "missing", func(b *logger.BusStatus) bool {
		return b.Link == can.LinkMissing.String() && b.Problem == "no such interface"
	})
	must(t, a.Say("e1o")) // an overflow that driver and message both count
	d.awaitBus(t, 0, "an overflow", func(b *logger.BusStatus) bool { return b.Lost.Controller == 1 })
	for line, s := range ordered("sw100096", can.ErrorWarning, "sp010200", can.ErrorPassive, "sb256256", can.BusOff) {
		must(t, a.Say(line))
		d.awaitBus(t, 0, s.String(), func(b *logger.BusStatus) bool { return b.Controller == s.String() })
	}
	link(t, "down", a.Name) // by hand; canseald sets it up again, listen-only first
	d.awaitBus(t, 0, "active again", func(b *logger.BusStatus) bool {
		return b.Controller == can.ErrorActive.String() && b.Link == can.LinkUp.String() && b.ListenOnly
	})
	must(t, a.Say("t1231BB"))
	d.awaitBus(t, 0, "frame 2", func(b *logger.BusStatus) bool { return b.Frames-b.Errors == 2 && !b.ListenOnly })
	a.Pull()
	d.awaitBus(t, 0, "unplugged", func(b *logger.BusStatus) bool { return b.Link == can.LinkUnplugged.String() })
	link(t, "add", "late0", "vcan")
	d.awaitBus(t, 2, "down", func(b *logger.BusStatus) bool { return b.Link == can.LinkDown.String() })
	link(t, "up", "late0")
	d.awaitUp(t, 2)
	must(t, sendNumber(openBus(t, "late0"), 7))
	// bus-off with an automatic restart, which slcan has not
	for _, class := range []uint32{unix.CAN_ERR_BUSOFF, unix.CAN_ERR_RESTARTED} {
		must(t, sendError(openBus(t, "late0"), class))
	}
	d.awaitBus(t, 2, "restarted", func(b *logger.BusStatus) bool {
		return b.Controller == can.ControllerRestarted.String() && b.Frames-b.Errors == 1
	})
	b, err := slcan.Plug()
	must(t, err)
	t.Cleanup(b.Pull)
	if b.Name != a.Name {
		d.awaitBus(t, 0, "the name free", func(s *logger.BusStatus) bool { return s.Problem == "no such interface" })
		link(t, "rename", b.Name, a.Name)
	}
	d.awaitWord(t, 0, "listens until a valid frame comes")
	must(t, b.Say("t1231CC"))
	d.awaitBus(t, 0, "frame 3", func(b *logger.BusStatus) bool { return b.Frames-b.Errors == 3 && len(b.Differs) == 0 })
	p.halt()
	d.awaitBus(t, 1, "all frames", func(b *logger.BusStatus) bool { return b.Frames == uint64(p.sent) })
	told(t, d, "no such interface", "bitrate unknown, configured 500000")
	l := d.close(t)

	if got := len(l.frames[1]); got < 3 {
		t.Errorf("%d frames of the adapter", got)
	}
	if !holds(l.states[1], can.LinkDown, can.LinkUp, can.LinkDiffers, can.LinkAsConfigured, can.ErrorWarning, can.ErrorPassive, can.BusOff,
		can.LinkDown, can.LinkUp, can.LinkDiffers, can.LinkAsConfigured, can.LinkUnplugged, can.LinkUp, can.LinkDiffers, can.LinkAsConfigured) {
		t.Errorf("states of bus 1: %v", l.states[1])
	}
	if !holds(l.states[3], can.LinkMissing, can.LinkDown, can.LinkUp, can.BusOff, can.ControllerRestarted) {
		t.Errorf("states of bus 3: %v", l.states[3])
	}
	overflowed(t, l.gaps[1])
	undisturbed(t, &l, p.sent)
}

// overflowed wants one gap of the controller, at least one frame between what
// came before and the report, and none for the same in the interface.
func overflowed(t *testing.T, gaps []mdf.Gap) {
	t.Helper()
	found := 0
	for _, g := range gaps {
		switch g.Reason {
		case can.LostController:
			found++
			if g.Count != 1 || !g.AtLeast || g.From >= g.To {
				t.Errorf("gap %+v", g)
			}
		case can.LostReconfigured: // while listen-only mode was left
		default:
			t.Errorf("gap %+v", g)
		}
	}
	if found != 1 {
		t.Errorf("%d gaps of the controller, want 1", found)
	}
}

// undisturbed wants every frame of bus 2 in order, and nothing said but that
// it is up and of unknown rate.
func undisturbed(t *testing.T, l *logOf, sent int) {
	t.Helper()
	if len(l.frames[2]) != sent || len(l.gaps[2]) != 0 {
		t.Errorf("bus 2: %d frames of %d, gaps %v", len(l.frames[2]), sent, l.gaps[2])
	}
	for i, e := range l.frames[2] {
		if n := int(binary.LittleEndian.Uint32(e.Frame.Data[:])); n != i {
			t.Fatalf("bus 2: frame %d is %d", i, n)
		}
	}
	if want := []can.State{can.LinkUp, can.LinkDiffers}; !slices.Equal(l.states[2], want) {
		t.Errorf("states of bus 2: %v", l.states[2])
	}
}

// told wants these words in events.jsonl.
func told(t *testing.T, d *daemon, words ...string) {
	t.Helper()
	for _, w := range words {
		deadline := time.Now().Add(20 * time.Second)
		for {
			text, err := os.ReadFile(filepath.Join(d.card, "events.jsonl"))
			must(t, err)
			if strings.Contains(string(text), w) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("events.jsonl does not tell %q:\n%s", w, text)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// ordered pairs what an adapter says with the state that follows.
func ordered(pairs ...any) func(yield func(string, can.State) bool) {
	return func(yield func(string, can.State) bool) {
		for i := 0; i < len(pairs); i += 2 {
			if !yield(pairs[i].(string), pairs[i+1].(can.State)) {
				return
			}
		}
	}
}

// sendError injects an error message of the kernel.
func sendError(fd int, class uint32) error {
	var frame [16]byte
	binary.NativeEndian.PutUint32(frame[:], unix.CAN_ERR_FLAG|class)
	frame[4] = 8
	_, err := unix.Write(fd, frame[:])
	return err
}

func TestGuestSendsItsList(t *testing.T) {
	d := startOn(t, `  - interface: ask0
    transmit:
      - {match: "11:0x7DF", data: "0201050000000000", period: 100ms}
      - {match: "29:0x18EAFFF9", data: "E8FE00", delay: 150ms}
      - {match: "11:0x100", data: "00112233445566778899AABB", delay: 250ms, fd: true, brs: true}
      - {match: "11:0x101", data: "0000", delay: 250ms, remote: true}
      - {match: "11:0x200", data: "09", period: 200ms, log: false}
  - interface: answer0
`)
	d.awaitBus(t, 0, "ten requests", func(b *logger.BusStatus) bool { return b.Sent >= 13 && b.LeftOut >= 3 })
	link(t, "down", "ask0")
	d.awaitBus(t, 0, "down", func(b *logger.BusStatus) bool { return b.Link == can.LinkDown.String() })
	sent := uint64(0)
	d.awaitBus(t, 0, "still", func(b *logger.BusStatus) bool { sent = b.Sent; return true })
	link(t, "up", "ask0")
	d.awaitBus(t, 0, "ten more", func(b *logger.BusStatus) bool { return b.Sent >= sent+10 })
	l := d.close(t)
	var tx, rx map[uint32]int
	tx, rx = count(t, l.frames[1], can.Tx), count(t, l.frames[2], can.Rx)
	for _, id := range []uint32{0x18EAFFF9, 0x100, 0x101} {
		if tx[id] != 1 || rx[id] != 1 {
			t.Errorf("%X: %d sent, %d came, want 1", id, tx[id], rx[id])
		}
	}
	if tx[0x7DF] < 10 || rx[0x7DF] < tx[0x7DF] || tx[0x200] != 0 || rx[0x200] < 3 {
		t.Errorf("sent %v, came %v", tx, rx)
	}
	if between := inner(l.frames[1], 0x7DF); between < 50*time.Millisecond {
		t.Errorf("two requests within %v", between)
	}
	fmt.Printf("LIST sent %v, came %v\n", tx, rx)
}

// count counts frames by identifier, all of one direction.
func count(t *testing.T, list []can.Event, dir can.Direction) map[uint32]int {
	t.Helper()
	n := map[uint32]int{}
	for _, e := range list {
		n[e.Frame.ID]++
		if e.Dir != dir {
			t.Errorf("%X: direction %d, want %d", e.Frame.ID, e.Dir, dir)
		}
	}
	return n
}

// inner is the mean distance of the frames with an identifier.
func inner(list []can.Event, id uint32) time.Duration {
	var stamps []int64
	for _, e := range list {
		if e.Frame.ID == id {
			stamps = append(stamps, e.Time)
		}
	}
	if len(stamps) < 2 {
		return 0
	}
	return time.Duration(stamps[len(stamps)-1]-stamps[0]) / time.Duration(len(stamps)-1)
}
