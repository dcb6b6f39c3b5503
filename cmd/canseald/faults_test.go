//go:build linux

package main

import (
	"testing"

	"canseal/internal/vmtest"
)

// The faults of a card, with canseald itself on a vcan in the guest: a disk whose
// writes fail, a card that somebody else has filled, and one that turns read-only.
// In each, what is recorded and what is counted as lost is what was sent.
func TestCansealdOutlivesTheFaultsOfACard(t *testing.T) {
	vmtest.Require(t, "a failing, full and read-only card")
	programs := guestPrograms(t)
	for name, c := range map[string]struct{ test, modules string }{
		"writes fail":        {"TestGuestDiskFails", "mod dm-mod\nmod dm-bufio\nmod dm-flakey\nenv DM_DISABLE_UDEV 1\n"},
		"full, unsent kept":  {"TestGuestCardIsFull", ""},
		"full, with a ring":  {"TestGuestRingGivesWay", ""},
		"mounted read-only":  {"TestGuestCardIsReadOnly", ""},
		"half the bus's top": {"TestGuestStorageStalls", "mod dm-mod\nenv DM_DISABLE_UDEV 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, "ext4", programs)
			b.mount = c.modules
			g := b.guest(c.test)
			g.Host = []string{adminProgram(t, "dmsetup")}
			vmtest.Run(t, g)
		})
	}
}
