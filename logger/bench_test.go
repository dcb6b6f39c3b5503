package logger

import (
	"context"
	"io"
	"testing"
	"time"

	"canseal/can"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

// endless delivers frames flat out, until left is used up.
type endless struct {
	batch []can.Event
	left  int
	now   int64
}

func (s *endless) Read(buf []can.Event) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(copy(buf, s.batch), s.left)
	for i := range buf[:n] {
		s.now += 2000
		buf[i].Time = s.now
	}
	s.left -= n
	return n, nil
}

func (s *endless) Close() error { return nil }

func mix() []can.Event {
	batch := make([]can.Event, 64)
	for i := range batch {
		batch[i] = can.Event{Bus: uint8(i%2 + 1), Frame: can.Frame{ID: 0x100 + uint32(i), DLC: 8, Len: 8}}
	}
	return batch
}

// BenchmarkRecorder takes frames from a source that never waits to sealed
// segments of 32 MB with their seal lines.
func BenchmarkRecorder(b *testing.B) {
	for _, disk := range []struct {
		name string
		card func(b *testing.B) durable.FS
	}{
		{"memfs", func(*testing.B) durable.FS { return memfs.New() }},
		{"folder", func(b *testing.B) durable.FS { return durable.Dir(b.TempDir()) }},
	} {
		b.Run(disk.name, func(b *testing.B) {
			source := &endless{batch: mix(), left: b.N, now: time.Now().UnixNano()}
			l, _, err := Prepare(Options{
				Card: disk.card(b), State: memfs.New(), Device: box, Clock: clock.New(clock.Options{}), Source: source,
				Patient: true, KeepFree: Reserve{Bytes: 1},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := l.Run(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mframes/s")
			if s := l.Status().Log; s.Frames != uint64(b.N) || s.Lost.Sum() != 0 {
				b.Fatalf("found %d frames, lost %+v", s.Frames, s.Lost)
			}
		})
	}
}

// BenchmarkFrame is the recorder's own share of one frame: sorting, counting and
// encoding, without queue and disk.
func BenchmarkFrame(b *testing.B) {
	l, _, err := Prepare(Options{
		Card: memfs.New(), State: memfs.New(), Device: box, Clock: clock.New(clock.Options{}), Source: &endless{},
		SplitSize: 1 << 50, KeepFree: Reserve{Bytes: 1},
	})
	if err != nil {
		b.Fatal(err)
	}
	l.recorder.open()
	batch := mix()
	now := time.Now().UnixNano()
	b.ReportAllocs()
	for b.Loop() {
		now += 2000
		e := &batch[now/2000%64]
		e.Time = now
		l.recorder.frame(e)
		if l.recorder.seg.w.Size() > 1<<27 {
			l.recorder.next()
		}
	}
}
