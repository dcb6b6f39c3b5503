package decode

import (
	"syscall"
	"testing"
	"time"
)

// processor returns the time that the processor worked for this program, which
// a busy machine does not distort.
func processor() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// perSecond reports millions of n per second of the processor since begun.
func perSecond(b *testing.B, begun time.Duration, n int, unit string) {
	b.ReportMetric(float64(n)/(processor()-begun).Seconds()/1e6, unit)
}

// BenchmarkColumns decodes the reference mix into columns of physical values
// with their states, in batches.
func BenchmarkColumns(b *testing.B) {
	all, plan := mixed(b, 50_000)
	var phys []float64
	var states []State
	values := 0
	d := New(Options{Plan: plan, Batch: func(b *Batch) error {
		for i := range b.Message.Signals {
			phys = b.Phys(i, phys)
			states, _ = b.States(i, states)
			values += len(phys)
		}
		return nil
	}})
	b.ReportAllocs()
	b.ResetTimer()
	used := processor()
	for n := 0; n < b.N; n += len(all) {
		for i := range all {
			if _, err := d.Add(&all[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := d.Flush(); err != nil {
		b.Fatal(err)
	}
	perSecond(b, used, b.N, "Mframes/s")
	perSecond(b, used, values, "Mvalues/s")
}

// BenchmarkSorting is BenchmarkColumns without the columns.
func BenchmarkSorting(b *testing.B) {
	all, plan := mixed(b, 50_000)
	d := New(Options{Plan: plan, Batch: func(*Batch) error { return nil }})
	b.ReportAllocs()
	b.ResetTimer()
	used := processor()
	for n := 0; n < b.N; n += len(all) {
		for i := range all {
			d.Add(&all[i])
		}
	}
	perSecond(b, used, b.N, "Mframes/s")
}

func BenchmarkOneFrame(b *testing.B) {
	all, plan := mixed(b, 10_000)
	var values []Value
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := &all[i%len(all)]
		values = plan.Message(f.Bus, f.ID, f.Flags).Decode(values, f.Data, 0)
	}
}
