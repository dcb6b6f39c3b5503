package cancrypt

import (
	"testing"

	"canseal/can"
)

// mutate applies a script to a trace: each 5 bytes are an action, a place and a
// change. altered are the frames whose identity or content differs from what was
// sent, in the result's order.
func mutate(frames []can.Event, script []byte) (out []can.Event, altered map[int]bool) {
	changes := map[int][][]byte{}
	for ; len(script) >= 5; script = script[5:] {
		at := (int(script[1])<<8 | int(script[2])) % len(frames)
		changes[at] = append(changes[at], script[:5])
	}
	altered = map[int]bool{}
	var delay int64
	for i := range frames {
		e := frames[i]
		kept, copies, changed := true, 1, false
		for _, c := range changes[i] {
			switch c[0] % 6 {
			case 0:
				if e.Frame.Len > 0 {
					e.Frame.Data[int(c[3])%int(e.Frame.Len)] ^= c[4]
					changed = changed || c[4] != 0
				}
			case 1:
				kept = false
			case 2:
				copies += int(c[3])%3 + 1
			case 3:
				delay += int64(c[3]) * millisecond / 4
			case 4:
				e.Frame.ID ^= uint32(c[4])
				changed = changed || c[4] != 0
			case 5:
				n := c[3] % 9
				changed = changed || n != e.Frame.Len
				e.Frame.Len, e.Frame.DLC = n, n
				clear(e.Frame.Data[n:])
			}
		}
		if !kept {
			continue
		}
		e.Time += delay
		for range copies {
			altered[len(out)] = changed
			out = append(out, e)
			e.Time += 1000
		}
	}
	return out, altered
}

// Whole traces, changed at will: no panic, bounded memory, and no altered frame
// is authentic, but for a guess of 16 bits.
func FuzzTraces(f *testing.F) {
	f.Add(uint8(0), []byte{0, 10, 10, 3, 1})
	f.Add(uint8(1), []byte{1, 1, 1, 1, 1, 2, 5, 5, 5, 5, 3, 4, 4, 255, 0})
	f.Add(uint8(2), []byte{4, 2, 0, 0, 8, 5, 2, 200, 3, 0})
	type trace struct {
		frames []can.Event
		o      JudgeOptions
	}
	var all []trace
	for _, name := range traceNames {
		frames := traceFrames(f, name)
		all = append(all, trace{frames[:min(len(frames), 1200)], traceOptions(f, name)})
	}
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		c := all[int(which)%len(all)]
		frames, altered := mutate(c.frames, script)
		c.o.Repair = which&128 != 0
		j, err := NewJudge(c.o)
		if err != nil {
			t.Fatal(err)
		}
		settled, _, _, _ := verdicts(j, frames)
		lucky := 0
		for i, v := range settled {
			if altered[i] && (v == can.Authentic || v == can.AuthenticUnderGuessing) {
				lucky++
			}
		}
		if lucky > 2 { // the frames of one lucky guess
			t.Errorf("%d altered frames are authentic", lucky)
		}
		if len(j.candidates) > maxCandidates || len(j.held) > maxPending || len(j.warned) > maxPending {
			t.Error("no bound")
		}
	})
}

// The same with a fixed set of changes, each alone: every byte of a pair, and
// every frame left out or doubled, and nothing but what was touched is blamed for
// long.
func TestEachChangeOfATraceIsSeen(t *testing.T) {
	name := "clean-small"
	all := traceFrames(t, name)[:1500]
	want, _ := traceExpected(t, name)
	o := traceOptions(t, name)
	seen := 0
	for place := 700; place < 730; place++ {
		for at := range uint8(8) {
			script := []byte{0, byte(place >> 8), byte(place), at, 0x10}
			frames, altered := mutate(all, script)
			j, err := NewJudge(o)
			if err != nil {
				t.Fatal(err)
			}
			settled, _, _, _ := verdicts(j, frames)
			if altered[place] && settled[place] == can.Authentic {
				t.Errorf("frame %d, byte %d changed: authentic", place, at)
			}
			if can.Verdict(want[place].Code) == can.Authentic && settled[place] != can.Authentic {
				seen++
			}
			for i := place + 100; i < len(settled); i++ {
				if w := can.Verdict(want[i].Code); settled[i] != w && settled[i] != can.Pending && settled[i] != can.NotJudged {
					t.Fatalf("frame %d changed: frame %d is %v, wanted %v", place, i, settled[i], w)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no authentic frame was changed")
	}
}
