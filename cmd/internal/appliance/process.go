package appliance

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage returns the memory and the processor time of this process; zero where
// the system has no /proc.
func usage(machine string) (rss int64, cpu time.Duration) {
	if b, err := os.ReadFile(filepath.Join(machine, "proc/self/statm")); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			rss = pages * int64(os.Getpagesize())
		}
	}
	if b, err := os.ReadFile(filepath.Join(machine, "proc/self/stat")); err == nil {
		cpu = cpuOf(string(b))
	}
	return rss, cpu
}

// cpuOf reads utime and stime, fields 14 and 15 of proc_pid_stat(5), in ticks
// of 10 ms. The name of the program, in parentheses, may hold blanks.
func cpuOf(stat string) time.Duration {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

func absolutePath(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// showAlive writes 1 to device.alive_file (an LED) while frames are recorded,
// else 0; at the end 0.
func (a *Appliance) showAlive(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for shown := ""; ; {
		sign := "0"
		if a.live().logger.Status().Log.State == "recording" {
			sign = "1"
		}
		if sign != shown {
			if err := os.WriteFile(a.live().settings.Device.AliveFile, []byte(sign), 0o644); err != nil {
				return err
			}
			shown = sign
		}
		select {
		case <-ctx.Done():
			return os.WriteFile(a.live().settings.Device.AliveFile, []byte("0"), 0o644)
		case <-tick.C:
		}
	}
}
