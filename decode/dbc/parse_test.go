package dbc

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// whole is a file without faults.
const whole = `VERSION "1"
NS_ :
	CM_
	BA_

BS_:
BU_: ECU Tester
BO_ 256 Engine: 8 ECU
 SG_ Speed : 0|16@1+ (0.25,0) [0|16383.75] "rpm" Tester
 SG_ Gear : 16|4@1- (1,0) [-8|7] "" Tester
BO_ 257 Brake: 4 ECU
 SG_ Pressure : 7|16@0+ (0.1,-5) [0|100] "bar" Tester
CM_ BO_ 256 "of the engine";
CM_ SG_ 256 Speed "turns
in a minute";
VAL_ 256 Gear -1 "R" 0 "N" 1 "1" ;
`

func parse(t *testing.T, text string) (*File, string) {
	t.Helper()
	f, warnings := Parse("x.dbc", []byte(text))
	lines := make([]string, len(warnings))
	for i, w := range warnings {
		lines[i] = w.String()
	}
	return f, strings.Join(lines, "\n")
}

// shape names the messages and signals that a file has.
func shape(f *File) string {
	var b strings.Builder
	for _, m := range f.Messages {
		fmt.Fprintf(&b, "%s(", m.Name)
		for i, s := range m.Signals {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(s.Name)
		}
		b.WriteString(")")
	}
	return b.String()
}

func TestOneBadItemCostsThatItem(t *testing.T) {
	for name, c := range map[string]struct{ old, new, shape, warning string }{
		"nothing bad":             {"", "", "Engine(Speed Gear)Brake(Pressure)", ""},
		"no length":               {"0|16@1+", "0|@1+", "Engine(Gear)Brake(Pressure)", `line 9: want a length in bits, got "@1+ (0.25,0) [0|"`},
		"no bits":                 {"0|16@1+", "0|0@1+", "Engine(Gear)Brake(Pressure)", "line 9: signal Engine.Speed is left out: 0 bits are no number; 1-64 are"},
		"too many bits":           {"0|16@1+", "0|65@1+", "Engine(Gear)Brake(Pressure)", "line 9: signal Engine.Speed is left out: 65 bits are no number; 1-64 are"},
		"outside of the message":  {"7|16@0+", "23|17@0+", "Engine(Speed Gear)Brake()", "line 12: signal Brake.Pressure is left out: it does not fit in the message of 4 bytes"},
		"no factor":               {"(0.25,0)", "(x,0)", "Engine(Gear)Brake(Pressure)", `line 9: want a number, got "x,0) [0|16383.75"`},
		"no byte order":           {"0|16@1+", "0|16@2+", "Engine(Gear)Brake(Pressure)", `line 9: want byte order and sign: 0+, 0-, 1+ or 1-, got "2+ (0.25,0) [0|1"`},
		"no limits":               {"[0|16383.75]", "[a|b]", "Engine(Speed Gear)Brake(Pressure)", "line 9: signal Speed: the limits [a|b] are not numbers"},
		"a unit without end":      {`"rpm"`, `"rpm`, "Engine(Gear)Brake(Pressure)", `line 9: want a text with quotation marks at both ends, got " \"rpm Tester\n SG"`},
		"the same signal twice":   {"Gear :", "Speed :", "Engine(Speed)Brake(Pressure)", "line 10: signal Engine.Speed is left out: the message has one of this name\nline 16: message Engine has no signal Gear"},
		"the same number twice":   {"257", "256", "Engine(Speed Gear)", "line 11: message Brake is left out: Engine has its identifier"},
		"an identifier too large": {"256 Engine", "2048 Engine", "Brake(Pressure)", "line 8: message Engine (number 2048) is left out: its identifier has more than 11 bits, and bit 31 is not set"},
		"30 bits of identifier":   {"257 Brake", "3221225729 Brake", "Engine(Speed Gear)", "line 11: message Brake (number 3221225729) is left out: its identifier has more than 29 bits"},
		"a message too long":      {"Brake: 4", "Brake: 5000", "Engine(Speed Gear)", "line 11: message Brake (number 257) is left out: it is longer than 4095 bytes"},
		"no name":                 {"257 Brake", "257 ", "Engine(Speed Gear)", `line 11: want the name of a message, got ": 4 ECU\n SG_ Pre"`},
		"a word unknown":          {"BS_:", "HELLO you", "Engine(Speed Gear)Brake(Pressure)", `line 6: want a keyword, got "HELLO you\nBU_: E"`},
		"no such message":         {"CM_ BO_ 256", "CM_ BO_ 299", "Engine(Speed Gear)Brake(Pressure)", "line 13: there is no message of number 299"},
		"no such signal":          {"VAL_ 256 Gear", "VAL_ 256 Cog", "Engine(Speed Gear)Brake(Pressure)", "line 16: message Engine has no signal Cog"},
		"a float of 16 bits":      {"VAL_ 256 Gear", "SIG_VALTYPE_ 256 Speed : 1; VAL_ 256 Gear", "Engine(Gear)Brake(Pressure)", "line 16: signal Engine.Speed is left out: no float of type 1 has 16 bits"},
		"a mark unknown":          {"Gear :", "Gear q1 :", "Engine(Speed)Brake(Pressure)", `line 10: want M or m with a number, got "q1 : 16|4@1- (1,"`},
		"no multiplexer":          {"Gear :", "Gear m1 :", "Engine(Speed)Brake(Pressure)", `line 10: signal Engine.Gear is left out: its multiplexer "" is missing, below itself, or too deep`},
		"no semicolons":           {";", "", "Engine(Speed Gear)Brake(Pressure)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(whole, c.old, c.new)
			if c.old == "" {
				text = whole
			}
			f, warnings := parse(t, text)
			if got := shape(f); got != c.shape {
				t.Errorf("left are %s, want %s", got, c.shape)
			}
			if !strings.HasPrefix(warnings, c.warning) || c.warning == "" && warnings != "" {
				t.Errorf("warnings:\n%s\nwant:\n%s", warnings, c.warning)
			}
		})
	}
}

