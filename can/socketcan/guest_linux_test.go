package socketcan

import (
	"os"
	"strings"
	"testing"

	"canseal/internal/vmtest"
)

// TestGuestRunsTheRealBusTests runs the tests of real_linux_test.go in a virtual
// machine, with can-utils of the host where it has them.
func TestGuestRunsTheRealBusTests(t *testing.T) {
	if os.Getenv("CANTEST_IF") != "" {
		t.Skip("this is the guest, or a machine with a CAN interface of its own")
	}
	vmtest.Require(t, "26 tests of can/socketcan on a real SocketCAN (or set CANTEST_IF)")
	out := vmtest.Run(t, vmtest.Guest{
		Tests:  map[string]string{"/can.test": "canseal/can/socketcan"},
		Host:   installed("cangen", "canplayer", "candump"),
		Memory: "256M",
		Script: vmtest.CAN + `
			add vcan0 vcan
			up vcan0
			env CANTEST_IF vcan0
			env CANTEST_LINK /vminit
			env CANSEAL_REQUIRE ` + os.Getenv("CANSEAL_REQUIRE") + `
			run /can.test -test.v -test.run ^TestReal -test.timeout 80s`,
	})
	if !strings.Contains(out, "--- PASS: TestReal") || strings.Contains(out, "no tests to run") {
		t.Fatal("the guest ran no tests")
	}
}

// installed returns those programs that the machine has.
func installed(names ...string) (list []string) {
	for _, n := range names {
		if vmtest.Installed(n) {
			list = append(list, n)
		}
	}
	return list
}
