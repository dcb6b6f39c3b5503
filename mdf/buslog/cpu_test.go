//go:build unix

package buslog_test

import (
	"syscall"
	"time"
)

// processorTime is the processor time of this process so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
