package mdf

import (
	"bytes"
	"testing"

	"canseal/can"
)

// void is a file that takes everything and keeps nothing.
type void struct{ *card }

func (void) WriteAt(b []byte, off int64) (int, error) { return len(b), nil }
func (void) Sync() error                              { return nil }

// busy returns events of two busy buses: classic and FD, data and remote.
func busy(n int) []can.Event {
	events := make([]can.Event, n)
	for i := range events {
		e := &events[i]
		e.Bus, e.Frame.ID = uint8(1+i&1), uint32(i*37&0x7FF)
		e.Frame.DLC, e.Frame.Len = 8, 8
		switch {
		case i%64 == 0:
			e.Frame.Flags, e.Frame.DLC, e.Frame.Len = can.FD|can.BRS, 15, 64
		case i%4 == 0:
			e.Frame.ID, e.Frame.Flags = uint32(i*7919&idMask), can.Extended
		}
		for k := range e.Frame.Payload() {
			e.Frame.Data[k] = byte(i * k)
		}
	}
	return events
}

func perSecond(b *testing.B, frames int) {
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds()/1e6, "Mframes/s")
}

func BenchmarkFrame(b *testing.B) {
	events := busy(1024)
	w, err := Create(void{newCard(nil)}, header)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	now := int64(start)
	i := 0
	for b.Loop() {
		e := &events[i&1023]
		now += 55_000
		e.Time = now
		if err := w.Frame(e); err != nil {
			b.Fatal(err)
		}
		i++
	}
	perSecond(b, b.N)
}

// recorded returns a live file of n frames.
func recorded(b *testing.B, n int) []byte {
	events := busy(1024)
	f := newCard(make([]byte, 0, 32*n+1<<20))
	w, err := Create(f, header)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		e := &events[i&1023]
		e.Time = start + int64(i)*55_000
		w.Frame(e)
		f.pending = nil
	}
	if err := w.Sync(); err != nil {
		b.Fatal(err)
	}
	return f.data
}

func BenchmarkFrames(b *testing.B) {
	const n = 1_000_000
	data := recorded(b, n)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		r, err := Open(newView(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		read := 0
		for range r.Frames() {
			read++
		}
		if read != n {
			b.Fatal(read)
		}
	}
	perSecond(b, n*b.N)
}

func BenchmarkRepair(b *testing.B) {
	const n = 1_000_000
	data := recorded(b, n)
	data = data[:len(data)-10]
	f := newView(data)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		rep, err := Repair(&scratch{card: f})
		if err != nil || !rep.Cut {
			b.Fatal(rep, err)
		}
	}
	perSecond(b, n*b.N)
}

// newView is a file on the data itself.
func newView(data []byte) *card { return &card{data: data, left: -1} }

// scratch is a file that forgets what is written to it.
type scratch struct{ *card }

func (*scratch) WriteAt(b []byte, off int64) (int, error) { return len(b), nil }
func (*scratch) Truncate(int64) error                     { return nil }
func (*scratch) Sync() error                              { return nil }

func BenchmarkCandumpToMDF(b *testing.B) {
	var text []byte
	events := busy(10_000)
	for i := range events {
		events[i].Time = start + int64(i)*55_000
		text = append(can.AppendCandump(text, &events[i], "can0"), '\n')
	}
	w, err := Create(void{newCard(nil)}, header)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	var e can.Event
	for b.Loop() {
		for rest := text; len(rest) > 0; {
			end := bytes.IndexByte(rest, '\n')
			if _, err := can.ParseCandump(rest[:end], &e); err != nil {
				b.Fatal(err)
			}
			if err := w.Frame(&e); err != nil {
				b.Fatal(err)
			}
			rest = rest[end+1:]
		}
	}
	perSecond(b, len(events)*b.N)
}

// reference is a finished file of n frames of the reference mix.
func reference(t testing.TB, n int) []byte {
	f := newView(make([]byte, 0, 26*n+1<<20))
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	events := newMix(1).next(n)
	for i := range events {
		if err := w.Frame(&events[i]); err != nil {
			t.Fatal(err)
		}
		f.pending = nil
	}
	if err := w.Finish(Clock{Time: start}); err != nil {
		t.Fatal(err)
	}
	return f.data
}

func BenchmarkCompress(b *testing.B) {
	const n = 1_000_000
	data := reference(b, n)
	out := &sink{}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime()
	for b.Loop() {
		out.n = 0
		if _, err := Compress(out, newView(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/1e6/(processorTime()-before).Seconds(), "Mframes/cpu-s")
	b.ReportMetric(float64(out.n)/n, "bytes/frame")
	b.ReportMetric(float64(len(data))/n, "raw-bytes/frame")
}

func BenchmarkFramesOfACompressedFile(b *testing.B) {
	const n = 1_000_000
	data := reference(b, n)
	out := newView(nil)
	if _, err := Compress(out, newView(data), int64(len(data))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime()
	for b.Loop() {
		r, err := Open(newView(out.data), int64(len(out.data)))
		if err != nil {
			b.Fatal(err)
		}
		read := 0
		for range r.Frames() {
			read++
		}
		if read != n {
			b.Fatal(read)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/1e6/(processorTime()-before).Seconds(), "Mframes/cpu-s")
}

// sink counts what is written to it.
type sink struct{ n int64 }

func (s *sink) WriteAt(b []byte, off int64) (int, error) {
	s.n = max(s.n, off+int64(len(b)))
	return len(b), nil
}

func BenchmarkColumns(b *testing.B) {
	rows, columns := make([]byte, 25*perBlock(24)), make([]byte, maxPacked)
	b.SetBytes(int64(len(rows)))
	for b.Loop() {
		toColumns(columns, rows, 24)
		toRows(rows, columns, 24)
	}
}

// BenchmarkDeflate is the part of BenchmarkCompress that is not ours.
func BenchmarkDeflate(b *testing.B) {
	data := reference(b, 10*perBlock(24))
	o, err := parse(newView(data), int64(len(data)))
	if err != nil {
		b.Fatal(err)
	}
	rows := bytes.Clone(data[o.stream:][:25*perBlock(24)])
	p := newPacker()
	p.columns = make([]byte, 24*perBlock(24))
	toColumns(p.columns, rows, 24)
	before := processorTime()
	b.ResetTimer()
	for b.Loop() {
		p.out.Reset()
		if err := p.zip(p.columns); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(perBlock(24))*float64(b.N)/1e6/(processorTime()-before).Seconds(), "Mframes/cpu-s")
}
