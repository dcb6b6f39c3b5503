// Command vminit is the first process of a virtual machine that runs tests on
// a real SocketCAN. Static, it needs no shell and no other program.
//
// As process 1 it mounts the usual file systems, performs the steps of a
// script, one a line, prints "VM-EXIT n", writes n to /out/status and powers
// off, whatever happened. n is 0 when every step worked; otherwise the script
// ended at the first that did not:
//
//	1-95  exit status of a program      97  a program could not be started
//	96    any other step                98  a program was killed by a signal
//	94    the watchdog: the time of the kernel word vmtimeout is over
//	99    vminit itself failed
//
// The script is /script, or what the kernel word vmscript names. Words are
// separated by blanks; '#' starts a comment line.
//
//	mod NAME [PARAMETER...]          load /mod/NAME.ko
//	add NAME vcan|vxcan [PEER]       make a link, with room for FD frames
//	set NAME KEY=VALUE...            bitrate, data_bitrate, restart_ms, mode (listen-only, fd, loopback: joined by +)
//	up NAME | down NAME | del NAME | show NAME | rename NAME NEW
//	env NAME VALUE                   for the programs that follow
//	mkdir DIR                        with parents
//	mount DEVICE DIR TYPE [OPTIONS]  umount DIR
//	clock TIME                       set the wall clock, RFC 3339
//	run PROGRAM [ARGUMENT...]        in the foreground; must end with status 0
//	bg NAME PROGRAM [ARGUMENT...]    in the background
//	signal NAME TERM|INT|HUP|KILL|USR1
//	wait NAME DURATION [STATUS]      until it ends with this status (default 0; killed 98)
//	until DURATION file PATH         until the file exists
//	until DURATION text PATH TEXT... until the file contains the text
//	until DURATION run PROGRAM ...   until the program ends with status 0
//	sleep DURATION | sync
//
// As any other process, its arguments are one step: tests use it to change
// links while they run.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Exit statuses that no program of a script has.
const (
	statusTimeout  = 94
	statusStep     = 96
	statusNotFound = 97
	statusKilled   = 98
	statusInternal = 99
)

func main() {
	if os.Getpid() == 1 {
		boot()
	}
	if err := newMachine().step(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// boot never returns: when process 1 ends, the kernel panics.
func boot() {
	status := statusInternal
	defer func() {
		if r := recover(); r != nil {
			fmt.Println("vminit:", r)
		}
		powerOff(status)
	}()
	watchdog(os.Getenv("vmtimeout"))
	prepare()
	status = script(env("vmscript", "/script"))
}

// watchdog ends the machine when its owner has gone and cannot kill it.
func watchdog(limit string) {
	if d, err := time.ParseDuration(limit); err == nil {
		time.AfterFunc(d, func() { powerOff(statusTimeout) })
	}
}

// prepare mounts what programs expect, where the kernel has not done so by
// itself. A machine without one of them may do.
func prepare() {
	for _, m := range []struct{ device, dir, kind string }{
		{"proc", "/proc", "proc"}, {"sys", "/sys", "sysfs"}, {"dev", "/dev", "devtmpfs"},
		{"devpts", "/dev/pts", "devpts"}, {"tmp", "/tmp", "tmpfs"}, {"run", "/run", "tmpfs"},
	} {
		if err := mount(m.device, m.dir, m.kind, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Println("vminit:", err)
		}
	}
	os.Setenv("PATH", "/bin")
	os.Setenv("HOME", "/tmp")
	os.Setenv("TMPDIR", "/tmp")
	if err := setUp("lo", true); err != nil {
		fmt.Println("vminit:", err)
	}
}

// script performs the steps of a file and returns the status of the first
// that fails, or 0.
func script(name string) int {
	text, err := os.ReadFile(name)
	if err != nil {
		fmt.Println("vminit:", err)
		return statusStep
	}
	m := newMachine()
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := m.step(words); err != nil {
			fmt.Printf("vminit: %s:%d: %s: %v\n", name, i+1, strings.Join(words, " "), err)
			return statusOf(err)
		}
	}
	return 0
}

func powerOff(status int) {
	if err := os.WriteFile("/out/status", fmt.Appendln(nil, status), 0o644); err != nil {
		fmt.Println("vminit:", err)
	}
	fmt.Printf("VM-EXIT %d\n", status)
	unix.Sync()
	if port, err := os.OpenFile("/dev/port", os.O_WRONLY, 0); err == nil { // QEMU's isa-debug-exit
		port.WriteAt([]byte{byte(status)}, 0xf4)
	}
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
