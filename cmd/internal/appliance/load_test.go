package appliance

import (
	"context"
	"fmt"
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
		log := a.live().logger.Status().Log
		a.Close()
		if log.Frames != rate*seconds || log.Lost.Sum() != 0 {
			b.Fatalf("%d frames recorded, %d lost", log.Frames, log.Lost.Sum())
		}
		rss, after := usage("/")
		b.ReportMetric((after-before).Seconds()/seconds*100, "%core")
		b.ReportMetric(float64(rss)/1e6, "MB-rss")
	}
}

// BenchmarkEightFullBuses is the daemon under the load of eight full classic
// buses for ten seconds, uploads off: frames of 8 bytes (72 072 a second), and
// empty ones (170 213).
func BenchmarkEightFullBuses(b *testing.B) {
	for name, load := range map[string]struct {
		rate float64
		data uint8
	}{"72072": {72_072, 8}, "170213": {170_213, 0}} {
		b.Run(name, func(b *testing.B) {
			const length = 10 * time.Second
			for b.Loop() {
				root := b.TempDir()
				config := "version: 1\ndevice: {id: A1B2C3D4}\nbuses:\n"
				for i := range soakBuses {
					config += fmt.Sprintf("  - interface: full%d\n", i)
				}
				if err := os.WriteFile(filepath.Join(root, "config.yaml"), []byte(config+"upload:\n  mode: off\n"), 0o600); err != nil {
					b.Fatal(err)
				}
				_, before := usage("/")
				source := newFullBuses(load.rate, load.data, length)
				a, err := Build(b.Context(), Options{Root: root, Source: source})
				if err != nil {
					b.Fatal(err)
				}
				if err := a.Run(b.Context(), context.Background()); err != nil {
					b.Fatal(err)
				}
				log := a.live().logger.Status().Log
				a.Close()
				if log.Frames != source.sent || log.Lost.Sum() != 0 {
					b.Fatalf("%d frames in, %d recorded, %d lost", source.sent, log.Frames, log.Lost.Sum())
				}
				rss, after := usage("/")
				b.ReportMetric((after-before).Seconds()/length.Seconds()*100, "%core")
				b.ReportMetric(float64(rss)/1e6, "MB-rss")
			}
		})
	}
}
