package appliance

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"canseal/can/sim"
)

// BenchmarkTwoFullBuses is the daemon with the load of two full classic buses
// (18 018 frames/s) for twenty seconds, uploads off: share of a core and memory.
func BenchmarkTwoFullBuses(b *testing.B) {
	const rate, seconds = 18_018, 20
	for b.Loop() {
		dir := b.TempDir()
		config := "version: 1\ndevice: {id: A1B2C3D4}\nbuses:\n  - interface: sim0\n  - interface: sim1\nupload:\n  mode: off\n"
		if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
			b.Fatal(err)
		}
		_, before := usage("/")
		o := Options{Root: dir, StateDir: filepath.Join(dir, "state")}
		o.Source = sim.New(sim.Options{Seed: 1, Rate: rate, Buses: 2, Start: time.Now().UnixNano(), Duration: seconds * time.Second, Pace: 1})
		a, err := Build(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Run(b.Context(), context.Background()); err != nil {
			b.Fatal(err)
		}
		log := a.logger.Status().Log
		a.Close()
		if log.Frames != rate*seconds || log.Lost.Sum() != 0 {
			b.Fatalf("%d frames recorded, %d lost", log.Frames, log.Lost.Sum())
		}
		rss, after := usage("/")
		b.ReportMetric((after-before).Seconds()/seconds*100, "%core")
		b.ReportMetric(float64(rss)/1e6, "MB-rss")
	}
}
