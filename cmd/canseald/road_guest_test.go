//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"canseal/can"
	"canseal/certs"
	"canseal/cmd/internal/appliance"
	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/segment"
)

// These tests are the guest's part of TestEveryFrameReachesExactlyOneStoreOnce.

// roadFolder is where the host's folder is in the guest; the tests of this file
// are of no use elsewhere.
func roadFolder(t *testing.T) string {
	dir := os.Getenv("CANSEAL_ROAD")
	if dir == "" {
		t.Skip("runs in the guest of TestEveryFrameReachesExactlyOneStoreOnce")
	}
	return dir
}

func TestGuestDriveWithAStoreAndAKill(t *testing.T) {
	dir := roadFolder(t)
	card := filepath.Join(dir, "card")
	store := guestStore(t, dir, card)

	d := startDaemon(t, "/canseald", card)
	d.record(t, dir, "first", drive)
	d.rotate(t)
	d.await(t, "the first segment in the store", func(f *appliance.Facts) bool { return f.Upload.Sent.Segments == 1 })
	store.Close()

	d.record(t, dir, "second", 2*drive)
	d.awaitFlushed(t, drive)
	d.kill(t)

	d = startDaemon(t, "/canseald", card)
	d.record(t, dir, "third", drive)
	d.stop(t)
}

func TestGuestDriveWithoutAStore(t *testing.T) {
	dir := roadFolder(t)
	d := startDaemon(t, "/canseald", filepath.Join(dir, "card"))
	d.record(t, dir, "fourth", drive)
	d.stop(t)
}

// guestStore starts a store over https inside the guest, and prepares the
// card for it.
func guestStore(t *testing.T, dir, card string) *s3test.Server {
	t.Helper()
	authority, err := certs.NewAuthority("guest", time.Now(), time.Hour)
	must(t, err)
	c, err := authority.Issue(time.Now(), time.Hour, "127.0.0.1")
	must(t, err)
	store, err := s3test.New(s3test.Options{
		Keys: map[string]string{"guestkey": "guestsecret"}, Buckets: []string{roadBucket}, Dir: filepath.Join(dir, "bucket"),
		TLS: &tls.Config{Certificates: []tls.Certificate{c}},
	})
	must(t, err)
	t.Cleanup(func() { store.Close() })
	bundle, err := certs.EncodeBundle([]*x509.Certificate{authority.Certificate})
	must(t, err)
	write(t, filepath.Join(card, "certs_server.p7b"), bundle)
	writeConfig(t, card, store.URL, "medium", "guestkey", "guestsecret")
	return store
}

// record lets canplayer play a log and waits until this run of the daemon has
// recorded so many frames.
func (d *daemon) record(t *testing.T, dir, name string, frames uint64) {
	t.Helper()
	d.await(t, "vcan0 up", func(f *appliance.Facts) bool {
		return len(f.Buses) == 1 && f.Buses[0].Link == can.LinkUp.String() && f.Log.State == "recording"
	})
	out, err := exec.Command("/bin/canplayer", "-t", "-I", filepath.Join(dir, name+".log"), "vcan0=can0").CombinedOutput()
	if err != nil {
		t.Fatalf("canplayer: %v\n%s", err, out)
	}
	d.await(t, name+" recorded", func(f *appliance.Facts) bool { return f.Log.Frames == frames && f.Log.Lost.Sum() == f.Log.Lost.Cut })
}

func (d *daemon) rotate(t *testing.T) {
	t.Helper()
	client, err := appliance.Dial(d.state)
	must(t, err)
	_, err = client.Rotate(t.Context(), false)
	must(t, err)
}

// awaitFlushed waits until the open segment on the card holds so many frames:
// only these survive a kill.
func (d *daemon) awaitFlushed(t *testing.T, frames int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		parts, err := filepath.Glob(filepath.Join(d.card, "LOG", roadDevice, "*", "*.part"))
		must(t, err)
		if len(parts) == 1 && len(framesOf(t, parts[0])) == frames {
			return
		}
	}
	t.Fatal("the open segment was not flushed")
}

// A box that wakes up in 1970 records from the first frame under a time that
// does not go back; when the clock is set, the next segment is right.
func TestGuestClockIn1970(t *testing.T) {
	dir := roadFolder(t)
	card := filepath.Join(dir, "card")
	write(t, filepath.Join(card, "config.yaml"), []byte("version: 1\ndevice: {id: A1B2C3D4}\nlog: {flush: 100ms}\nbuses:\n  - interface: vcan0\nupload:\n  mode: off\n"))
	setClock(t, time.Unix(3600, 0))
	d := startDaemon(t, "/canseald", card)
	d.record(t, dir, "first", drive)
	d.await(t, "a time below the floor, said", func(f *appliance.Facts) bool { return f.TimeState == "below_floor" })
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	setClock(t, now)
	d.await(t, "the step noticed", func(f *appliance.Facts) bool { return f.Clock.Steps >= 1 && f.Log.Split == 2 })
	d.record(t, dir, "second", 2*drive)
	d.stop(t)

	starts := startsOf(t, card)
	floor := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	if len(starts) != 2 || starts[0].Before(floor) || starts[0].After(floor.Add(time.Hour)) || starts[1].Before(now) || starts[1].After(now.Add(time.Hour)) {
		t.Errorf("segments start at %v; wanted one at the floor %v and one at %v", starts, floor, now)
	}
}

func setClock(t *testing.T, to time.Time) {
	t.Helper()
	tv := syscall.NsecToTimeval(to.UnixNano())
	must(t, syscall.Settimeofday(&tv))
}

// startsOf lists the HD starts on a card as its seal lines have them.
func startsOf(t *testing.T, root string) (starts []time.Time) {
	t.Helper()
	card := segment.Card{FS: durable.Dir(root), Device: roadDevice}
	seals, err := card.ReadSeals(1)
	must(t, err)
	for _, line := range seals.Lines {
		starts = append(starts, line.Start)
	}
	return starts
}
