package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/internal/vmtest"
)

// TestGuestPlaysTheText runs TestRealCanplayer in a virtual machine with two
// virtual buses and the can-utils of this machine.
func TestGuestPlaysTheText(t *testing.T) {
	if os.Getenv("CANTEST_IF") != "" {
		t.Skip("this is the guest")
	}
	vmtest.Require(t, "what canplayer makes of the text of candecode, on a real SocketCAN")
	for _, name := range []string{"canplayer", "candump"} {
		if _, err := exec.LookPath(name); err != nil {
			absent(t, "peers", "can-utils", err)
		}
	}
	out := vmtest.Run(t, vmtest.Guest{
		Tests:  map[string]string{"/candecode.test": "canseal/cmd/candecode"},
		Host:   []string{"canplayer", "candump"},
		Memory: "256M",
		Script: vmtest.CAN + `
			add vcan0 vcan
			up vcan0
			add vcan1 vcan
			up vcan1
			env CANTEST_IF vcan0
			run /candecode.test -test.v -test.run ^TestRealCanplayer$ -test.timeout 60s`,
	})
	if !strings.Contains(out, "--- PASS: TestRealCanplayer") {
		t.Fatal("the guest ran no test")
	}
}

// played are frames that a virtual bus carries.
const played = `(1735270496.916858) can0 110#00112233
(1735270496.917000) can1 18FEF1FE#0011223344556677
(1735270496.917001) can0 123#R
(1735270496.917002) can0 123#
(1735270496.917003) can0 123##51122334455667788
(1735270496.917004) can1 1FFFFFFF##5112233445566778899AABBCC
(1735270496.918007) can1 7FF#11
`

func TestRealCanplayer(t *testing.T) {
	if os.Getenv("CANTEST_IF") == "" {
		t.Skip("TestGuestPlaysTheText runs it")
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "a.log")
	write(t, log, []byte(played))
	candecode(t, "-q", "--format", "candump", "-o", filepath.Join(dir, "out.log"), log)
	dump := exec.Command("candump", "-L", "-n", "7", "vcan0", "vcan1")
	var heard strings.Builder
	dump.Stdout = &heard
	if err := dump.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list, err := os.ReadFile("/proc/net/can/rcvlist_all")
		if err == nil && strings.Contains(string(list), "vcan0 ") && strings.Contains(string(list), "vcan1 ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("candump does not listen: %v\n%s", err, list)
		}
	}
	if out, err := exec.Command("canplayer", "-t", "-I", filepath.Join(dir, "out.log"), "vcan0=can0", "vcan1=can1").CombinedOutput(); err != nil {
		t.Fatalf("canplayer: %v\n%s", err, out)
	}
	if err := dump.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, bus := range []string{"can0", "can1"} { // candump listens to one after the other
		if got, want := untimed(heard.String(), bus), untimed(played, bus); got != want || want == "" {
			t.Errorf("candump heard\n%swanted\n%s", got, want)
		}
	}
}

// untimed is what a log has of a bus, without times, and without the v of
// virtual buses.
func untimed(log, bus string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		_, rest, _ := strings.Cut(line, ") ")
		if rest = strings.TrimPrefix(rest, "v"); strings.HasPrefix(rest, bus) {
			b.WriteString(rest)
		}
	}
	return b.String()
}
