//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	"canseal/logger"
)

// These tests are the guest's part of TestCansealdOutlivesTheFaultsOfACard. The
// state folder is not on the card, so that the card can be unmounted.

const faultState = "/tmp/state"

// patient is a card in trouble: a daemon, and a bus with numbered frames.
type patient struct {
	*daemon
	fd, sent int
	end      context.CancelFunc
	ended    chan int
}

func newPatient(t *testing.T, log string) *patient {
	t.Helper()
	write(t, filepath.Join(guestCard, "config.yaml"), fmt.Appendf(nil,
		"version: 1\ndevice: {id: %s}\nlog: {flush: 100ms, %s}\nbuses:\n  - interface: vcan0\nupload:\n  mode: off\n", roadDevice, log))
	d := &daemon{cmd: exec.Command("/canseald", "--root", guestCard, "--state", faultState), card: guestCard, state: faultState, ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = os.Stdout, os.Stderr
	must(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	d.awaitRecording(t)
	return &patient{daemon: d, fd: openBus(t, "vcan0")}
}

// drive sends until halt.
func (p *patient) drive(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p.end, p.ended = cancel, make(chan int, 1)
	go func() { p.ended <- number(ctx, p.fd, p.sent) }()
}

func (p *patient) halt() {
	p.end()
	p.sent = <-p.ended
}

func (p *patient) awaitLog(t *testing.T, what string, good func(*logger.LogStatus) bool) {
	t.Helper()
	p.await(t, what, func(f *appliance.Facts) bool { return good(&f.Log) })
}

// settle stops the bus and the daemon and wants every frame recorded or counted,
// in its status and on the card.
func (p *patient) settle(t *testing.T) {
	t.Helper()
	p.halt()
	p.awaitLog(t, "the account to be even", func(l *logger.LogStatus) bool {
		return l.State == "recording" && l.Frames+l.Lost.Sum()-l.Lost.Deleted == uint64(p.sent)
	})
	p.stop(t)
	found, err := walkCard(filepath.Join(guestCard, "LOG", roadDevice))
	must(t, err)
	seen, counted := map[int]bool{}, 0
	for n, w := range found {
		for _, number := range w.numbers {
			if seen[number] || number >= p.sent {
				t.Errorf("segment %v: frame %d is here twice, or was never sent", n, number)
			}
			seen[number] = true
		}
		counted += w.counted
	}
	if len(seen)+counted != p.sent {
		t.Errorf("%d recorded + %d counted, %d were sent", len(seen), counted, p.sent)
	}
	if out, err := exec.Command("/canseal", "verify", guestCard).CombinedOutput(); err != nil {
		t.Errorf("canseal verify: %v\n%s", err, out)
	}
	fmt.Printf("ACCOUNT %d sent = %d recorded + %d counted\n", p.sent, len(seen), counted)
}

// busy repeats what the daemon's short accesses to the card can hinder.
func busy(t *testing.T, do func() error) {
	t.Helper()
	err := do()
	for end := time.Now().Add(20 * time.Second); errors.Is(err, unix.EBUSY) && time.Now().Before(end); err = do() {
		time.Sleep(5 * time.Millisecond)
	}
	must(t, err)
}

func TestGuestDiskFails(t *testing.T) {
	roadFolder(t)
	disk := mapDisk(t)
	mountCard(t, disk.path)
	p := newPatient(t, "split_size: 1MB")
	p.drive(t)
	p.awaitLog(t, "frames", func(l *logger.LogStatus) bool { return l.Frames > 500 })
	disk.become(t, "flakey", "0 100 1 error_writes")
	p.awaitLog(t, "the fault, told and counted", func(l *logger.LogStatus) bool {
		return (l.Card.State == can.CardWriteError.String() || l.Card.State == can.CardReadOnly.String()) && l.Lost.Write > 100
	})
	busy(t, func() error { return unix.Unmount("/data", 0) }) // before it is well again, and a segment is open
	disk.become(t, "linear", "")
	mountCard(t, disk.path)
	p.awaitLog(t, "recording again", func(l *logger.LogStatus) bool { return l.State == "recording" })
	p.settle(t)
}

// mapped is the disk behind the device mapper.
type mapped struct {
	path    string
	sectors int64
}

func mapDisk(t *testing.T) mapped {
	t.Helper()
	f, err := os.Open("/dev/ubda")
	must(t, err)
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	must(t, err)
	d := mapped{"/dev/mapper/card", size / 512}
	dmsetup(t, "create", "--noudevsync", "card", "--table", d.table("linear", ""))
	return d
}

func (d mapped) table(target, options string) string {
	return strings.TrimSpace(fmt.Sprintf("0 %d %s /dev/ubda 0 %s", d.sectors, target, options))
}

// become replaces what the disk does under the mounted file system.
func (d mapped) become(t *testing.T, target, options string) {
	t.Helper()
	dmsetup(t, "load", "card", "--table", d.table(target, options))
	dmsetup(t, "suspend", "--noflush", "--nolockfs", "card")
	dmsetup(t, "resume", "--noudevsync", "card")
}

func dmsetup(t *testing.T, words ...string) {
	t.Helper()
	if out, err := exec.Command("/bin/dmsetup", words...).CombinedOutput(); err != nil {
		t.Fatalf("dmsetup %v: %v\n%s", words, err, out)
	}
}

func mountCard(t *testing.T, device string) {
	t.Helper()
	must(t, os.MkdirAll("/data", 0o755))
	must(t, unix.Mount(device, "/data", "ext4", 0, "errors=remount-ro"))
	must(t, os.MkdirAll(guestCard, 0o755))
}

// fillCard leaves no byte of the card, in a file that is not ours.
func fillCard(t *testing.T) (name string) {
	t.Helper()
	name = "/data/foreign"
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return name
}

func TestGuestCardIsFull(t *testing.T) {
	roadFolder(t)
	mountCard(t, "/dev/ubda")
	p := newPatient(t, "split_size: 1MB, unsent: keep")
	p.drive(t)
	p.awaitLog(t, "frames", func(l *logger.LogStatus) bool { return l.Frames > 500 })
	foreign := fillCard(t)
	p.awaitLog(t, "the full card, told and counted", func(l *logger.LogStatus) bool {
		return l.Card.State == can.CardFull.String() && l.Lost.Write > 100
	})
	must(t, os.Remove(foreign))
	p.awaitLog(t, "recording again", func(l *logger.LogStatus) bool { return l.State == "recording" && l.Card.State == can.CardOK.String() })
	p.settle(t)
}

func TestGuestRingGivesWay(t *testing.T) {
	roadFolder(t)
	mountCard(t, "/dev/ubda")
	p := newPatient(t, "split_size: 1MB")
	p.drive(t)
	for range 4 {
		p.awaitLog(t, "frames in the open segment", func(l *logger.LogStatus) bool { return l.OpenBytes > 50_000 })
		p.rotate(t)
	}
	foreign := fillCard(t)
	p.awaitLog(t, "forced deletions", func(l *logger.LogStatus) bool { return l.Lost.Deleted > 100 })
	must(t, os.Remove(foreign))
	p.awaitLog(t, "recording", func(l *logger.LogStatus) bool { return l.State == "recording" && l.Card.State == can.CardOK.String() })
	p.settle(t)
}

func TestGuestCardIsReadOnly(t *testing.T) {
	roadFolder(t)
	mountCard(t, "/dev/ubda")
	p := newPatient(t, "split_size: 1MB")
	p.drive(t)
	p.awaitLog(t, "frames", func(l *logger.LogStatus) bool { return l.Frames > 500 })
	p.halt() // a file that is open for writing hinders the remount
	client, err := appliance.Dial(faultState)
	must(t, err)
	_, err = client.Rotate(t.Context(), true)
	must(t, err)
	busy(t, func() error { return unix.Mount("", "/data", "", unix.MS_REMOUNT|unix.MS_RDONLY, "") })
	p.drive(t)
	p.awaitLog(t, "the read-only card, told and counted", func(l *logger.LogStatus) bool {
		return l.Card.State == can.CardReadOnly.String() && l.Lost.Write > 100
	})
	must(t, unix.Mount("", "/data", "", unix.MS_REMOUNT, ""))
	p.awaitLog(t, "recording again", func(l *logger.LogStatus) bool { return l.State == "recording" })
	p.settle(t)
}

// A disk that answers nothing for a second costs no frame, at half the rate that
// the guest's generator reaches.
func TestGuestStorageStalls(t *testing.T) {
	roadFolder(t)
	disk := mapDisk(t)
	mountCard(t, disk.path)
	p := newPatient(t, "split_size: 1MB")
	top := measure(p.fd)
	p.sent = top.frames
	fmt.Printf("TOP %.0f frames/s\n", top.rate)
	began := time.Now()
	pace(p, top.rate/2, time.Second)
	dmsetup(t, "suspend", "--noflush", "--nolockfs", "card")
	pace(p, top.rate/2, time.Second)
	dmsetup(t, "resume", "--noudevsync", "card")
	pace(p, top.rate/2, time.Second)
	fmt.Printf("PACED %d frames in %v\n", p.sent-top.frames, time.Since(began).Round(time.Millisecond))
	p.drive(t)
	p.awaitLog(t, "frames without a loss", func(l *logger.LogStatus) bool { return l.Frames > uint64(top.frames) && l.Lost.Sum() == 0 })
	p.settle(t)
	if found, err := walkCard(filepath.Join(guestCard, "LOG", roadDevice)); err == nil {
		for n, w := range found {
			if w.counted > 0 {
				t.Errorf("segment %v: %d frames lost", n, w.counted)
			}
		}
	}
}

type top struct {
	frames int
	rate   float64 // frames/s
}

// measure sends as fast as the generator can, for half a second.
func measure(fd int) (m top) {
	began := time.Now()
	for time.Since(began) < 500*time.Millisecond {
		for range 50 {
			if sendNumber(fd, uint32(m.frames)) == nil {
				m.frames++
			}
		}
	}
	m.rate = float64(m.frames) / time.Since(began).Seconds()
	return m
}

// pace sends at a rate for a while.
func pace(p *patient, rate float64, d time.Duration) {
	began := time.Now()
	for from := p.sent; time.Since(began) < d; time.Sleep(10 * time.Millisecond) {
		for due := from + int(rate*time.Since(began).Seconds()); p.sent < due; {
			if sendNumber(p.fd, uint32(p.sent)) == nil {
				p.sent++
			}
		}
	}
}
