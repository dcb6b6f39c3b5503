package clock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// endOfDays is the last second that every kernel understands, 2038, in ns.
const endOfDays = math.MaxInt32 * 1_000_000_000

// System reads CLOCK_REALTIME and CLOCK_BOOTTIME, as close together as can be,
// and asks the kernel how sure it is (adjtimex).
func System() Reading {
	wall, boot := together()
	r := Reading{Wall: wall, Boot: boot, ErrorMicros: Unsure}
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err == nil && t.Status&unix.STA_UNSYNC == 0 {
		r.Synchronised, r.Source = true, SourceKernel
		r.ErrorMicros = uint32(min(max(t.Maxerror, 0), math.MaxInt32))
		return r
	}
	r.Source = unsynchronised(r.Wall)
	return r
}

// together reads the wall clock between two looks at the other one, again while
// they lie so far apart that a busy machine would look like a clock that was set.
func together() (wall, boot int64) {
	best := int64(math.MaxInt64)
	for try := 0; try < 10 && best > int64(time.Millisecond); try++ {
		var before, between, after unix.Timespec
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &before)
		unix.ClockGettime(unix.CLOCK_REALTIME, &between)
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &after)
		if apart := after.Nano() - before.Nano(); apart < best {
			best, wall, boot = apart, between.Nano(), before.Nano()
		}
	}
	return wall, boot
}

// unsynchronised tells where a time that nobody vouches for comes from: the
// kernel says whether it took it from the hardware; a plausible one without
// hardware was restored from a file.
func unsynchronised(wall int64) Source {
	took, err := os.ReadFile("/sys/class/rtc/rtc0/hctosys")
	switch {
	case err == nil && string(bytes.TrimSpace(took)) == "1":
		return SourceHardware
	case wall >= Build().UnixNano():
		return SourceRestored
	}
	return SourceUnknown
}

// BootID is the kernel's name for this run of the machine: a UUID, or empty
// where the kernel does not tell.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(id))
}

// Steps speaks whenever the clock is set, until ctx is done; then the channel is
// closed. It spares the up to one second until the next Check.
func Steps(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch the clock: %w", err)
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	if err := arm(timer); err != nil {
		timer.Close()
		return nil, fmt.Errorf("watch the clock: %w", err)
	}
	steps := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { timer.Close() })
	go func() {
		defer close(steps)
		defer stop()
		watch(timer, steps)
	}()
	return steps, nil
}

// arm sets the timer to the end of days, cancelled when the clock is set.
func arm(timer *os.File) error {
	c, err := timer.SyscallConn()
	if err != nil {
		return err
	}
	never := unix.ItimerSpec{Value: unix.NsecToTimespec(endOfDays)}
	var failed error
	err = c.Control(func(fd uintptr) {
		failed = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil)
	})
	if errors.Is(failed, unix.ECANCELED) {
		failed = nil // the clock was set this moment, and the timer runs
	}
	return errors.Join(err, failed)
}

// watch ends when the timer is closed; and when it expires, because after the end
// of days only Check finds steps. A timer that was cancelled goes on by itself.
func watch(timer *os.File, steps chan<- struct{}) {
	for {
		if _, err := timer.Read(make([]byte, 8)); !errors.Is(err, unix.ECANCELED) {
			return
		}
		select {
		case steps <- struct{}{}:
		default:
		}
	}
}
