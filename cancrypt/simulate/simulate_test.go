package simulate

import (
	"os"
	"testing"
	"time"

	"canseal/can"
)

const start = 1_800_000_000_000_000_000

// run lets a judge hear a simulated bus.
func run(t testing.TB, o Options) (*Trial, *Report, []Truth) {
	t.Helper()
	var truth []Truth
	o.Truth = func(w *Truth) { truth = append(truth, *w) }
	o.Start = start
	bus, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	trial, err := NewTrial(&o.Group)
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.Run(bus); err != nil {
		t.Fatal(err)
	}
	return trial, Compare(trial.Log, truth, time.Millisecond), truth
}

func group(t testing.TB, n int, messages ...Message) Group {
	t.Helper()
	g, err := NewGroup(n, messages...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAnHonestGroupIsAuthentic(t *testing.T) {
	for _, n := range []int{2, 5, 15} {
		began := time.Now()
		trial, r, truth := run(t, Options{Group: group(t, n), Length: 20 * time.Second})
		t.Logf("%d devices: %d frames in %v, events %v", n, len(truth), time.Since(began), trial.Events)
		r.Text(os.Stdout)
		for _, p := range r.Problems(0.999) {
			t.Error(p)
		}
		if r.Strange+r.Missing > 0 || r.Listed[can.Authentic] == 0 {
			t.Errorf("%+v", r)
		}
	}
}
