//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/logger"
)

// These tests are the guest's part of the tests of power cuts. The card is a
// disk of the guest, mounted at /data; what must outlive the guest for another
// reason than canseald's care (the promises, the store) is in a folder of the host.

const guestCard = "/data/card"

// TestGuestDriveUntilTheCut is one life of the box: what the cut before it left
// is held to the promises, canseald starts again, repairs, uploads and records,
// and segments are sealed twice a second until the power goes.
func TestGuestDriveUntilTheCut(t *testing.T) {
	dir := roadFolder(t)
	holdPromises(t, dir)
	keepSurvivors(t, dir)
	guestStore(t, dir, guestCard)
	fmt.Println("STARTING")
	d := startPromising(t)
	d.awaitRecording(t)
	holdPromises(t, dir) // and nothing was lost in the repair
	fmt.Println("DRIVING")
	go number(t.Context(), openBus(t, "vcan0"), 0)
	for {
		time.Sleep(500 * time.Millisecond)
		d.rotate(t)
	}
}

// TestGuestAfterTheLastCut is the life after: everything is repaired, sealed,
// in the store as it is on the card, and verified by canseal.
func TestGuestAfterTheLastCut(t *testing.T) {
	dir := roadFolder(t)
	holdPromises(t, dir)
	keepSurvivors(t, dir)
	store := guestStore(t, dir, guestCard)
	d := startPromising(t)
	d.awaitRecording(t)
	d.await(t, "nothing left to send", func(f *appliance.Facts) bool { return f.Upload.Queue.Segments == 0 && f.Upload.Sent.Segments > 0 })
	d.stop(t)
	holdPromises(t, dir)
	if out, err := exec.Command("/canseal", "verify", guestCard).CombinedOutput(); err != nil {
		t.Errorf("canseal verify: %v\n%s", err, out)
	}
	compareStore(t, filepath.Join(dir, "bucket", roadBucket, roadDevice), filepath.Join(guestCard, "LOG", roadDevice))
	store.Close()
}

// holdPromises reads the promises of all lives before from the host's folder.
func holdPromises(t *testing.T, dir string) {
	t.Helper()
	p := promises{}
	console, err := os.ReadFile(filepath.Join(dir, "promises"))
	must(t, err)
	p.note(string(console))
	if bad := p.broken(filepath.Join(guestCard, "LOG", roadDevice)); len(bad) > 0 {
		t.Fatalf("broken promises: %q", bad)
	}
	fmt.Printf("HELD %d segments, %d frames\n", len(p), p.frames())
}

// keepSurvivors copies what the cut left to the host, if somebody wants it there.
func keepSurvivors(t *testing.T, dir string) {
	t.Helper()
	lives, err := os.ReadDir(filepath.Join(dir, "survivors"))
	if err != nil {
		return
	}
	log := filepath.Join(guestCard, "LOG", roadDevice)
	if fileExists(log) {
		must(t, os.CopyFS(filepath.Join(dir, "survivors", fmt.Sprint(len(lives)+1)), os.DirFS(log)))
	}
}

// compareStore wants each segment of the card in the store once, byte by byte,
// and nothing else.
func compareStore(t *testing.T, bucket, log string) {
	t.Helper()
	objects, err := filepath.Glob(filepath.Join(bucket, "*", "*.MF4"))
	must(t, err)
	files, err := filepath.Glob(filepath.Join(log, "*", "*.MF4"))
	must(t, err)
	if len(objects) != len(files) || len(files) == 0 {
		t.Errorf("%d objects in the store, %d segments on the card", len(objects), len(files))
	}
	for _, object := range objects {
		session, name := filepath.Split(object)
		file := filepath.Join(log, filepath.Base(session), name[:8]+".MF4")
		sent, err := os.ReadFile(object)
		must(t, err)
		here, err := os.ReadFile(file)
		must(t, err)
		if !bytes.Equal(sent, here) {
			t.Errorf("%s in the store is not %s on the card", object, file)
		}
	}
}

// startPromising starts canseald, which prints its promises on the console.
func startPromising(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command("/canseald", "--root", guestCard), card: guestCard, state: filepath.Join(guestCard, "state"), ended: make(chan error, 1)}
	d.cmd.Env = append(os.Environ(), promisesVariable+"=1")
	d.cmd.Stdout, d.cmd.Stderr = os.Stdout, os.Stderr
	must(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	return d
}

