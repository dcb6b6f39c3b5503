package socketcan

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// Tests of the files real_*_test.go run on a real SocketCAN. The interface is named by
// CANTEST_IF: a vcan with room for FD frames that nobody else uses. Links are
// changed by the program that CANTEST_LINK names (vminit).

const patience = 20 * time.Second

func realBus(t *testing.T) string {
	t.Helper()
	name := os.Getenv("CANTEST_IF")
	if name == "" {
		t.Skip("NOT RUN here: CANTEST_IF names no CAN interface; TestGuestRunsTheRealBusTests runs it in a virtual machine")
	}
	return name
}

// links changes links of the machine.
func links(t *testing.T, words ...string) {
	t.Helper()
	tool := os.Getenv("CANTEST_LINK")
	if tool == "" {
		t.Skip("NOT RUN: CANTEST_LINK names no program that changes links")
	}
	if out, err := exec.Command(tool, words...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", strings.Join(words, " "), err, out)
	}
}

// addLink makes a link that lives as long as the test.
func addLink(t *testing.T, name, kind string, peer ...string) {
	t.Helper()
	links(t, append([]string{"add", name, kind}, peer...)...)
	t.Cleanup(func() { exec.Command(os.Getenv("CANTEST_LINK"), "del", name).Run() })
	for _, n := range append(peer, name) {
		links(t, "up", n)
	}
}

// utility skips where the machine has no can-utils.
func utility(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
			t.Fatalf("CANSEAL_REQUIRE wants can-utils: %v", err)
		}
		t.Skipf("NOT RUN: no %s (apt-get install can-utils)", name)
	}
	return exec.Command(path, args...)
}

func runUtility(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := utility(t, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v %s", name, strings.Join(args, " "), err, out)
	}
}

// recording is a capture that a goroutine reads.
type recording struct {
	*Capture
	mu     sync.Mutex
	events []can.Event
	ended  chan struct{}
}

func open(t *testing.T, interfaces ...Interface) *Capture {
	t.Helper()
	c, err := Open(Options{Interfaces: interfaces})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, c *Capture) *recording {
	r := &recording{Capture: c, ended: make(chan struct{})}
	t.Cleanup(func() { r.Close(); <-r.ended })
	go func() {
		defer close(r.ended)
		for buf := events(512); ; {
			n, err := c.Read(buf)
			r.mu.Lock()
			r.events = append(r.events, buf[:n]...)
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return r
}

func record(t *testing.T, interfaces ...Interface) *recording { return read(t, open(t, interfaces...)) }

func (r *recording) all() []can.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]can.Event(nil), r.events...)
}

func (r *recording) frames() (list []can.Event) {
	for _, e := range r.all() {
		if e.Kind == can.KindFrame {
			list = append(list, e)
		}
	}
	return list
}

// await waits until a condition on the events holds.
func (r *recording) await(t *testing.T, what string, holds func([]can.Event) bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(r.all()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s; %d events, status %+v", patience, what, len(r.all()), r.Status())
		}
	}
}

func (r *recording) awaitFrames(t *testing.T, n int) {
	t.Helper()
	r.await(t, strconv.Itoa(n)+" frames", func([]can.Event) bool { return len(r.frames()) >= n })
}

// states returns the states of links, or of controllers, in order.
func states(list []can.Event, kind uint8) (s []can.State) {
	for _, e := range list {
		if e.Kind == can.KindState && e.State.Kind() == kind {
			s = append(s, e.State)
		}
	}
	return s
}

func ends(s []can.State, tail ...can.State) bool {
	if len(s) < len(tail) {
		return false
	}
	for i, want := range tail {
		if s[len(s)-len(tail)+i] != want {
			return false
		}
	}
	return true
}

// writer is another program: a socket of its own that sends anything.
type writer int

func newWriter(t *testing.T, name string) writer {
	t.Helper()
	fd, err := portSocket(PortOptions{Interface: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return writer(fd)
}

func (w writer) send(t *testing.T, f can.Frame) {
	t.Helper()
	var raw [fdSize]byte
	n := encode(&f, &raw)
	if _, err := unix.Write(int(w), raw[:n]); n == 0 || err != nil {
		t.Fatalf("send %+v: %v", f, err)
	}
}

func errorsToo(name string, bus uint8) Interface {
	return Interface{Name: name, Bus: bus, ErrorFrames: true}
}

// peer is candump beside us on the same bus.
type peer struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func candump(t *testing.T, name string, frames int) *peer {
	t.Helper()
	p := &peer{cmd: utility(t, "candump", "-L", "-r", "8388608", "-n", strconv.Itoa(frames), name+",0:0,#FFFFFFFF")}
	p.cmd.Stdout = &p.out
	before := listeners(t, name)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	for end := time.Now().Add(patience); listeners(t, name) == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("candump does not listen")
		}
	}
	return p
}

// listeners counts the sockets that receive everything.
func listeners(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/can/rcvlist_all")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), name+" ")
}

func (p *peer) lines(t *testing.T) []string {
	t.Helper()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("candump: %v", err)
	}
	return strings.Split(strings.TrimSpace(p.out.String()), "\n")
}
