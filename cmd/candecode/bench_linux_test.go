package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"canseal/can"
	"canseal/internal/mix"
	"canseal/mdf"
)

// disk is a new file for mdf.
type disk struct{ *os.File }

func (d disk) Size() (int64, error) {
	info, err := d.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// mixFrames is how many frames of the reference mix are decoded in one go:
// CANSEAL_MIX, for figures at the size that they are wanted for.
func mixFrames(tb testing.TB) int {
	n, err := strconv.Atoi(os.Getenv("CANSEAL_MIX"))
	if os.Getenv("CANSEAL_MIX") == "" {
		return 1_000_000
	}
	if err != nil {
		tb.Fatalf("CANSEAL_MIX: %v", err)
	}
	return n
}

// mixFile makes a finished, or a sorted and compressed, file of the reference
// mix, and its DBC file beside it.
func mixFile(tb testing.TB, frames int, compressed bool) (log, dbc string) {
	tb.Helper()
	dir := tb.TempDir()
	must := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	log, dbc = filepath.Join(dir, "00000001.MF4"), filepath.Join(dir, "mix.dbc")
	must(os.WriteFile(dbc, mix.DBC(), 0o644))
	f, err := os.Create(log)
	must(err)
	defer f.Close()
	source, e := mix.New(1), can.Event{}
	source.Next(&e)
	w, err := mdf.Create(disk{f}, mdf.Header{Start: e.Time, Version: version, Device: "A1B2C3D4", Session: 1, Split: 1})
	must(err)
	for range frames {
		must(w.Frame(&e))
		source.Next(&e)
	}
	must(w.Finish(mdf.Clock{Time: e.Time, Wall: e.Time}))
	if !compressed {
		return log, dbc
	}
	packed, err := os.Create(log + ".new")
	must(err)
	defer packed.Close()
	size, err := disk{f}.Size()
	must(err)
	_, err = mdf.Compress(packed, f, size)
	must(err)
	must(os.Rename(packed.Name(), log))
	return log, dbc
}

// processor is the time that the processors worked for this program.
func processor() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkProgram decodes the reference mix (80 identifiers, 450 signals, two
// buses) from file to file: M frames for each second of one core, and for each
// second of the clock; bytes for each frame.
func BenchmarkProgram(b *testing.B) {
	for _, c := range []struct {
		name, format string
		compressed   bool
	}{
		{"parquet", "parquet", false}, {"parquet of DZ", "parquet", true}, {"arrow", "arrow", false}, {"csv", "csv", false},
		{"candump", "candump", false}, {"asc", "asc", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			frames := mixFrames(b)
			log, dbc := mixFile(b, frames, c.compressed)
			b.ReportAllocs()
			used, bytes := time.Duration(0), int64(0)
			for b.Loop() {
				b.StopTimer()
				out := filepath.Join(b.TempDir(), "out")
				b.StartTimer()
				before := processor()
				decodeTo(b, "--format", c.format, "--dbc", dbc, "-o", out, log)
				used += processor() - before
				b.StopTimer()
				bytes = sizeBelow(b, out)
				os.RemoveAll(out)
				b.StartTimer()
			}
			b.ReportMetric(float64(frames*b.N)/used.Seconds()/1e6, "Mframes/core-s")
			b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds()/1e6, "Mframes/s")
			b.ReportMetric(float64(bytes)/float64(frames), "B/frame")
		})
	}
}

func decodeTo(tb testing.TB, args ...string) {
	tb.Helper()
	var told bytes.Buffer
	if code := run(args, nil, &told, &told); code != exitOK {
		tb.Fatalf("exit code %d: %s", code, told.String())
	}
}

// sizeBelow is the size of a file, or of all files of a folder.
func sizeBelow(tb testing.TB, path string) (sum int64) {
	err := filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sum
}