func (d *daemon) awaitRecording(t *testing.T) {
	t.Helper()
	d.await(t, "recording", func(f *appliance.Facts) bool {
		return len(f.Buses) > 0 && f.Buses[0].Link == can.LinkUp.String() && f.Log.State == "recording"
	})
}

// openBus opens a socket to send on.
func openBus(t *testing.T, name string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_CAN, unix.SOCK_RAW, unix.CAN_RAW)
	must(t, err)
	link, err := net.InterfaceByName(name)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrCAN{Ifindex: link.Index}))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// number sends numbered frames from a number on, 20 each 10 ms, until ctx ends.
// It returns the next number.
func number(ctx context.Context, fd, sent int) int {
	for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		for range 20 {
			if sendNumber(fd, uint32(sent)) == nil {
				sent++
			}
		}
	}
	return sent
}

func sendNumber(fd int, n uint32) error {
	var frame [16]byte // struct can_frame
	binary.NativeEndian.PutUint32(frame[:], 0x123)
	frame[4] = 8
	binary.LittleEndian.PutUint32(frame[8:], n)
	_, err := unix.Write(fd, frame[:])
	return err
}

// TestGuestDriveWithoutSync records numbered frames onto a card whose sync does
// nothing, and promises them all the same.
func TestGuestDriveWithoutSync(t *testing.T) {
	roadFolder(t)
	must(t, os.MkdirAll(filepath.Join(guestCard, "state"), 0o755))
	source := &numbered{closed: make(chan struct{})}
	l, _, err := logger.Prepare(logger.Options{
		Card: forgetful{durable.Dir(guestCard)}, State: forgetful{durable.Dir(filepath.Join(guestCard, "state"))}, Device: roadDevice,
		Clock: clock.New(clock.Options{}), Source: source, Flush: 100 * time.Millisecond,
		Synced: promiseOn(os.Stdout),
	})
	must(t, err)
	fmt.Println("DRIVING")
	must(t, l.Run(t.Context()))
}

// TestGuestFindsBrokenPromises passes if the cut has broken a promise.
func TestGuestFindsBrokenPromises(t *testing.T) {
	p := promises{}
	console, err := os.ReadFile(filepath.Join(roadFolder(t), "promises"))
	must(t, err)
	p.note(string(console))
	bad := p.broken(filepath.Join(guestCard, "LOG", roadDevice))
	if len(bad) == 0 || p.frames() == 0 {
		t.Fatalf("%d frames were promised without a sync, and none is missing: this test would not notice", p.frames())
	}
	fmt.Println("BROKEN", bad[0])
}

// numbered is a bus with 2000 numbered frames a second.
type numbered struct {
	next   uint32
	closed chan struct{}
	once   sync.Once
}

func (s *numbered) Read(buf []can.Event) (int, error) {
	select {
	case <-s.closed:
		return 0, io.EOF
	case <-time.After(10 * time.Millisecond):
	}
	n := min(len(buf), 20)
	for i := range buf[:n] {
		buf[i] = can.Event{Time: time.Now().UnixNano(), Bus: 1, Frame: can.Frame{ID: 0x123, DLC: 8, Len: 8}}
		binary.LittleEndian.PutUint32(buf[i].Frame.Data[:], s.next)
		s.next++
	}
	return n, nil
}

func (s *numbered) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// forgetful is a folder whose sync does nothing.
type forgetful struct{ durable.FS }

func (f forgetful) SyncDir(string) error { return nil }

func (f forgetful) Create(name string, perm os.FileMode) (durable.File, error) {
	return lazy(f.FS.Create(name, perm))
}

func (f forgetful) Edit(name string) (durable.File, error) { return lazy(f.FS.Edit(name)) }

func (f forgetful) Append(name string, perm os.FileMode) (durable.File, error) {
	return lazy(f.FS.Append(name, perm))
}

type lazyFile struct{ durable.File }

func (lazyFile) Sync() error { return nil }

func lazy(f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	return lazyFile{f}, nil
}
