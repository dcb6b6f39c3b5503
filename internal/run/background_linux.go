package run

import "syscall"

// lowest gives the present thread nice 19 and the last place among the ordinary
// users of the disk (ioprio_set(2): best effort, level 7; the idle class could
// wait for ever). Where that is refused the thread works as any other.
func lowest() {
	const (
		thisThread = 0
		process    = 1
		bestEffort = 2 << 13
		last       = 7
	)
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, thisThread, 19)
	_, _, _ = syscall.RawSyscall(syscall.SYS_IOPRIO_SET, process, thisThread, bestEffort|last)
}
