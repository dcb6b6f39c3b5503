package sim

import (
	"syscall"
	"testing"
	"time"

	"canseal/can"
)

func BenchmarkRead(b *testing.B) {
	classic, mixed := Options{Start: start}, Mixed(1)
	mixed.Start = start
	for name, o := range map[string]Options{"classic": classic, "mixed": mixed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			bus, buf, before := New(o), make([]can.Event, 512), processorTime()
			for n := 0; n < b.N; n += len(buf) {
				if _, err := bus.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/1e6/(processorTime()-before).Seconds(), "Mevents/cpu-s")
		})
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
