//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	brutella "github.com/brutella/can"
	"golang.org/x/sys/unix"

	"canseal/cmd/internal/appliance"
	"canseal/internal/vmtest"
)

// TestGuestBench (make guest-bench) counts the instructions that each frame of a
// bus at 8000 frames/s costs canseald, candump -l, and a loop of brutella/can that
// writes a log: the processor time of the process, kernel and user, where a
// nanosecond is an instruction. What the sender's side of vcan costs is not in it.
// The count repeats within 1 %, so the capture path has a limit here.
func TestGuestBench(t *testing.T) {
	if vmtest.CountedKernel() == "" {
		t.Skip("NOT RUN: make guest-bench")
	}
	programs := guestPrograms(t)
	out := vmtest.Counted(t, vmtest.Guest{
		Files: programs, Host: []string{"candump"},
		Script: "mod can\nmod can-raw\nmod can-dev\nmod vcan\nadd vcan0 vcan\nup vcan0\nenv CANSEAL_ROAD /tmp\nrun /road.test -test.v -test.run ^TestGuestCountInstructions$\n",
	})
	m := regexp.MustCompile(`BENCH canseald +(\d+) instructions a frame, its capture thread (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal("no figures")
	}
	if n := atoi(m[2]); n > captureLimit {
		t.Errorf("%d instructions a frame in the capture thread, at most %d are wanted", n, captureLimit)
	}
}

const (
	benchRate   = 8000 // frames/s
	benchWarm   = 4000 // frames
	benchFrames = 12000
	// captureLimit is in instructions a frame; a loop that wakes up for each frame
	// takes ten times that.
	captureLimit = 3500
)

// TestGuestCountInstructions is the guest's part of TestGuestBench.
func TestGuestCountInstructions(t *testing.T) {
	roadFolder(t)
	write(t, filepath.Join("/tmp/card", "config.yaml"), []byte("version: 1\ndevice: {id: "+roadDevice+"}\nbuses:\n  - interface: vcan0\nupload:\n  mode: off\n"))
	fd := openBus(t, "vcan0")
	d := &daemon{cmd: exec.Command("/canseald", "--root", "/tmp/card", "--state", faultState), card: "/tmp/card", state: faultState, ended: make(chan error, 1)}
	d.cmd.Stderr = os.Stderr
	must(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	d.awaitRecording(t)
	instructions(t, "canseald", d.cmd.Process.Pid, fd)
	d.await(t, "all frames", func(f *appliance.Facts) bool {
		return f.Log.Frames == benchWarm+benchFrames && f.Log.Lost.Sum() == 0
	})
	d.stop(t)
	for name, words := range map[string][]string{
		"candump -l":    {"/bin/candump", "-l", "vcan0"},
		"brutella loop": {"/road.test", "-test.run", "^TestGuestBrutellaLoop$"},
	} {
		c := exec.Command(words[0], words[1:]...)
		c.Dir, c.Env = "/tmp", append(os.Environ(), "CANSEAL_BRUTELLA=1")
		must(t, c.Start())
		time.Sleep(2 * time.Second) // it says nothing when it listens
		instructions(t, name, c.Process.Pid, fd)
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

// instructions prints the instructions for each frame, behind a warm-up.
func instructions(t *testing.T, name string, pid, fd int) {
	t.Helper()
	steady(t, fd, benchWarm)
	before, captureBefore := processorTime(t, pid)
	steady(t, fd, benchFrames)
	all, capture := processorTime(t, pid)
	fmt.Printf("BENCH %-14s %6d instructions a frame", name, (all-before)/benchFrames)
	if capture > captureBefore {
		fmt.Printf(", its capture thread %d", (capture-captureBefore)/benchFrames)
	}
	fmt.Println()
}

// steady sends frames one by one at even distances.
func steady(t *testing.T, fd, frames int) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var next unix.Timespec
	must(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &next))
	for n := range frames {
		must(t, sendNumber(fd, uint32(n)))
		next = unix.NsecToTimespec(next.Nano() + int64(time.Second/benchRate))
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &next, nil) == unix.EINTR {
		}
	}
}

// processorTime is what all threads of a process have run, in ns: the first field
// of their schedstat. The thread that waits in ppoll, system call 271, is the
// one that captures.
func processorTime(t *testing.T, pid int) (all, capture int64) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	must(t, err)
	for _, file := range files {
		var n int64
		if text, err := os.ReadFile(file); err == nil {
			if _, err := fmt.Sscan(string(text), &n); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		if call, err := os.ReadFile(filepath.Join(filepath.Dir(file), "syscall")); err == nil && strings.HasPrefix(string(call), "271 ") {
			capture = n
		}
		all += n
	}
	return all, capture
}

// TestGuestBrutellaLoop logs as a program does that uses brutella/can by itself.
func TestGuestBrutellaLoop(t *testing.T) {
	if os.Getenv("CANSEAL_BRUTELLA") == "" {
		t.Skip("runs in TestGuestCountInstructions")
	}
	f, err := os.Create("/tmp/brutella.log")
	must(t, err)
	log := bufio.NewWriter(f)
	bus, err := brutella.NewBusForInterfaceWithName("vcan0")
	must(t, err)
	bus.SubscribeFunc(func(frame brutella.Frame) {
		now := time.Now()
		fmt.Fprintf(log, "(%d.%06d) vcan0 %03X#%X\n", now.Unix(), now.Nanosecond()/1000, frame.ID, frame.Data[:min(frame.Length, 8)])
	})
	if err := bus.ConnectAndPublish(); err != nil && err != syscall.EINTR {
		t.Fatal(err)
	}
}
