//go:build linux

package main

import (
	"testing"

	"canseal/internal/vmtest"
)

// A bus behind a probe, in the guest: canseal probe reads a vcan and carries its
// frames over UDP, and over two serial lines, to a canseald that has no other
// bus. Both are killed on the way. Each frame is on the card once, or a gap
// says where it is missing.
func TestABusBehindAProbe(t *testing.T) {
	vmtest.Require(t, "a bus behind canseal probe")
	vmtest.Run(t, vmtest.Guest{
		Files: guestPrograms(t),
		Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\nmkdir /ram\nmount none /ram tmpfs\nenv TMPDIR /ram\n" +
			"env CANSEAL_ROAD /tmp\nrun /road.test -test.v -test.run ^TestGuestProbe\n",
		Timeout: vmtest.DefaultTimeout,
	})
}
