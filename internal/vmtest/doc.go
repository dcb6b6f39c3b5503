// Package vmtest runs test binaries and programs in a virtual machine with a
// real SocketCAN: User-Mode Linux, which is Linux as an ordinary process. It
// needs the Debian package user-mode-linux, no root, and one to two seconds.
//
// A Guest says what lies in the machine and what happens there:
//
//	vmtest.Run(t, vmtest.Guest{
//		Tests:  map[string]string{"/can.test": "canseal/can/socketcan"},
//		Host:   []string{"cangen"},
//		Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\nrun /can.test -test.v",
//	})
//
// A folder is staged, which is the guest's root; vminit, process 1, performs
// the script (its manual is in package main of the folder vminit) and switches
// the machine off. The guest has no network to the host; its console comes out
// as lines of the test's log. Run requires that the last line of the machine
// is VM-EXIT 0: a machine that dies without it has failed.
//
// A folder of the host is mounted in the guest by a step of the script:
//
//	mount none /card hostfs /path/on/the/host
//
// A machine that is killed (Machine.Kill) loses what its kernel had not
// written to the disk: that is a power cut.
//
// Counted runs a guest on an emulated processor (QEMU) that takes one nanosecond
// for each instruction, to measure what a program costs.
//
// Tests that need the machine are skipped in words where the package is
// missing, and with -short; they fail instead when the environment variable
// CANSEAL_REQUIRE contains "vm".
package vmtest
