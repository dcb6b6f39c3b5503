package simulate

import (
	"strings"
	"testing"
	"time"

	"canseal/can"
)

// Each kind of attack alone, on devices that do not watch for manipulation and on
// such that do: none of its frames passes, most have its own code, and what
// devices in the group send stays authentic.
func TestEachAttackShowsItsOwnCode(t *testing.T) {
	for _, name := range KindNames() {
		for _, deaf := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				trial, r, _ := run(t, Options{Group: group(t, 4), Length: 12 * time.Second, Attacks: attacks(t, name+",from=3s"), Quiet: deaf})
				told(t, r)
				for _, p := range r.Problems(0.999) {
					t.Error(p)
				}
				if r.Strange+r.Missing > 0 || r.Attacks[Kind(name)].Sum() == 0 {
					t.Errorf("%d frames that nobody sent, %d missing, attack %v; events %v", r.Strange, r.Missing, r.Attacks, trial.Events)
				}
			})
		}
	}
}

// A device that is attacked falls silent and its messages count no more; then the
// group starts anew and it is authentic again.
func TestAnAttackedDeviceFallsSilentAndComesBack(t *testing.T) {
	_, r, truth := run(t, Options{Group: group(t, 4), Length: 30 * time.Second, Attacks: attacks(t, "inject@2,device=2,from=3s,for=2s")})
	if r.Silent[can.SenderLostOrLeft] == 0 || r.Silent[can.SignatureWrong] > 0 {
		t.Errorf("silent devices %v", r.Silent)
	}
	last := truth[len(truth)-1].Time
	back := 0
	for _, w := range truth {
		if w.By == 2 && w.State == Grouped && w.Time > last-5e9 {
			back++
		}
	}
	if back < 500 {
		t.Errorf("%d frames of device 2 in the group in the last 5 s", back)
	}
}

// When all are silent no cycle opens: nobody is lost, and the last key stays.
func TestAGroupThatIsAllSilentKeepsItsLastKey(t *testing.T) {
	_, r, truth := run(t, Options{Group: group(t, 3), Length: 20 * time.Second, Attacks: attacks(t, "inject@20,from=3s")})
	last := int64(0)
	for _, w := range truth {
		if w.What == Heartbeat {
			last = w.Time
		}
	}
	if last > start+8e9 || r.Silent[can.Authentic] < 1000 || r.Silent[can.SenderLostOrLeft] > 0 {
		t.Errorf("last heartbeat after %v, silent devices %v", time.Duration(last-start), r.Silent)
	}
}

// Under guessing the honest frames of a sender are marked, not doubted.
func TestUnderGuessingHonestFramesAreMarked(t *testing.T) {
	_, r, _ := run(t, Options{Group: group(t, 3), Length: 10 * time.Second, Attacks: attacks(t, "guess@50,device=1,from=3s"), Quiet: true})
	if r.Listed[can.AuthenticUnderGuessing] == 0 || r.Attacks[Guess][can.SignatureWrong] == 0 {
		t.Errorf("honest %v, guesses %v", r.Listed, r.Attacks[Guess])
	}
	for _, p := range r.Problems(0.999) {
		t.Error(p)
	}
}

// A message that is held back as a whole is authentic when it comes: the profile
// knows no time within a key (docs/threats.md).
func TestAMessageHeldBackAsAWholeIsAuthentic(t *testing.T) {
	_, _, truth := run(t, Options{Group: group(t, 2), Length: 4 * time.Second})
	n := len(truth) - 2
	for truth[n].What != Preamble || truth[n].By != 1 {
		n--
	}
	held, g := []Truth{truth[n], truth[n+1]}, group(t, 2)
	trial, err := NewTrial(&g)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		trial.Hear(&can.Event{Time: truth[i].Time, Frame: truth[i].Frame})
	}
	for i, w := range held {
		trial.Hear(&can.Event{Time: w.Time + 90e6 + int64(i), Frame: w.Frame})
	}
	if v := trial.Log[len(trial.Log)-1].Verdict; v != can.Authentic {
		t.Errorf("%v", v)
	}
}

// Whoever takes five sequences in a row from a sender of AES pairs has put its
// numbers beyond the window in which receivers look for them (P1.10): its honest
// pairs are "signature wrong" until the next key.
func TestWeaknessSequencesTakenOnTheWayBlindAESPairsUntilTheNextKey(t *testing.T) {
	pair, err := ParseMessage("0x123@50,producer=1,cipher=aes")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ParseMessage("0x124@20,producer=2")
	if err != nil {
		t.Fatal(err)
	}
	_, r, _ := run(t, Options{Group: group(t, 2, pair, other), Length: 12 * time.Second, Attacks: attacks(t, "drop@1000,device=1,from=5s,for=200ms"), Quiet: true})
	wrong, right := r.Listed[can.SignatureWrong], r.Listed[can.Authentic]
	if wrong == 0 || wrong > 2*50 || right < 10*wrong {
		t.Errorf("honest frames %v", r.Listed)
	}
}

func attacks(t testing.TB, texts ...string) (list []Attack) {
	t.Helper()
	for _, text := range texts {
		a, err := ParseAttack(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// told logs a report.
func told(t testing.TB, r *Report) {
	var b strings.Builder
	r.Text(&b)
	t.Log("\n" + b.String())
}