func TestLineEndsAndMarksOfTheEditorDoNotMatter(t *testing.T) {
	want, _ := Parse("x.dbc", []byte(whole))
	for name, text := range map[string]string{
		"CRLF":            strings.ReplaceAll(whole, "\n", "\r\n"),
		"byte order mark": "\ufeff" + whole,
		"remarks":         "// of mine\n" + strings.ReplaceAll(whole, "BO_ 257", "// here\nBO_ 257"),
		"spaces":          strings.ReplaceAll(strings.ReplaceAll(whole, ":", " : "), "@", " @ "),
	} {
		f, warnings := parse(t, text)
		if warnings != "" || shape(f) != shape(want) || f.Messages[0].Comment != "of the engine" {
			t.Errorf("%s: %s, %q", name, shape(f), warnings)
		}
	}
}

func TestTextIsUTF8OrElseCP1252(t *testing.T) {
	for _, c := range []struct {
		unit     string
		told     Encoding
		want     string
		encoding Encoding
	}{
		{"°C", Detect, "°C", UTF8},
		{"\xb0C", Detect, "°C", CP1252},
		{"\x80/l \x81", Detect, "€/l \u0081", CP1252},
		{"°C", CP1252, "Â°C", CP1252},
		{"\xb0C", UTF8, "\ufffdC", UTF8},
	} {
		f, _ := ParseIn("x.dbc", []byte(strings.ReplaceAll(whole, "rpm", c.unit)), c.told)
		if got := f.Messages[0].Signals[0].Unit; got != c.want || f.Encoding != c.encoding {
			t.Errorf("%q is %q in %s, want %q in %s", c.unit, got, f.Encoding, c.want, c.encoding)
		}
	}
}

func TestQuotationMarksWithinTexts(t *testing.T) {
	f, warnings := parse(t, strings.ReplaceAll(whole, "of the engine", `of \"the\" engine; C:\dir`))
	if got := f.Messages[0].Comment; got != `of "the" engine; C:\dir` || warnings != "" {
		t.Errorf("%q, %s", got, warnings)
	}
}

