package cancrypt

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"canseal/can"
)

const traces = "../testdata/cancrypt/traces/"

// config is the part of a trace's keys file that a judge needs.
type config struct {
	Keys    map[string]string
	Devices []uint8
	Control struct {
		Base     string
		Extended bool
	}
	Timing struct{ Event int64 } `json:"timing_ms"`
	Table  string                `json:"table_bytes"`
}

// expected is one line of what a trace demands.
type expected struct {
	Type, T, Event, Dyn string
	Line, Code, Sender  int
	Counter             int
	Epoch               int
}

func (e *expected) time(t testing.TB) int64 {
	sec, micro, _ := strings.Cut(e.T, ".")
	s, err := strconv.ParseInt(sec+micro, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return s * 1000
}

func traceOptions(t testing.TB, name string) JudgeOptions {
	t.Helper()
	file, err := os.ReadFile(traces + name + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := json.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	table, err := ParseTable(raw(c.Table))
	if err != nil {
		t.Fatal(err)
	}
	control := Word(number(c.Control.Base))
	if c.Control.Extended {
		control |= Extended
	}
	return JudgeOptions{
		Table: table, Members: c.Devices, KeyID: 3, Key: fixed[Key](c.Keys["3"]), Methods: NewMethods(PadSpeck, SpeckMAC),
		Control: control, Event: c.Timing.Event * millisecond,
	}
}

func traceFrames(t testing.TB, name string) (events []can.Event) {
	t.Helper()
	file, err := os.ReadFile(traces + name + ".log")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		var e can.Event
		if _, err := can.ParseCandump(bytes.TrimSpace(line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func traceExpected(t testing.TB, name string) (frames, events []expected) {
	t.Helper()
	file, err := os.Open(traces + name + ".expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e expected
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case "frame":
			frames = append(frames, e)
		case "event":
			events = append(events, e)
		}
	}
	return frames, events
}

// verdicts runs a judge over frames; settled says what each became in the end.
func verdicts(j *Judge, frames []can.Event) (settled []can.Verdict, events []SecurityEvent, proven [][8]byte, keys []string) {
	var out Out
	settled = make([]can.Verdict, len(frames))
	pending := map[string]int{}
	name := func(time int64, w Word) string { return fmt.Sprint(time, w) }
	key := uint32(0)
	take := func() {
		for _, l := range out.Late {
			settled[pending[name(l.Time, l.Word)]] = l.Verdict
		}
		events, proven = append(events, out.Events...), append(proven, out.Proven...)
		out.Reset()
		if g := &j.candidates[0].group; g.curKey != key {
			key = g.curKey
			keys = append(keys, fmt.Sprint(g.updated/1000, " ", g.cur.Number, " ", hex.EncodeToString(g.cur.Dyn[:])))
		}
	}
	for i := range frames {
		if v := j.Frame(&frames[i], &out); v == can.Pending {
			pending[name(frames[i].Time, WordOf(&frames[i].Frame))] = i
			settled[i] = v
		} else {
			settled[i] = v
		}
		take()
	}
	return settled, events, proven, keys
}

var traceNames = []string{"clean-small", "streams", "attack-forge", "attack-replay", "attack-silent"}

var eventNames = map[string]EventKind{
	"join": Join, "group key": GroupKey, "member lost": MemberLost, "member back": MemberBack, "member left": MemberLeft,
}

func TestTracesFrameByFrame(t *testing.T) {
	for _, name := range traceNames {
		t.Run(name, func(t *testing.T) {
			frames := traceFrames(t, name)
			j, err := NewJudge(traceOptions(t, name))
			if err != nil {
				t.Fatal(err)
			}
			got, events, proven, keys := verdicts(j, frames)
			want, wantEvents := traceExpected(t, name)
			if len(want) != len(got) {
				t.Fatalf("%d frames, %d expected", len(got), len(want))
			}
			differ := 0
			for i, w := range want {
				if w.Line != i+1 || int(got[i]) != w.Code {
					if differ++; differ <= 10 {
						t.Errorf("line %d: %v, want %v", w.Line, got[i], can.Verdict(w.Code))
					}
				}
			}
			compareEvents(t, events, keys, wantEvents)
			if len(proven) != 1 {
				t.Errorf("%d start keys to remember, want 1", len(proven))
			}
			t.Logf("%d frames, %d differ; %d key updates", len(got), differ, len(keys))
		})
	}
}

func compareEvents(t *testing.T, got []SecurityEvent, keys []string, want []expected) {
	t.Helper()
	var wanted, have, wantedKeys []string
	for _, w := range want {
		at := w.time(t)
		switch {
		case w.Event == "key update" || w.Event == "group key":
			wantedKeys = append(wantedKeys, fmt.Sprint(at/1000, " ", w.Epoch, " ", w.Dyn))
		}
		if w.Event != "key update" {
			wanted = append(wanted, fmt.Sprint(at/1000, " ", int(eventNames[w.Event])+w.Counter, " ", w.Sender))
		}
	}
	for _, e := range got {
		have = append(have, fmt.Sprint(e.Time/1000, " ", int(e.Kind), " ", e.Sender))
	}
	if !slices.Equal(have, wanted) {
		t.Errorf("events\n%v, want\n%v", have, wanted)
	}
	if !slices.Equal(keys, wantedKeys) {
		t.Errorf("keys\n%v, want\n%v", keys, wantedKeys)
	}
}
