package trial

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// disk is the state folder and the card of a model: contents are their own hashes.
type disk struct {
	record                       Record
	current, previous, candidate map[string]string
}

// box is a machine with a disk, that loses its power where the test wants.
type box struct {
	disk
	force map[string]string // what works now; of the candidate where Apply said so
	power int               // effects until the power fails; negative: never
	fat   bool              // a cut in Install leaves a torn file
	ran   time.Duration     // since the last Save
	log   []string
}

func newBox() *box {
	return &box{disk: disk{
		record:  Record{State: Settled},
		current: map[string]string{"config": "c0", "bundle": "b0"}, previous: map[string]string{}, candidate: map[string]string{},
	}, power: -1}
}

// do performs what an event means, until the power fails.
func (b *box) do(e Event) (whole bool) {
	b.log = append(b.log, fmt.Sprintf("%d in %s after %s", e.Kind, b.record.State, b.ran))
	for _, f := range Usual.Step(b.record, b.ran, e) {
		if b.power == 0 {
			if f.Do == Install && b.fat {
				b.current[f.Object.Name] = "torn"
			}
			return false
		}
		b.power--
		b.perform(f)
	}
	return true
}

func (b *box) perform(f Effect) {
	name := f.Object.Name
	switch f.Do {
	case Hold:
		b.candidate[name] = f.Object.New
	case Save:
		b.record, b.ran = f.Record, 0
	case Apply:
		b.apply()
	case Keep:
		if b.current[name] == f.Object.Old {
			b.previous[name] = f.Object.Old
		}
	case Install:
		if b.current[name] != f.Object.New {
			b.current[name] = b.candidate[name]
		}
	case Sweep:
		for name := range b.candidate {
			if !b.record.On() || !slices.ContainsFunc(b.record.Objects, func(o Object) bool { return o.Name == name }) {
				delete(b.candidate, name)
			}
		}
	}
}

func (b *box) apply() {
	b.force = map[string]string{"config": b.current["config"], "bundle": b.current["bundle"]}
	if b.record.InForce() {
		for _, o := range b.record.Objects {
			b.force[o.Name] = o.New
		}
	}
}

// candidateOf is a new version of one file, or of both.
func (b *box) candidateOf(rng *rand.Rand, n int) Record {
	r := Record{Source: "signed"}
	for _, name := range [][]string{{"config"}, {"bundle"}, {"config", "bundle"}}[rng.IntN(3)] {
		r.Objects = append(r.Objects, Object{Name: name, Old: b.current[name], New: fmt.Sprintf("%c%d", name[0], n)})
		r.Force = r.Force || name == "config"
	}
	return r
}

// Whatever happens in whatever order, with the power failing after any effect:
// what is current was proved, all of a candidate or none of it; a trial ends; a
// settled box has no candidate; the next start goes on.
func TestModel(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		b := newBox()
		b.fat = seed%2 == 0
		m := model{current: map[string]string{"config": "c0", "bundle": "b0"}}
		b.do(Event{Kind: Boot})
		for n := 1; n < 60; n++ {
			m.step(t, rng, b, n)
			if t.Failed() {
				t.Fatalf("seed %d: %+v\n%v", seed, b.disk, b.log)
			}
		}
	}
}

// model knows what may be current.
type model struct {
	current map[string]string
	proved  Record // a proof was given; whether it is durable the disk tells
}

func (m *model) step(t *testing.T, rng *rand.Rand, b *box, n int) {
	b.ran += time.Duration(rng.Int64N(int64(6 * time.Hour)))
	e := Event{Kind: Kind(rng.IntN(int(Withdraw) + 1)), Reason: "because"}
	if e.Kind == Stage {
		e.Candidate = b.candidateOf(rng, n)
	}
	if e.Kind == Proved && b.record.State == Trying {
		m.proved = b.record
	}
	b.power = -1
	if rng.IntN(3) == 0 {
		b.power = rng.IntN(8)
	}
	if whole := b.do(e); !whole {
		m.restart(rng, b)
	}
	m.check(t, b)
}

// restart starts again, and the power may fail again, until it holds.
func (m *model) restart(rng *rand.Rand, b *box) {
	for whole := false; !whole; {
		b.power, b.ran = -1, 0
		if rng.IntN(2) == 0 {
			b.power = rng.IntN(6)
		}
		whole = b.do(Event{Kind: Boot})
	}
}

