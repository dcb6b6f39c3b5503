package decode

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"testing"

	"canseal/can"
	"canseal/decode/dbc"
	"canseal/internal/samples"
)

// vectorLine is a line of expected/dbc-vectors: payloads of one message and
// what cantools and a second, separate bit extraction make of them.
type vectorLine struct {
	DBC, Message string
	ID           uint32
	Extended     bool
	Vectors      []vector
}

type vector struct {
	Kind, Data string
	Raw        map[string]json.RawMessage
	Phys       map[string]json.RawMessage
	Text       map[string]string
}

// TestEveryVectorIsDecodedToTheBit compares each value of each payload, taken
// alone and in a column with all payloads of its message.
func TestEveryVectorIsDecodedToTheBit(t *testing.T) {
	lines := samples.Lines[vectorLine](t, "expected/dbc-vectors.jsonl.gz")
	files := map[string]*dbc.File{}
	payloads, values, texts := 0, 0, 0
	for _, line := range lines {
		if files[line.DBC] == nil {
			files[line.DBC], _ = dbc.Parse(line.DBC, samples.Read(t, line.DBC))
		}
		m := exactMessage(t, files[line.DBC], line.ID, line.Extended)
		payloads += len(line.Vectors)
		for _, v := range line.Vectors {
			n, described := compareVector(t, m, v)
			values += n
			texts += described
		}
		compareColumns(t, m, line.Vectors)
	}
	if payloads != 6721 || values != 26741 || texts != 5600 {
		t.Errorf("%d payloads, %d values, %d texts; want 6721, 26741, 5600", payloads, values, texts)
	}
}

func exactMessage(t *testing.T, f *dbc.File, id uint32, extended bool) *Message {
	t.Helper()
	plan, err := NewPlan("", []Rule{{File: f}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	flags := can.Flags(0)
	if extended {
		flags = can.Extended
	}
	m := plan.Message(1, id, flags)
	if m == nil {
		t.Fatalf("%s: no message %X", f.Name, id)
	}
	return m
}

func compareVector(t *testing.T, m *Message, v vector) (values, texts int) {
	t.Helper()
	for i, got := range m.Decode(nil, payload(t, v), 0) {
		s := &m.Signals[i]
		raw, want := v.Raw[s.Name]
		if (got.State == Present) != want {
			t.Errorf("%s.%s of %s: %v", m.Name, s.Name, v.Data, got.State)
			continue
		}
		if !want {
			continue
		}
		values++
		if !equalRaw(t, m, i, got.Raw, raw) {
			t.Errorf("%s.%s of %s: raw %d, want %s", m.Name, s.Name, v.Data, got.Raw, raw)
		}
		if w := number(t, v.Phys[s.Name]); !equalFloats(got.Phys, w) {
			t.Errorf("%s.%s of %s: %v, want %v", m.Name, s.Name, v.Data, got.Phys, w)
		}
		text, _ := m.Text(i, got.Raw)
		if text != v.Text[s.Name] {
			t.Errorf("%s.%s of %s: text %q, want %q", m.Name, s.Name, v.Data, text, v.Text[s.Name])
		}
		if _, ok := v.Text[s.Name]; ok {
			texts++
		}
	}
	return values, texts
}

func payload(t *testing.T, v vector) []byte {
	t.Helper()
	data, err := hex.DecodeString(v.Data)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// plain returns a JSON number or text as it stands.
func plain(j json.RawMessage) string {
	var s string
	if json.Unmarshal(j, &s) == nil {
		return s
	}
	return string(j)
}

func number(t *testing.T, j json.RawMessage) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(plain(j), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// equalRaw compares whole numbers as text, the numbers of float signals as such.
func equalRaw(t *testing.T, m *Message, i int, raw int64, want json.RawMessage) bool {
	t.Helper()
	switch s := &m.Signals[i]; s.Kind {
	case dbc.Unsigned:
		return strconv.FormatUint(uint64(raw), 10) == plain(want)
	case dbc.Signed:
		return strconv.FormatInt(raw, 10) == plain(want)
	}
	return equalFloats(m.signals[i].float(raw), number(t, want))
}

// equalFloats wants the same bits, but of not-a-numbers.
func equalFloats(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// compareColumns decodes all payloads as batches, and wants what Decode gives.
func compareColumns(t *testing.T, m *Message, vectors []vector) {
	t.Helper()
	plan := &Plan{}
	plan.buses[0] = newIndex()
	plan.buses[0].add(m)
	seen := 0
	d := New(Options{Plan: plan, Rows: 7, Transport: TransportOptions{Off: true}, Batch: func(b *Batch) error {
		compareBatch(t, b, vectors[seen:seen+b.Len()])
		seen += b.Len()
		return nil
	}})
	flags := can.Flags(0)
	if m.Extended {
		flags = can.Extended
	}
	for i, v := range vectors {
		if fate, _ := d.Add(&Frame{Time: int64(i), Bus: 1, ID: m.ID, Flags: flags, Data: payload(t, v)}); fate != Decoded {
			t.Fatalf("%s: %v", m.Name, fate)
		}
	}
	if d.Flush(); seen != len(vectors) {
		t.Errorf("%s: %d of %d rows", m.Name, seen, len(vectors))
	}
}

func compareBatch(t *testing.T, b *Batch, vectors []vector) {
	t.Helper()
	columns := make([][]Value, b.Len())
	for i := range b.Message.Signals {
		states, all := b.States(i, nil)
		raw, phys := b.Raw(i, nil), b.Phys(i, nil)
		for row := range columns {
			columns[row] = append(columns[row], Value{states[row], raw[row], phys[row]})
		}
		if all != !slices.ContainsFunc(states, func(s State) bool { return s != Present }) {
			t.Errorf("%s, signal %d: all is %v of %v", b.Message.Name, i, all, states)
		}
	}
	for row, got := range columns {
		want := b.Message.Decode(nil, payload(t, vectors[row]), 0)
		if !slices.EqualFunc(got, want, equalValues) {
			t.Errorf("%s of %s: a column has\n%v, alone it is\n%v", b.Message.Name, vectors[row].Data, got, want)
		}
	}
}

func equalValues(a, b Value) bool {
	return a.State == b.State && a.Raw == b.Raw && equalFloats(a.Phys, b.Phys)
}
