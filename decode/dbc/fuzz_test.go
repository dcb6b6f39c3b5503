package dbc

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"canseal/internal/samples"
)

// hostile are texts that would make a careless reader slow or large.
var hostile = map[string]string{
	"texts within texts":     "BA_DEF_ \"A\" ENUM \"\n",
	"texts without end":      "CM_ \"\\\"\n\\\"",
	"a long word":            "x",
	"multiplexers":           " SG_ a m1M : 0|1@1+ (1,0) [0|0] \"\" A\n",
	"empty lines":            "\n",
	"senders":                "BO_TX_BU_ 1 : a,b,c,d;\n",
	"tables":                 "VAL_TABLE_ t 1 \"x\";\nVAL_ 1 s t;\n",
	"messages":               "BO_ 1 M: 8 A\nSG_ s : 0|8@1+ (1,0) [0|0] \"\" A\n",
	"names":                  "BU_: a b c d\n",
	"attributes":             "BA_ \"a\" BO_ 1 1;\nBA_DEF_DEF_ \"a\" 1;\n",
	"opened":                 "BO_ 1 M: 8 A\nSG_ s : 0|8@1+ (1,0) [0|0] \"\n",
	"symbols":                "NS_ :\nCM_\n",
	"quotation marks":        "\"",
	"semicolons":             ";",
	"values of multiplexers": "SG_MUL_VAL_ 1 s m 1-1, 2-2, 3-3;\n",
}

func TestHostileTextsTakeTimeAndMemoryInProportion(t *testing.T) {
	for name, piece := range hostile {
		t.Run(name, func(t *testing.T) {
			checkedParse(t, []byte("BO_ 1 M: 8 A\n"+strings.Repeat(piece, 1<<20/len(piece))))
		})
	}
}

// checkedParse parses, and holds the result to what the package promises.
func checkedParse(t *testing.T, text []byte) *File {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, warnings := Parse("x.dbc", text)
	runtime.ReadMemStats(&after)
	if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+200*len(text)); used > most {
		t.Errorf("%d bytes allocated for a text of %d; %d are the most", used, len(text), most)
	}
	if len(warnings) > maxWarnings+1 {
		t.Errorf("%d warnings", len(warnings))
	}
	for _, m := range f.Messages {
		checkMessage(t, m)
	}
	return f
}

func checkMessage(t *testing.T, m *Message) {
	t.Helper()
	names := map[string]bool{}
	for i := range m.Signals {
		s := &m.Signals[i]
		if names[s.Name] {
			t.Errorf("two signals %s.%s", m.Name, s.Name)
		}
		names[s.Name] = true
		if s.Length < 1 || s.Length > 64 || s.First() < 0 || s.Bytes() > m.Length {
			t.Errorf("%s.%s: %d bits from %d in %d bytes", m.Name, s.Name, s.Length, s.Start, m.Length)
		}
		if s.Kind == Float32 && s.Length != 32 || s.Kind == Float64 && s.Length != 64 {
			t.Errorf("%s.%s: a float of %d bits", m.Name, s.Name, s.Length)
		}
		if !slices.IsSortedFunc(s.Choices, func(a, b Choice) int { return cmp.Compare(a.Value, b.Value) }) {
			t.Errorf("%s.%s: descriptions out of order", m.Name, s.Name)
		}
		checkMux(t, m, s)
	}
}

// checkMux walks up to a signal that is always present.
func checkMux(t *testing.T, m *Message, s *Signal) {
	t.Helper()
	for depth := 0; s.Mux != nil; depth++ {
		if depth > maxDepth || s.Mux.Signal >= len(m.Signals) || !m.Signals[s.Mux.Signal].Multiplexer {
			t.Fatalf("%s.%s: no way up", m.Name, s.Name)
		}
		s = &m.Signals[s.Mux.Signal]
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(nested(3)))
	for _, piece := range hostile {
		f.Add([]byte(strings.Repeat(piece, 3)))
	}
	for _, name := range []string{"issue_184_extended_mux_multiple_values", "long_names", "floating_point", "choices"} {
		if text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "samples", "cantools-dbc", name+".dbc")); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkedParse(t, text) })
}

func BenchmarkParse(b *testing.B) {
	text := samples.Read(b, "kuksa-can-provider/Model3CAN.dbc")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Parse("Model3CAN.dbc", text)
	}
}
