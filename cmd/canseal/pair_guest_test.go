//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/cmd/internal/appliance"
	"canseal/internal/vmtest"
)

// In a guest with a real SocketCAN a configurator and a device, two processes,
// pair on a vcan; the device saves keys, and gives none away.
func TestTwoProcessesPairOnAVcan(t *testing.T) {
	vmtest.Require(t, "canseal pair between two processes on a vcan")
	vmtest.Run(t, vmtest.Guest{
		Tests:    map[string]string{"/pair.test": "canseal/cmd/canseal"},
		Programs: map[string]string{"/canseal": "canseal/cmd/canseal"},
		Script: vmtest.CAN + `add vcan0 vcan
			up vcan0
			env CANSEAL_PAIR vcan0
			env CANSEAL_SOAK ` + os.Getenv("CANSEAL_SOAK") + `
			run /pair.test -test.v -test.run ^TestGuestPairing$`,
		Timeout: 2 * time.Minute,
	})
}

// guestPair is the two processes in the guest.
type guestPair struct {
	t            *testing.T
	iface        string
	ours, theirs string // state folders of configurator and device
	said         bytes.Buffer
}

func TestGuestPairing(t *testing.T) {
	iface := os.Getenv("CANSEAL_PAIR")
	if iface == "" {
		t.Skip("runs in the guest of TestTwoProcessesPairOnAVcan")
	}
	g := &guestPair{t: t, iface: iface, ours: t.TempDir(), theirs: t.TempDir()}
	stop := g.accept("--open", "--period", "2s")
	g.pair("--save", "4", "--no-verify", "--json", "--period", "2s")
	g.pair("--on", "4", "--period", "2s")
	g.sameKeys(4)
	g.noKeyWasSaid()
	g.refused("not allowed", "--on", "4", "--erase", "5", "--period", "2s") // above its level
	stop()

	stop = g.accept()        // not opened
	g.refused("not allowed") // without a key
	if os.Getenv("CANSEAL_SOAK") != "" {
		g.pair("--on", "4", "--save", "1", "--hold", "2500ms")
		g.sameKeys(4, 1)
		g.pair("--on", "4", "--erase", "1")
	}
	g.sameKeys(4)
	g.pair("--on", "4", "--erase", "4", "--hold", "1500ms")
	g.sameKeys()
	stop()
	if os.Getenv("CANSEAL_SOAK") != "" {
		g.direct()
		stop = g.accept("--open")
		if out, err := g.run("--group", "3"); err != nil {
			t.Errorf("group: %v\n%s", err, out)
		}
		stop()
	}
}

// accept runs the device until stop is called.
func (g *guestPair) accept(args ...string) (stop func()) {
	g.t.Helper()
	cmd := exec.Command("/canseal", append([]string{"pair", "--accept", "--interface", g.iface, "--device", "3", "--state", g.theirs}, args...)...)
	out, err := cmd.StdoutPipe()
	check(g.t, err)
	cmd.Stderr = &g.said
	check(g.t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.Contains(lines.Text(), "waits to be paired") {
		g.t.Fatalf("the device says %q", lines.Text())
	}
	rest := make(chan string)
	go func() {
		var all strings.Builder
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
		}
		rest <- all.String()
	}()
	return func() {
		g.t.Helper()
		check(g.t, cmd.Process.Signal(os.Interrupt))
		g.said.WriteString(<-rest)
		if err := cmd.Wait(); err != nil {
			g.t.Errorf("the device ended with %v: %s", err, g.said.String())
		}
	}
}

// try runs the configurator and returns what it said.
func (g *guestPair) try(args ...string) (string, error) {
	return g.run(append([]string{"--device", "3"}, args...)...)
}

// run runs canseal pair on the configurator's side.
func (g *guestPair) run(args ...string) (string, error) {
	cmd := exec.Command("/canseal", append([]string{"pair", "--interface", g.iface, "--state", g.ours}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	g.said.Write(out.Bytes())
	g.said.Write(errs.Bytes())
	if err != nil {
		err = &said{errs.String()}
	}
	return out.String(), err
}

// said is what a program wrote before it failed.
type said struct{ text string }

func (s *said) Error() string { return s.text }

// pair wants a pairing to succeed.
func (g *guestPair) pair(args ...string) {
	g.t.Helper()
	begun := time.Now()
	out, err := g.patiently(args...)
	if err != nil {
		g.t.Fatalf("pair %v: %v\n%s", args, err, out)
	}
	g.t.Logf("pair %v: %.2f s\n%s", args, time.Since(begun).Seconds(), out)
}

// refused wants it to fail for a reason.
func (g *guestPair) refused(why string, args ...string) {
	g.t.Helper()
	if out, err := g.patiently(args...); err == nil || !strings.Contains(err.Error(), why) {
		g.t.Errorf("pair %v: %v, want %q\n%s", args, err, why, out)
	}
}

// patiently tries again where a process was late by more than the profile's
// times, as happens on a machine that is busy with other things.
func (g *guestPair) patiently(args ...string) (out string, err error) {
	for range 8 {
		out, err = g.try(args...)
		if err == nil || strings.Contains(out, ": saved") {
			return out, err
		}
		late := false
		for _, r := range []cancrypt.AbortReason{cancrypt.AbortTimeout, cancrypt.AbortManipulation, cancrypt.AbortBusy} {
			late = late || strings.Contains(err.Error(), r.String())
		}
		if !late {
			return out, err
		}
		g.t.Logf("pair %v: %v", args, err)
	}
	return out, err
}

// sameKeys wants these slots, and no others, on both sides, with equal keys.
func (g *guestPair) sameKeys(slots ...uint8) {
	g.t.Helper()
	for _, id := range slots {
		a, err := appliance.Keys(g.ours).Key(node.Holder{Bus: g.iface, Device: 3}, id)
		check(g.t, err)
		b, err := appliance.Keys(g.theirs).Key(node.Holder{Bus: g.iface}, id)
		check(g.t, err)
		if a != b {
			g.t.Errorf("slot %d: two different keys", id)
		}
	}
	for _, dir := range []string{g.ours, g.theirs} {
		if entries, err := appliance.Keys(dir).Entries(); err != nil || len(entries) != len(slots) {
			g.t.Errorf("%d keys, wanted %d: %v", len(entries), len(slots), err)
		}
	}
}

// direct measures the other way to make bits, on a new pair of boxes.
func (g *guestPair) direct() {
	other := &guestPair{t: g.t, iface: g.iface, ours: g.t.TempDir(), theirs: g.t.TempDir()}
	stop := other.accept("--open", "--direct")
	other.pair("--direct", "--save", "6", "--no-verify", "--json")
	other.sameKeys(6)
	stop()
}

// noKeyWasSaid holds all output against all keys.
func (g *guestPair) noKeyWasSaid() {
	for _, dir := range []string{g.ours, g.theirs} {
		text, err := os.ReadFile(filepath.Join(dir, "keys"))
		check(g.t, err)
		var f struct{ Keys []struct{ Key string } }
		check(g.t, json.Unmarshal(text, &f))
		for _, k := range f.Keys {
			if len(k.Key) != 32 || strings.Contains(strings.ToLower(g.said.String()), k.Key) {
				g.t.Errorf("a key of %d digits stands in the output", len(k.Key))
			}
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
