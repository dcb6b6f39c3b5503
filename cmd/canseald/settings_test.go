//go:build linux

package main

import (
	"testing"

	"canseal/internal/vmtest"
)

// Settings over the air and from the card under load, with canseald itself and a
// store over https in the guest.
func TestSettingsChangeWhileFramesAreRecorded(t *testing.T) {
	vmtest.Require(t, "changes of settings under load")
	vmtest.Run(t, vmtest.Guest{
		Files: guestPrograms(t),
		Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\nup lo\n" +
			"env CANSEAL_ROAD /tmp\nrun /road.test -test.v -test.run ^TestGuest(SettingsChangeUnderLoad|RecordingIsPartOfTheProof)$\n",
	})
}
