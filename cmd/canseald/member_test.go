//go:build linux

package main

import (
	"testing"

	"canseal/internal/vmtest"
)

// Two boxes with the role member are a group on a vcan.
func TestTwoMembersAreAGroup(t *testing.T) {
	vmtest.Require(t, "two canseald as members of a CANcrypt group on vcan")
	vmtest.Run(t, vmtest.Guest{
		Files:  guestPrograms(t),
		Memory: "320M",
		Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\nenv CANSEAL_ROAD /tmp\nrun /road.test -test.v -test.timeout 2m -test.run ^TestGuestMembers$\n",
	})
}