func TestValueDescriptions(t *testing.T) {
	f, warnings := parse(t, strings.ReplaceAll(whole, `VAL_ 256 Gear -1 "R" 0 "N" 1 "1" ;`,
		"VAL_ 256 Speed Gears;\nVAL_TABLE_ Gears 18446744073709551615 \"all\" 3 \"x\" 3 \"third\" 2.0 \"second\" ;\nVAL_ AnyVariable 1 \"x\" ;"))
	speed := f.Messages[0].Signals[0]
	for raw, want := range map[int64]string{-1: "all", 2: "second", 3: "third", 4: ""} {
		if got, ok := speed.Text(raw); got != want || ok != (want != "") {
			t.Errorf("%d is %q, want %q", raw, got, want)
		}
	}
	if warnings != "" || len(f.Tables) != 1 {
		t.Errorf("%d tables, warnings %q", len(f.Tables), warnings)
	}
}

// nested is a message whose signals hang on each other: S0 is the multiplexer
// of S1, that of S2, and so on.
func nested(depth int) string {
	var signals, values strings.Builder
	for i := range depth + 1 {
		mark := "m1M"
		if i == 0 {
			mark = "M"
		}
		fmt.Fprintf(&signals, " SG_ S%d %s : %d|1@1+ (1,0) [0|0] \"\" A\n", i, mark, i)
		if i > 0 {
			fmt.Fprintf(&values, "SG_MUL_VAL_ 1 S%d S%d 1-1;\n", i, i-1)
		}
	}
	return "BO_ 1 M: 8 A\n" + signals.String() + values.String()
}

func TestMultiplexersAreBoundedInDepth(t *testing.T) {
	if f, warnings := parse(t, nested(16)); len(f.Messages[0].Signals) != 17 || warnings != "" {
		t.Errorf("16 levels: %s, %s", shape(f), warnings)
	}
	if f, warnings := parse(t, nested(18)); len(f.Messages[0].Signals) != 17 || strings.Count(warnings, "too deep") != 2 {
		t.Errorf("18 levels: %s, %s", shape(f), warnings)
	}
}

func TestMultiplexersThatDependOnThemselvesAreLeftOut(t *testing.T) {
	f, warnings := parse(t, nested(3)+"SG_MUL_VAL_ 1 S1 S3 1-1;\n")
	if shape(f) != "M(S0)" || strings.Count(warnings, "below itself") != 3 {
		t.Errorf("%s, %s", shape(f), warnings)
	}
}

func TestExtendedMultiplexing(t *testing.T) {
	f, warnings := parse(t, nested(1)+"SG_MUL_VAL_ 1 S1 S0 0-0, 3-5,9-9;\n")
	mux := f.Messages[0].Signals[1].Mux
	if warnings != "" || mux == nil || mux.Signal != 0 || !slices.Equal(mux.Ranges, []Range{{0, 0}, {3, 5}, {9, 9}}) {
		t.Fatalf("%+v, %s", mux, warnings)
	}
	for v, want := range map[uint64]bool{0: true, 1: false, 2: false, 3: true, 5: true, 6: false, 9: true} {
		if mux.Holds(v) != want {
			t.Errorf("%d selects: %v, want %v", v, !want, want)
		}
	}
}

func TestNumbersBeyondTheRangeAreInfinite(t *testing.T) {
	f, _ := parse(t, strings.ReplaceAll(whole, "[0|16383.75]", "[-1e999|+3.4E+038]"))
	if s := f.Messages[0].Signals[0]; !math.IsInf(s.Min, -1) || s.Max != 3.4e38 {
		t.Errorf("limits %v to %v", s.Min, s.Max)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	_, warnings := Parse("x.dbc", []byte(strings.Repeat("SG_ x\n", 5000)))
	if len(warnings) != maxWarnings+1 || warnings[maxWarnings].Text != "and 4000 more up to here" {
		t.Errorf("%d warnings, the last one %q", len(warnings), warnings[len(warnings)-1])
	}
}

func TestTheHashIsThatOfTheBytes(t *testing.T) {
	f, _ := parse(t, "")
	if f.SHA256 != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(f.SHA256)
	}
}
