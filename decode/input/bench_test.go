package input_test

import (
	"os"
	"path/filepath"
	"testing"

	"canseal/can/sim"
	"canseal/decode/input"
	"canseal/mdf"
)

// BenchmarkItems reads a finished segment of a million frames from disk, with
// clocks and verdicts.
func BenchmarkItems(b *testing.B) {
	const n = 1_000_000
	path := filepath.Join(b.TempDir(), "x.mf4")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w, err := mdf.Create(disk{f}, mdf.Header{Start: year(0), Version: "1.2.3", Device: "A1B2C3D4", Session: 1, Split: 1, BootID: "x"})
	if err != nil {
		b.Fatal(err)
	}
	anchor := mdf.Clock{Time: year(0), Boot: s, Wall: year(0), Synchronised: true}
	w.Append(anchor)
	events := sim.Take(sim.Options{Seed: 1, Start: year(0), Rate: 10_000}, n)
	for i := range events {
		w.Frame(&events[i])
	}
	anchor.Time = events[n-1].Time
	if err := w.Finish(anchor); err != nil {
		b.Fatal(err)
	}
	f.Close()
	b.ReportAllocs()
	for b.Loop() {
		in := open(b, input.Options{}, path)
		for range in.Sessions[0].Items() {
		}
		if r := in.Sessions[0].Segments[0].Report; r.Frames != n || !r.Whole() {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds()/1e6, "Mframes/s")
}
