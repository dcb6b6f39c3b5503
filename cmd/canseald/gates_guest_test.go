//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"canseal/can"
	"canseal/logger"
)

// A list that leaves frames out, a prescaler, and a signal that the list does
// not let pass: what is in the log and what was left out is what was sent, and
// the frames before the trigger are there.
func TestGuestFiltersAndPauses(t *testing.T) {
	d := startOn(t, `  - interface: vcan0
    filter:
      - {match: "11:0x123", action: accept, every: {count: 10}}
    control:
      signal: {match: "11:0x3A0", start_bit: 0, length: 8}
      start_at: 1
      stop_at: 0
      pre_trigger: 60s
      pin: true
  - interface: late0
`)
	d.awaitUp(t, 0)
	fd, sent := openBus(t, "vcan0"), uint64(0)
	send := func(id uint32, data uint32) {
		var frame [16]byte // struct can_frame
		binary.NativeEndian.PutUint32(frame[:], id)
		frame[4] = 8
		binary.LittleEndian.PutUint32(frame[8:], data)
		_, err := unix.Write(fd, frame[:])
		must(t, err)
		sent++
	}
	await := func(what string, held uint64, recording string) {
		d.awaitBus(t, 0, what, func(b *logger.BusStatus) bool {
			return b.Recording == recording && b.Frames+b.LeftOut+held == sent && b.Lost.Sum() == 0
		})
	}
	drive := func(first, last uint32) {
		for n := first; n <= last; n++ {
			send(0x123, n)
			send(0x200, n)
		}
	}
	send(0x123, 0)
	await("a frame", 0, "recording")
	drive(1, 1000)
	await("an even account", 0, "recording")
	send(0x3A0, 0)
	drive(1001, 1500)
	await("a pause", 50, "paused")
	send(0x3A0, 1)
	await("the frames before the trigger", 0, "recording")
	l := d.close(t)
	for i, e := range l.frames[1] {
		if n := binary.LittleEndian.Uint32(e.Frame.Data[:]); e.Frame.ID != 0x123 || n != uint32(10*i) {
			t.Fatalf("frame %d is %X with number %d, wanted 123 with %d", i, e.Frame.ID, n, 10*i)
		}
	}
	if n := len(l.frames[1]); n != 151 || len(l.gaps[1]) != 0 {
		t.Errorf("%d frames recorded, gaps %+v; wanted 151 and none", n, l.gaps[1])
	}
	if !holds(l.states[1], can.PausedByControl, can.ResumedByControl, can.MarkByTrigger) {
		t.Errorf("states %v", l.states[1])
	}
	told(t, d, "resumed by control", `"id":"3A0"`, "pinned by trigger")
	if pins, err := filepath.Glob(filepath.Join(d.card, "LOG", roadDevice, "*", "*.keep")); err != nil || len(pins) != 1 {
		t.Errorf("pins %v, %v; wanted one", pins, err)
	}
	fmt.Printf("GATES %d sent = %d recorded + %d left out\n", sent, len(l.frames[1]), sent-151)
}
