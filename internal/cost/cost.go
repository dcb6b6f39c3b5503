// Package cost measures, for tests, what a piece of work takes of memory.
package cost

import (
	"runtime"
	"testing"
)

// Allocated runs f and returns the bytes that were allocated meanwhile. No peak
// of the heap can be higher, and what fills memory takes work: a bound for both
// that is the same on every machine. Nothing else may run beside f.
func Allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// Hold fails the test if f allocates more than most bytes.
func Hold(t testing.TB, most int64, f func()) {
	t.Helper()
	if used := Allocated(f); used > most {
		t.Errorf("%d bytes allocated, %d are the most", used, most)
	}
}
