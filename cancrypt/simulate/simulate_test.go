package simulate

import (
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
		trial, r, _ := run(t, Options{Group: group(t, n), Length: 8 * time.Second})
		told(t, r)
		for _, p := range r.Problems(1) {
			t.Error(p)
		}
		if r.Strange+r.Missing > 0 || r.First > 1500*time.Millisecond || r.Listed[can.Authentic] != r.Listed.Sum() {
			t.Errorf("%d devices: %+v, events %v", n, r, trial.Events)
		}
	}
}

// Equal seeds give equal buses, others do not.
func TestEqualSeedsGiveEqualBuses(t *testing.T) {
	text := func(seed uint64) string {
		_, _, truth := run(t, Options{Group: group(t, 3), Length: 3 * time.Second, Seed: seed, Attacks: attacks(t, "inject", "drop")})
		var b []byte
		for i := range truth {
			b = append(truth[i].AppendJSON(b), '\n')
		}
		return string(b)
	}
	once, again := text(1), text(1)
	if once != again || once == text(2) {
		t.Error("the seed does not decide")
	}
}

// What the log misses is announced, so that the judge knows.
func TestWhatTheLogMissesIsAnnounced(t *testing.T) {
	sent := 0
	bus, err := New(Options{Group: group(t, 3), Length: 5 * time.Second, Start: start, Loss: 0.1, Truth: func(*Truth) { sent++ }})
	if err != nil {
		t.Fatal(err)
	}
	frames, lost, last := 0, 0, int64(0)
	for buf := make([]can.Event, 7); ; {
		n, err := bus.Read(buf)
		for _, e := range buf[:n] {
			if e.Time < last {
				t.Fatal("times go back")
			}
			last = e.Time
			if e.Kind == can.KindLost {
				lost += int(e.Lost)
			} else {
				frames++
			}
		}
		if err != nil {
			break
		}
	}
	if frames+lost != sent || lost < sent/20 {
		t.Errorf("%d sent, %d frames, %d lost", sent, frames, lost)
	}
}

func TestGroupsThatCannotBe(t *testing.T) {
	for name, text := range map[string][]string{
		"one identifier twice":           {"0x123", "0x123"},
		"a producer that is no device":   {"0x123,producer=4"},
		"nothing in the table":           {"0x123,protect=none"},
		"a stream of AES pairs":          {"0x123,cipher=aes,stream=2"},
		"a stream that nothing protects": {"0x100", "0x123,protect=none,stream=2"},
	} {
		var messages []Message
		for _, s := range text {
			m, err := ParseMessage(s)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m)
		}
		if _, err := NewGroup(3, messages...); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, n := range []int{1, 16} {
		if _, err := NewGroup(n); err == nil {
			t.Errorf("%d devices are taken", n)
		}
	}
}