func (m *model) check(t *testing.T, b *box) {
	t.Helper()
	if b.record.State == Settling {
		t.Errorf("a box that holds its power is still settling")
	}
	if b.record.State == Settled && len(m.proved.Objects) > 0 && b.current[m.proved.Objects[0].Name] == m.proved.Objects[0].New {
		for _, o := range m.proved.Objects {
			if b.previous[o.Name] != o.Old {
				t.Errorf("previous %s is %q, wanted %q", o.Name, b.previous[o.Name], o.Old)
			}
			m.current[o.Name] = o.New
		}
	}
	m.proved = Record{}
	for name, want := range m.current {
		if b.current[name] != want {
			t.Errorf("current %s is %q, wanted %q", name, b.current[name], want)
		}
		if !b.record.InForce() && b.force[name] != want {
			t.Errorf("%s: %q works, wanted %q", name, b.force[name], want)
		}
	}
	on := 0
	if b.record.On() {
		on = len(b.record.Objects)
	}
	if len(b.candidate) != on {
		t.Errorf("%d candidates while %s with %d", len(b.candidate), b.record.State, on)
	}
}

// A trial that nothing answers ends after seven days of running time and not
// before, however it is cut into runs.
func TestATrialEndsByRunningTimeAlone(t *testing.T) {
	for _, attempt := range []time.Duration{time.Minute, time.Hour, 25 * time.Hour} {
		b := onTrial(t, false)
		total := time.Duration(0)
		for b.record.State == Trying {
			b.ran += attempt
			total += attempt
			b.do(Event{Kind: Missed})
			if b.do(Event{Kind: Boot}); b.record.State == Trying && b.record.Boots < Usual.Boots-1 {
				t.Fatalf("%d boots left after an attempt", b.record.Boots)
			}
		}
		if total < Usual.Deadline || total > Usual.Deadline+attempt || b.record.Reason != NoAnswer {
			t.Errorf("ended after %s: %s", total, b.record.Reason)
		}
	}
}

func onTrial(t *testing.T, force bool) *box {
	t.Helper()
	b := newBox()
	b.do(Event{Kind: Boot})
	b.do(Event{Kind: Stage, Candidate: Record{Objects: []Object{{"bundle", "b0", "b1"}}, Force: force}})
	b.do(Event{Kind: Begin})
	if b.record.State != Trying {
		t.Fatal(b.record)
	}
	return b
}

func TestACandidateThatEndsTheProgramGoesAfterThreeStarts(t *testing.T) {
	for _, force := range []bool{false, true} {
		b := onTrial(t, force)
		for range Usual.Boots {
			b.do(Event{Kind: Boot})
		}
		if b.record.State != Refused || b.record.Reason != NoBoots || b.force["bundle"] != "b0" {
			t.Errorf("%+v %v", b.record, b.force)
		}
	}
}

// An attempt gives the boots back, unless the candidate is in force.
func TestBootsOfACandidateInForceAreNotGivenBack(t *testing.T) {
	b := onTrial(t, true)
	for range Usual.Boots {
		b.do(Event{Kind: Missed})
		b.do(Event{Kind: Boot})
	}
	if b.record.State != Refused || b.record.Reason != NoBoots {
		t.Errorf("%+v", b.record)
	}
}

func TestThreeFailuresWithinTheHourAreNotEnough(t *testing.T) {
	b := onTrial(t, false)
	for range 5 {
		b.ran = 10 * time.Minute
		b.do(Event{Kind: Failed, Reason: "unknown authority"})
	}
	if b.record.State != Trying || b.record.Failures != 5 {
		t.Fatalf("%+v", b.record)
	}
	b.ran = 21 * time.Minute
	b.do(Event{Kind: Missed}) // the weather is no failure
	if b.record.State != Trying {
		t.Fatalf("%+v", b.record)
	}
	b.do(Event{Kind: Failed, Reason: "unknown authority"})
	if b.record.State != Refused || b.record.Reason != "unknown authority" {
		t.Errorf("%+v", b.record)
	}
}

func TestWhatMeansNothingDoesNothing(t *testing.T) {
	for _, state := range []State{Settled, Staged, Refused} {
		for _, kind := range []Kind{Missed, Failed, Proved, Break} {
			if effects := Usual.Step(Record{State: state}, 0, Event{Kind: kind}); effects != nil {
				t.Errorf("%d in %s: %+v", kind, state, effects)
			}
		}
	}
	if effects := Usual.Step(Record{State: Settling}, 0, Event{Kind: Stage, Candidate: Record{Objects: []Object{{}}}}); effects != nil {
		t.Errorf("staged while settling: %+v", effects)
	}
}
