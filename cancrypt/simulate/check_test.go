package simulate

import (
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// honestPair is a preamble and its message of device 1 at a time, ms.
func honestPair(ms int64, b byte) []Truth {
	p := cancrypt.Preamble{Count: 1, Word: 0x123, Seq: b & 63}
	data := p.Bytes()
	at := start + ms*1e6
	return []Truth{
		{Time: at, Kind: Honest, What: Preamble, By: 1, Sender: 1, State: Grouped, Frame: frameOf(0x171, data[:])},
		{Time: at + 2e5, Kind: Honest, What: Data, By: 1, Sender: 1, State: Grouped, Frame: frameOf(0x123, []byte{b})},
	}
}

func logOf(truth []Truth, v can.Verdict) (log []Judged) {
	for _, w := range truth {
		log = append(log, Judged{w.Time, w.Frame, v})
	}
	return log
}

// The comparison must be able to fail.
func TestTheComparisonFindsWhatIsWrong(t *testing.T) {
	honest := append(honestPair(0, 1), honestPair(100, 2)...)
	forged := Truth{Time: start + 50e6, Kind: Inject, What: Data, Sender: 1, Frame: frameOf(0x123, []byte{9})}
	good := Judged{forged.Time, forged.Frame, can.MessageWithoutPreamble}
	for name, c := range map[string]struct {
		change func(log []Judged) []Judged
		want   string
	}{
		"all well":                   {func(l []Judged) []Judged { return append(l, good) }, ""},
		"an attack that passed":      {func(l []Judged) []Judged { return append(l, Judged{good.Time, good.Frame, can.Authentic}) }, "1 frames of inject passed"},
		"an attack with other codes": {func(l []Judged) []Judged { return append(l, Judged{good.Time, good.Frame, can.SignatureWrong}) }, `0 of 1 frames of inject are called "message without preamble"`},
		"honest frames in doubt":     {func(l []Judged) []Judged { l[3].Verdict = can.SignatureWrong; return append(l, good) }, "75.000 %"},
		"nothing judged":             {func([]Judged) []Judged { return []Judged{good} }, "no honest listed frame"},
	} {
		r := Compare(c.change(logOf(honest, can.Authentic)), append(honest, forged), time.Millisecond)
		got := strings.Join(r.Problems(0.999), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Frames of equal bytes are told apart by their times; what one list lacks is
// counted.
func TestFramesOfEqualBytesAreToldApart(t *testing.T) {
	truth := append(honestPair(0, 1), honestPair(5, 2)...)
	again := honestPair(5, 1)
	for i := range again {
		again[i].Kind, again[i].By, again[i].Time = Replay, 0, again[i].Time+1e6
	}
	truth = append(truth, again...)
	log := append(logOf(truth[:4], can.Authentic), logOf(again, can.Replayed)...)
	r := Compare(log, truth, time.Millisecond)
	if r.Listed[can.Authentic] != 4 || r.Attacks[Replay][can.Replayed] != 2 || r.Strange+r.Missing > 0 {
		t.Errorf("%+v", r)
	}
	r = Compare(append(log[:3:3], log[4:]...), append(truth[:4:4], again[1]), time.Millisecond)
	if r.Missing != 1 || r.Strange != 1 {
		t.Errorf("%d missing, %d strange: one is lacking in each", r.Missing, r.Strange)
	}
}

func TestSequencesThatNoJudgeCanFindAuthentic(t *testing.T) {
	attack := Truth{Time: start + 1e5, Kind: Guess, What: Data, Sender: 1, Frame: frameOf(0x123, nil)}
	other := attack
	other.Sender = 2
	late, waited := honestPair(0, 1), honestPair(0, 1)
	late[1].Time += 11e6
	waited[0].Waited = 30e6
	for name, c := range map[string]struct {
		truth []Truth
		want  int
	}{
		"in peace":                      {honestPair(0, 1), 0},
		"an attack between":             {[]Truth{honestPair(0, 1)[0], attack, honestPair(0, 1)[1]}, 2},
		"an attack in another's name":   {[]Truth{honestPair(0, 1)[0], other, honestPair(0, 1)[1]}, 0},
		"an attack before":              {append([]Truth{attack}, honestPair(1, 1)...), 0},
		"a message that came too late":  {late, 2},
		"a preamble that waited":        {waited, 2},
		"the one after a disturbed one": {append([]Truth{honestPair(0, 1)[0], attack, honestPair(0, 1)[1]}, honestPair(20, 2)...), 2},
	} {
		if got := len(disturbed(c.truth)); got != c.want {
			t.Errorf("%s: %d disturbed, wanted %d", name, got, c.want)
		}
	}
}
