//go:build linux

package main

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"canseal/internal/vmtest"
)

// A CANcrypt group of one process per device on a vcan, an attacker in a process
// of his own, and loggers that start with the group and later: judged against the
// simulator's own list.
func TestALoggerJudgesAGroupOfProcesses(t *testing.T) {
	vmtest.Require(t, "a CANcrypt group, an attacker and loggers on vcan")
	groupGuest(t, "TestGuestGroup", 0)
}

// TestSoakInTheGuestOfAGroup (make soak): the same with 0.1 % of the
// frames lost on the bus for CANSEAL_SOAK, and a logger that starts 30 s late.
func TestSoakInTheGuestOfAGroup(t *testing.T) {
	length, _ := time.ParseDuration(os.Getenv("CANSEAL_SOAK"))
	if length == 0 {
		t.Skip("NOT RUN: make soak")
	}
	vmtest.Require(t, "a CANcrypt group on a vcan that loses frames")
	groupGuest(t, "TestGuestGroupSoak", length)
}

func groupGuest(t *testing.T, test string, length time.Duration) {
	t.Helper()
	// The times of the profile are those of a machine that has time. Where the
	// test may, it asks for some: programs take the priority of the thread that
	// starts them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, -10)
	defer syscall.Setpriority(syscall.PRIO_PROCESS, 0, 0)
	host := []string{"nice"}
	if vmtest.Installed("tc") {
		host = append(host, "tc")
	}
	vmtest.Run(t, vmtest.Guest{
		Files:  guestPrograms(t),
		Host:   host,
		Memory: "320M",
		// A sync on a folder of the host stops the whole guest: cards lie in its memory.
		Script: vmtest.CAN + "mod sch_netem\nadd vcan0 vcan\nup vcan0\nadd vcan1 vcan\nup vcan1\n" +
			"mkdir /ram\nmount none /ram tmpfs\nenv TMPDIR /ram\nenv CANSEAL_ROAD /ram\nenv CANSEAL_SOAK " + length.String() + "\nrun /road.test -test.v -test.timeout 1h -test.run ^" + test + "$\n",
		Timeout: length + 4*time.Minute,
	})
}
