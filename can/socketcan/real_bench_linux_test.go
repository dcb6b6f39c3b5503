package socketcan

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkRealSteadyBus measures what the reading thread takes for a frame of
// a bus at 8,000 frames/s, system calls and wake-ups included.
func BenchmarkRealSteadyBus(b *testing.B) {
	name := os.Getenv("CANTEST_IF")
	if name == "" {
		b.Skip("NOT RUN: CANTEST_IF names no CAN interface")
	}
	c, err := Open(Options{Interfaces: []Interface{{Name: name, Bus: 1}}})
	if err != nil {
		b.Fatal(err)
	}
	got := make(chan time.Duration)
	go func() {
		from := threadTime()
		for buf := events(512); ; {
			if _, err := c.Read(buf); err != nil {
				got <- threadTime() - from
				return
			}
		}
	}()
	p, err := OpenPort(PortOptions{Interface: name, Bus: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	f := frame(0x123, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8)
	b.ResetTimer()
	start := time.Now()
	for i := range b.N {
		if i%80 == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / 8000)))
		}
		if err := p.Send(f); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	b.ReportMetric(float64((<-got).Nanoseconds())/float64(b.N), "cpu-ns/frame")
}

func threadTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
