package decode

import (
	"testing"

	"canseal/can"
	"canseal/decode/dbc"
	"canseal/internal/mix"
)

// mixed returns n frames of the reference mix, and its plan.
func mixed(t testing.TB, n int) ([]Frame, *Plan) {
	t.Helper()
	f, warnings := dbc.Parse("mix.dbc", mix.DBC())
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	plan, err := NewPlan("", []Rule{{File: f}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all, data := make([]Frame, n), make([]byte, 8*n)
	source := mix.New(1)
	for i := range all {
		var e can.Event
		source.Next(&e)
		payload := data[8*i : 8*i+8]
		copy(payload, e.Frame.Payload())
		all[i] = Frame{Time: e.Time, Bus: e.Bus, ID: e.Frame.ID, Flags: e.Frame.Flags, Data: payload}
	}
	return all, plan
}

func TestTheReferenceMixIsDecodedWhole(t *testing.T) {
	all, plan := mixed(t, 20_000)
	rows := 0
	d := New(Options{Plan: plan, Batch: func(b *Batch) error {
		rows += b.Len()
		return nil
	}})
	for i := range all {
		if fate, err := d.Add(&all[i]); fate != Decoded || err != nil {
			t.Fatal(fate, err)
		}
	}
	if d.Flush(); rows != len(all) || mix.Count() != mix.Signals {
		t.Errorf("%d rows of %d frames, %d signals", rows, len(all), mix.Count())
	}
}
