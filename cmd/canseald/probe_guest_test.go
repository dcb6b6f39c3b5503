//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	"canseal/logger"
	"canseal/mdf"
)

// These tests are the guest's part of TestABusBehindAProbe.

// satellite is a logger and its probe.
type satellite struct {
	t     *testing.T
	dir   string // certificates
	buses string // of the logger's configuration
	where []string
	probe *exec.Cmd
}

// newSatellite makes certificates with the program's own commands. link is the
// way in the logger's configuration, where the same in the words of canseal
// probe.
func newSatellite(t *testing.T, link string, where ...string) *satellite {
	t.Helper()
	roadFolder(t)
	s := &satellite{t: t, dir: t.TempDir(), where: where}
	s.certs("--root", "--name", "probes", "-o", s.at("root.crt"), "--key-out", s.at("root.key"))
	for name, usage := range map[string]string{"logger": "server", "roof": "client"} {
		s.certs("--ca", s.at("root.crt"), "--ca-key", s.at("root.key"), "--name", name, "--san", name, "--usage", usage,
			"-o", s.at(name+".crt"), "--key-out", s.at(name+".key"))
	}
	s.buses = fmt.Sprintf("  - {interface: \"probe:roof\"}\nlink:\n  probe: {%s, certificate: %s, key: %s, trust: %s}\n",
		link, s.at("logger.crt"), s.at("logger.key"), s.at("root.crt"))
	return s
}

func (s *satellite) at(file string) string { return filepath.Join(s.dir, file) }

func (s *satellite) certs(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("/canseal", append([]string{"certs", "issue"}, args...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("certs issue %v: %v\n%s", args, err, out)
	}
}

// start starts the probe.
func (s *satellite) start() {
	s.t.Helper()
	args := append([]string{"probe", "--interface", "vcan0", "--certificate", s.at("roof.crt"), "--key", s.at("roof.key"), "--trust", s.at("root.crt")}, s.where...)
	s.probe = exec.Command("/canseal", args...)
	s.probe.Stdout, s.probe.Stderr = logTo{s.t}, logTo{s.t}
	must(s.t, s.probe.Start())
	process := s.probe.Process
	s.t.Cleanup(func() { _ = process.Kill() })
}

// kill is what a power cut is to the probe.
func (s *satellite) kill() {
	s.t.Helper()
	must(s.t, s.probe.Process.Kill())
	_ = s.probe.Wait()
}

func TestGuestProbeOverUDP(t *testing.T) {
	s := newSatellite(t, "listen: '127.0.0.1:4647'", "--logger", "127.0.0.1:4647")
	d := startOn(t, s.buses)
	s.start()
	p := &patient{daemon: d, fd: openBus(t, "vcan0")}
	d.awaitUp(t, 0)
	p.drive(t)
	p.more(t, 500)
	s.kill()
	d.awaitBus(t, 0, "the probe is missed", func(b *logger.BusStatus) bool { return b.Link != can.LinkUp.String() })
	s.start()
	d.awaitUp(t, 0)
	p.more(t, 500)
	d.kill(t)
	d = startDaemon(t, "/canseald", d.card) // the probe goes on meanwhile, and keeps what nobody hears
	p.daemon = d
	p.more(t, 500)
	p.settled(t)
	l := d.close(t)
	accounted(t, &l, p.sent, 1)
	if !holds(l.states[1], can.LinkUp, can.LinkDown, can.LinkUp) {
		t.Errorf("states: %v", l.states[1])
	}
}

func TestGuestProbeOnALine(t *testing.T) {
	for name, row := range map[string]struct {
		half bool
		word []string
	}{"full duplex": {false, nil}, "half duplex": {true, []string{"--half-duplex"}}} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := crossed(t)
			s := newSatellite(t, fmt.Sprintf("serial: [{device: %s, baud: 921600, half_duplex: %v}]", ours, row.half),
				append([]string{"--serial", theirs, "--baud", "921600"}, row.word...)...)
			d := startOn(t, s.buses)
			s.start()
			p := &patient{daemon: d, fd: openBus(t, "vcan0")}
			d.awaitUp(t, 0)
			p.drive(t)
			p.more(t, 300)
			s.kill()
			s.start()
			p.more(t, 300)
			p.settled(t)
			l := d.close(t)
			accounted(t, &l, p.sent, 0)
		})
	}
}

// crossed makes a null-modem cable of two pseudo terminals.
func crossed(t *testing.T) (a, b string) {
	t.Helper()
	x, a := terminal(t)
	y, b := terminal(t)
	go func() { _, _ = io.Copy(x, y) }()
	go func() { _, _ = io.Copy(y, x) }()
	return a, b
}

// terminal is a pseudo terminal: its master, and the name of its slave, which
// stays open so that the cable outlives a program.
func terminal(t *testing.T) (*os.File, string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	name := fmt.Sprintf("/dev/pts/%d", number)
	slave, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, &unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL}))
	t.Cleanup(func() { slave.Close(); master.Close() })
	return master, name
}

// more waits for so many frames beyond those that are recorded.
func (p *patient) more(t *testing.T, n uint64) {
	t.Helper()
	var before uint64
	first := true
	p.await(t, fmt.Sprintf("%d more frames", n), func(f *appliance.Facts) bool {
		if first {
			before, first = f.Log.Frames, false
		}
		return f.Log.Frames >= before+n
	})
}

// settled ends the traffic and waits until nothing more of it comes.
func (p *patient) settled(t *testing.T) {
	t.Helper()
	p.halt()
	var last uint64
	since := time.Now()
	p.await(t, "nothing more comes", func(f *appliance.Facts) bool {
		if f.Log.Frames != last {
			last, since = f.Log.Frames, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
}

// accounted wants each number once, in order, or within a gap. A logger that was
// killed may have recorded the last half a second (of 2,000 frames a second, on
// a busy machine) without having confirmed it: that comes again.
func accounted(t *testing.T, l *logOf, sent, kills int) {
	t.Helper()
	gaps := append(append([]mdf.Gap(nil), l.gaps[0]...), l.gaps[1]...)
	next, missing, again, last := 0, 0, 0, int64(0)
	for _, e := range l.frames[1] {
		n := int(binary.LittleEndian.Uint32(e.Frame.Data[:]))
		switch {
		case n < next && kills > 0 && next-n < 1000:
			kills, again = kills-1, next-n
		case n < next:
			t.Fatalf("frame %d again, or too late, behind %d", n, next-1)
		case n > next:
			missing += n - next
			if !within(gaps, last, e.Time) {
				t.Errorf("%d frames from %d on are missing between %d and %d, and no gap says so: %+v", n-next, next, last, e.Time, gaps)
			}
		}
		next, last = n+1, e.Time
	}
	if next != sent {
		t.Errorf("the last frame is %d of %d", next-1, sent)
	}
	fmt.Printf("PROBE %d sent = %d recorded - %d twice + %d in %d gaps\n", sent, len(l.frames[1]), again, missing, len(gaps))
}

// within finds a gap that has something in common with a time.
func within(gaps []mdf.Gap, from, to int64) bool {
	for _, g := range gaps {
		if g.From <= to && g.To >= from {
			return true
		}
	}
	return false
}
