package node

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canseal/can"
	"canseal/can/socketcan"
	"canseal/cancrypt"
	"canseal/internal/vmtest"
)

const patience = 20 * time.Second

// TestGuestRunsNodesOnARealBus runs the tests TestReal* in a virtual machine.
func TestGuestRunsNodesOnARealBus(t *testing.T) {
	if os.Getenv("CANTEST_IF") != "" {
		t.Skip("this is the guest, or a machine with a CAN interface of its own")
	}
	vmtest.Require(t, "members of a group on a real SocketCAN (or set CANTEST_IF)")
	out := vmtest.Run(t, vmtest.Guest{
		Tests:  map[string]string{"/node.test": "canseal/cancrypt/node"},
		Memory: "256M",
		Script: vmtest.CAN + `
			add vcan0 vcan
			up vcan0
			env CANTEST_IF vcan0
			run /node.test -test.v -test.run ^TestReal -test.timeout 60s`,
	})
	if !strings.Contains(out, "--- PASS: TestReal") {
		t.Fatal("the guest ran no tests")
	}
}

func realOptions(t *testing.T, name string, address uint8) Options {
	o := options(t, nil, address)
	o.Member.Event, o.Member.Inhibit = 5e8, 125e6
	ids := []socketcan.ID{{Number: 0x181}}
	for a := range uint32(16) {
		ids = append(ids, socketcan.ID{Number: 0x170 + a})
	}
	o.Open = func() (Port, error) {
		return socketcan.OpenParticipant(socketcan.PortOptions{Interface: name, Bus: 1, Receive: ids})
	}
	return o
}

// await waits until a condition holds.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s", what)
		}
	}
}

func grouped(nodes ...*running) func() bool {
	return func() bool {
		for _, n := range nodes {
			if s := n.Status(); s.State != "grouped" || len(s.Lost) > 0 {
				return false
			}
		}
		return true
	}
}

func TestRealNodesFormAGroup(t *testing.T) {
	name := os.Getenv("CANTEST_IF")
	if name == "" {
		t.Skip("NOT RUN here: CANTEST_IF names no CAN interface; TestGuestRunsNodesOnARealBus runs it in a virtual machine")
	}
	var silent atomic.Bool
	o := realOptions(t, name, 1)
	o.State = func(_ time.Time, s cancrypt.State) { silent.Store(s == cancrypt.StateSilent || silent.Load()) }
	nodes := []*running{start(t, o), start(t, realOptions(t, name, 2)), start(t, realOptions(t, name, 3))}
	await(t, "grouped", grouped(nodes...))
	// On a machine that is too busy some come later than 10 ms: not delivered.
	const messages = 200
	delivered := func() int { return min(len(nodes[1].got()), len(nodes[2].got())) }
	sent := 0
	for deadline := time.Now().Add(patience); delivered() < messages; {
		err := nodes[0].Send(t.Context(), message)
		if err == nil {
			sent++
		}
		if err != nil && !errors.Is(err, cancrypt.ErrNotGrouped) || time.Now().After(deadline) {
			t.Fatalf("%d messages delivered of %d: %v", delivered(), sent, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	for _, d := range nodes[1].got() {
		if d.Verdict != can.Authentic || d.Frame != message {
			t.Fatalf("delivered %+v", d)
		}
	}
	attacker, err := socketcan.OpenPort(socketcan.PortOptions{Interface: name, Bus: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer attacker.Close()
	forged := message
	forged.Data[0] ^= 1
	if err := attacker.Send(forged); err != nil {
		t.Fatal(err)
	}
	await(t, "silent after an injection", silent.Load)
	await(t, "grouped again", grouped(nodes...))
	for _, d := range nodes[1].got() {
		if d.Frame != message {
			t.Errorf("delivered %+v", d)
		}
	}
	end(t, nodes...)
}
