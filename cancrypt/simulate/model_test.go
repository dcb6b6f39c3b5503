package simulate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// random is a simulation of anything: group, messages, ciphers, attacks, losses.
func random(t testing.TB, seed uint64) Options {
	r := rand.New(rand.NewPCG(seed, 99))
	n := 2 + r.IntN(7)
	var messages []Message
	for i := range 1 + r.IntN(2*n) {
		messages = append(messages, randomMessage(r, i, n))
	}
	messages = append(messages, Message{Record: cancrypt.Record{Word: 0x700, Count: 8, Signature: cancrypt.SpeckMAC}, Length: 8, Rate: 20, Stream: 1})
	o := Options{Group: group(t, n, messages...), Seed: seed, Length: 25 * time.Second, Quiet: r.IntN(2) == 0}
	pads := []cancrypt.PadCipher{cancrypt.PadSpeck, cancrypt.PadAES128, cancrypt.PadAES256}
	o.Group.Methods = cancrypt.NewMethods(pads[r.IntN(3)], cancrypt.SpeckMAC) | cancrypt.Methods(r.IntN(2))<<15
	o.Group.Event = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}[r.IntN(3)]
	for _, name := range KindNames() {
		if r.IntN(3) == 0 {
			o.Attacks = append(o.Attacks, Attack{Kind: Kind(name), Rate: Kinds[Kind(name)].Rate * (0.2 + 2*r.Float64()), From: time.Duration(r.IntN(4)) * time.Second, Delay: usualDelay})
		}
	}
	if r.IntN(3) == 0 {
		o.Loss = 0.01 * r.Float64()
	}
	return o
}

func randomMessage(r *rand.Rand, i, n int) Message {
	w := cancrypt.Word(0x200 + 8*i)
	if r.IntN(3) == 0 {
		w = cancrypt.Word(0x18FEF000+8*i) | cancrypt.Extended
	}
	m := Message{Record: cancrypt.Record{Word: w, Producer: uint8(1 + r.IntN(n)), First: uint8(r.IntN(4)), Count: uint8(r.IntN(5)), Signature: cancrypt.SpeckMAC + cancrypt.Signature(r.IntN(2))},
		Length: uint8(r.IntN(9)), Rate: 1 + 40*r.Float64(), Stream: 1}
	switch r.IntN(5) {
	case 0:
		m.Stream = uint8(1 + r.IntN(8))
	case 1:
		m.Record.Cipher, m.Record.First, m.Record.Count = cancrypt.AESPair, 0, 8
	case 2:
		m.Protect = HeartbeatOnly
	}
	return m
}

// Over random groups, attacks and losses no frame of an attack is authentic, but
// for guesses of 16 bits; and where nothing is lost the honest ones are.
// CANSEAL_SOAK makes it as long as it says.
func TestNoAttackPassesAndHonestFramesDo(t *testing.T) {
	length, _ := time.ParseDuration(os.Getenv("CANSEAL_SOAK"))
	var simulated time.Duration
	frames, guesses, passed, unheard := 0, 0, 0, 0
	total := Tally{}
	began := time.Now()
	for seed := uint64(0); seed < 12 || time.Since(began) < length; seed++ {
		o := random(t, seed)
		trial, r, truth := run(t, o)
		simulated += o.Length
		frames += len(truth)
		for kind, tally := range r.Attacks {
			right := tally.Of(can.Authentic, can.AuthenticUnderGuessing)
			switch {
			case kind == Guess:
				guesses += tally.Sum() / 2
				passed += right / 2
			case kind == Replay && o.Loss > 0: // of what the judge did not hear: fresh to it
				unheard += right
			case right > 0:
				t.Errorf("seed %d: %d frames of %s are authentic: %v", seed, right, kind, tally)
			}
		}
		if o.Loss > 0 {
			continue
		}
		for v, n := range r.Listed {
			total[v] += n
		}
		if share := r.Share(); share < leastShare(&o) && r.Listed.Sum() > 0 {
			t.Errorf("seed %d: %.3f %% authentic: %v, events %v, %+v", seed, 100*share, r.Listed, trial.Events, o.Attacks)
		}
	}
	if expected := guesses / 65536; passed > 3+5*expected {
		t.Errorf("%d of %d guesses passed", passed, guesses)
	}
	t.Logf("%v of bus time, %d frames: %d guesses, %d passed; %d frames replayed that the judge had missed; honest listed frames where nothing is lost: %v",
		simulated, frames, guesses, passed, unheard, total)
}

// leastShare is what must be authentic. Somebody on the way who takes four
// sequences in a row from the sender of an AES pair has put its numbers beyond the
// window in which a receiver looks for them, until the next key (P1.10): its
// honest pairs are "signature wrong" meanwhile.
func leastShare(o *Options) float64 {
	pairs, way := false, false
	for _, m := range o.Group.Messages {
		pairs = pairs || m.Record.Cipher == cancrypt.AESPair
	}
	for _, a := range o.Attacks {
		way = way || Kinds[a.Kind].OnWay
	}
	if pairs && way {
		return 0.95
	}
	return 0.999
}

// A logger that starts late, and one on a bus that loses frames: what is judged.
func TestWhatIsJudgedAfterALateStartAndWithLosses(t *testing.T) {
	length := time.Minute
	if os.Getenv("CANSEAL_SOAK") != "" {
		length = 10 * time.Minute
	}
	for _, c := range []struct {
		name  string
		late  time.Duration
		loss  float64
		least float64
	}{{"in time", 0, 0, 1}, {"5 s late", 5 * time.Second, 0, 0}, {"30 s late", 30 * time.Second, 0, 0}, {"0.1 % lost", 0, 0.001, 0.2}} {
		t.Run(c.name, func(t *testing.T) {
			first, all := hear(t, Options{Group: group(t, 5), Length: length, Loss: c.loss, Start: start}, c.late)
			share := float64(all.Of(can.Authentic)) / float64(all.Sum())
			t.Logf("%s: first verdict after %s, %.2f %% of the listed frames authentic: %v", c.name, first, 100*share, all)
			if share < c.least {
				t.Errorf("%.2f %%, wanted %.2f %%", 100*share, 100*c.least)
			}
			for v := range all {
				switch v {
				case can.Authentic, can.NotJudged, can.PreambleWithoutMessage, can.MessageWithoutPreamble, can.Pending:
				default:
					if c.loss == 0 {
						t.Errorf("%d honest frames are called %v", all[v], v)
					}
				}
			}
		})
	}
}

// hear lets a judge hear a bus from a time on.
func hear(t *testing.T, o Options, late time.Duration) (first string, listed Tally) {
	t.Helper()
	bus, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	trial, err := NewTrial(&o.Group)
	if err != nil {
		t.Fatal(err)
	}
	for buf := make([]can.Event, 1); ; {
		if _, err := bus.Read(buf); err != nil {
			break
		}
		if buf[0].Time >= o.Start+int64(late) {
			trial.Hear(&buf[0])
		}
	}
	first, listed = "never", Tally{}
	for _, j := range trial.Log {
		if p := trial.scene.place(&j.Frame); p.what == Data || p.what == Preamble {
			listed[j.Verdict]++
			if j.Verdict == can.Authentic && first == "never" {
				first = fmt.Sprintf("%.2f s", float64(j.Time-trial.Log[0].Time)/1e9)
			}
		}
	}
	return first, listed
}
