package can

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"
)

// perSecond reports frames per second of processor time, which other load on
// the machine disturbs less than the time of the clock. Call what it returns
// at the end.
func perSecond(b *testing.B, frames int) func() {
	start := processorTime()
	return func() {
		used := processorTime() - start
		b.ReportMetric(float64(b.N*frames)/1e6/used.Seconds(), "Mframes/cpu-s")
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkParseCandump(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"standard8", "(1735270496.916858) can0 123#0011223344556677"},
		{"extended8", "(1735270496.916858) can0 18FEF100#0011223344556677"},
		{"fd64", "(1735270496.916858) can0 123##5" + strings.Repeat("5A", 64)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			line := []byte(c.text)
			defer perSecond(b, 1)()
			var e Event
			for b.Loop() {
				if _, err := ParseCandump(line, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendCandump(b *testing.B) {
	b.ReportAllocs()
	e := Event{Time: at, Frame: Frame{ID: 0x18fef100, Flags: Extended, DLC: 8, Len: 8}}
	buf := make([]byte, 0, 256)
	defer perSecond(b, 1)()
	for b.Loop() {
		buf = AppendCandump(buf[:0], &e, "can0")
	}
}

func BenchmarkReplay(b *testing.B) {
	b.ReportAllocs()
	text := []byte(strings.Repeat("(1735270496.916858) can0 123#0011223344556677\n(1735270496.916858) can1 18FEF100#0011223344556677\n", 50_000))
	buf := make([]Event, 512)
	b.SetBytes(int64(len(text)))
	defer perSecond(b, 100_000)()
	for b.Loop() {
		replay := NewReplay(bytes.NewReader(text), ReplayOptions{})
		for err := error(nil); err == nil; {
			_, err = replay.Read(buf)
		}
	}
}
