//go:build linux

package main

import (
	"testing"

	"canseal/internal/vmtest"
)

// Links and losses, with canseald itself in the guest: what a socket queue
// lost is counted to the frame on a bus that has gone quiet; a serial adapter
// is set up, doubted, believed, driven off the bus and pulled out while the
// other buses go on; a list of frames is sent. In each the log on the card is
// read back.
func TestCansealdOnLinksThatComeAndGo(t *testing.T) {
	vmtest.Require(t, "losses, links and transmit lists of canseald")
	programs := guestPrograms(t)
	for name, c := range map[string]struct{ test, links string }{
		"a socket queue that is too small": {"TestGuestCountsWhatTheSocketLost", ""},
		"links that come and go":           {"TestGuestLinksComeAndGo", ""},
		"filters and a signal":             {"TestGuestFiltersAndPauses", ""},
		"a transmit list":                  {"TestGuestSendsItsList", "add ask0 vxcan answer0\nup ask0\nup answer0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			vmtest.Run(t, vmtest.Guest{
				Files: programs,
				Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\n" + c.links +
					"env CANSEAL_ROAD /tmp\nrun /road.test -test.v -test.run ^" + c.test + "$\n",
			})
		})
	}
}
