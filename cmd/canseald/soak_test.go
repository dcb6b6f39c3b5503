//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	"canseal/internal/vmtest"
)

// TestSoakInTheGuest (make soak) lets a generator fill two vcan buses as fast as
// it can for CANSEAL_SOAK while canseald records them onto an ext4 disk with a
// ring: sent is recorded plus counted, on each bus.
func TestSoakInTheGuest(t *testing.T) {
	length, _ := time.ParseDuration(os.Getenv("CANSEAL_SOAK"))
	if length == 0 {
		t.Skip("NOT RUN: make soak")
	}
	vmtest.Require(t, "the soak of two vcan buses")
	b := newBox(t, "ext4", guestPrograms(t))
	g := b.guest("TestGuestSoak")
	g.Timeout, g.Memory = length+2*time.Minute, "256M" // two full receive queues take 64 MB of the kernel
	g.Script = vmtest.CAN + "add vcan0 vcan\nup vcan0\nadd vcan1 vcan\nup vcan1\n" + b.mount + "mount none /road hostfs " + b.dir +
		"\nenv CANSEAL_ROAD /road\nenv CANSEAL_SOAK " + length.String() + "\nrun /road.test -test.v -test.timeout 1h -test.run ^TestGuestSoak$\n"
	vmtest.Run(t, g)
}

// TestGuestSoak is the guest's part of TestSoakInTheGuest.
func TestGuestSoak(t *testing.T) {
	roadFolder(t)
	length, err := time.ParseDuration(os.Getenv("CANSEAL_SOAK"))
	must(t, err)
	write(t, filepath.Join(guestCard, "config.yaml"), []byte("version: 1\ndevice: {id: "+roadDevice+
		"}\nlog: {split_size: 4MB}\nbuses:\n  - interface: vcan0\n  - interface: vcan1\nupload:\n  mode: off\n"))
	d := &daemon{cmd: exec.Command("/canseald", "--root", guestCard, "--state", faultState), card: guestCard, state: faultState, ended: make(chan error, 1)}
	d.cmd.Stderr = os.Stderr
	must(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	d.await(t, "both buses up", func(f *appliance.Facts) bool {
		return len(f.Buses) == 2 && f.Buses[0].Link == can.LinkUp.String() && f.Buses[1].Link == can.LinkUp.String() && f.Log.State == "recording"
	})
	var sent [2]uint64
	buses := [2]int{openBus(t, "vcan0"), openBus(t, "vcan1")}
	began := time.Now()
	for n := uint32(0); time.Since(began) < length; n++ {
		for range 32 {
			if i := n % 2; sendNumber(buses[i], n) == nil {
				sent[i]++
			}
		}
	}
	took := time.Since(began)
	var last appliance.Facts
	d.await(t, "an even account", func(f *appliance.Facts) bool {
		last = *f
		return account(f, 0) == sent[0] && account(f, 1) == sent[1]
	})
	d.stop(t)
	fmt.Printf("SOAK guest: %v, 2 vcan, %.0f frames/s sent\n", length, float64(sent[0]+sent[1])/took.Seconds())
	for i, bus := range last.Buses {
		lost, err := json.Marshal(bus.Lost)
		must(t, err)
		fmt.Printf("SOAK %s: sent %d, recorded %d, lost %d %s, receive buffer %d bytes\n", bus.Interface, sent[i], bus.Frames, account(&last, i)-bus.Frames, lost, bus.ReceiveBuffer)
	}
	fmt.Printf("SOAK RSS %.1f MB, processor %.1f %%, segments %d, wear %+v\n", float64(last.System.RSSBytes)/1e6,
		float64(last.System.CPUMS)/10/took.Seconds(), last.Log.Split, last.System.Wear)
}

// account is what came in on a bus: recorded or lost before the card.
func account(f *appliance.Facts, bus int) uint64 {
	b := f.Buses[bus]
	return b.Frames + b.Lost.Sum() - b.Lost.Deleted
}
