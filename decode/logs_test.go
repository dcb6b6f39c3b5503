package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"canseal/can"
	"canseal/decode/dbc"
	"canseal/decode/j1939"
	"canseal/internal/samples"
)

// logFacts is what asammdf and cantools find in a log of a real vehicle.
type logFacts struct {
	File      string
	Decode    []decodeFacts
	Transport []transportFacts
}

type decodeFacts struct {
	DBC      string
	Messages []tableFacts
}

type tableFacts struct {
	Message  string
	Bus      uint8
	ID       string
	Extended bool
	Frames   int
	Signals  []columnFacts
}

type columnFacts struct {
	Signal string
	moments
	Times     string   `json:"sha256_times"`
	Available *moments `json:"j1939_valid"`
}

type moments struct {
	Count    int
	Min, Max float64
	Sum      float64
	SHA256   string
}

type transportFacts struct {
	decodeFacts
	Reassembled int
	By          [][]any `json:"by_bus_id_length"`
	SHA256      string
	Plain       string `json:"sha256_without_length_byte"`
}

// textOf returns the name of the log as candump text.
func textOf(file string) string {
	name := strings.TrimPrefix(file, "css-api-examples/")
	name = strings.TrimSuffix(name, path.Ext(name))
	return "expected/candump/" + strings.ReplaceAll(name, "/", "-") + ".log.gz"
}

// frames reads candump text.
func frames(t testing.TB, text []byte) (all []Frame) {
	t.Helper()
	for line := range bytes.Lines(text) {
		var e can.Event
		name, err := can.ParseCandump(bytes.TrimSpace(line), &e)
		if err != nil {
			t.Fatal(err)
		}
		bus, err := strconv.Atoi(strings.TrimPrefix(string(name), "can"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Frame{Time: e.Time, Bus: uint8(bus + 1), ID: e.Frame.ID, Flags: e.Frame.Flags, Data: bytes.Clone(e.Frame.Payload())})
	}
	return all
}

// gathered holds the columns of one message under one identifier of a bus.
type gathered struct {
	message *Message
	rows    int
	columns []column
}

type column struct {
	times []int64
	raw   []int64
	phys  []float64
}

// gather decodes frames into columns by "bus id message".
func gather(t testing.TB, file string, all []Frame, o TransportOptions) (map[string]*gathered, Stats) {
	t.Helper()
	f, _ := dbc.Parse(file, samples.Read(t, file))
	plan, err := NewPlan("", []Rule{{File: f}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*gathered{}
	d := New(Options{Plan: plan, Transport: o, Rows: 1000, Batch: func(b *Batch) error {
		b.Sort()
		collect(found, b)
		return nil
	}})
	for i := range all {
		if _, err := d.Add(&all[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	return found, d.Stats()
}

func collect(found map[string]*gathered, b *Batch) {
	for row, id := range b.ID {
		place(found, b, id).rows++
		_ = row
	}
	for i := range b.Message.Signals {
		states, _ := b.States(i, nil)
		raw, phys := b.Raw(i, nil), b.Phys(i, nil)
		for row, state := range states {
			if state == Present {
				c := &place(found, b, b.ID[row]).columns[i]
				c.times, c.raw, c.phys = append(c.times, b.Time[row]), append(c.raw, raw[row]), append(c.phys, phys[row])
			}
		}
	}
}

func place(found map[string]*gathered, b *Batch, id uint32) *gathered {
	key := tableName(b.Bus, id, b.Message.Extended, b.Message.Name)
	if found[key] == nil {
		found[key] = &gathered{message: b.Message, columns: make([]column, len(b.Message.Signals))}
	}
	return found[key]
}

func tableName(bus uint8, id uint32, extended bool, message string) string {
	if extended {
		return fmt.Sprintf("%d %08X %s", bus, id, message)
	}
	return fmt.Sprintf("%d %03X %s", bus, id, message)
}

func TestLogsDecodeAsAsammdfAndCantoolsDecodeThem(t *testing.T) {
	var logs []logFacts
	samples.JSON(t, "expected/logs.json", &logs)
	signals := 0
	for _, log := range logs {
		all := frames(t, samples.Read(t, textOf(log.File)))
		for _, want := range log.Decode {
			t.Run(path.Base(path.Dir(log.File))+"/"+path.Base(want.DBC), func(t *testing.T) {
				found, _ := gather(t, want.DBC, all, TransportOptions{})
				signals += compareTables(t, want, found)
			})
		}
	}
	if signals != 245 {
		t.Errorf("%d signals compared, want 245", signals)
	}
}

func compareTables(t *testing.T, want decodeFacts, found map[string]*gathered) (signals int) {
	t.Helper()
	if len(found) != len(want.Messages) {
		t.Errorf("%d tables, want %d", len(found), len(want.Messages))
	}
	for _, m := range want.Messages {
		id, _ := strconv.ParseUint(m.ID, 16, 32)
		got := found[tableName(m.Bus, uint32(id), m.Extended, m.Message)]
		if got == nil {
			t.Errorf("bus %d, %s: no %s", m.Bus, m.ID, m.Message)
			continue
		}
		if got.rows != m.Frames {
			t.Errorf("%s %s: %d frames, want %d", m.ID, m.Message, got.rows, m.Frames)
		}
		for _, s := range m.Signals {
			compareColumn(t, got, s)
			signals++
		}
	}
	return signals
}

func compareColumn(t *testing.T, got *gathered, want columnFacts) {
	t.Helper()
	i := slices.IndexFunc(got.message.Signals, func(s dbc.Signal) bool { return s.Name == want.Signal })
	if i < 0 {
		t.Fatalf("no signal %s", want.Signal)
	}
	c, s := got.columns[i], &got.message.Signals[i]
	compareMoments(t, got.message.Name+"."+s.Name, c.phys, want.moments)
	if h := hashOf(c.times); h != want.Times && got.message.Name != "gnss_imu" { // some of its times have 1 ns, which the text has not
		t.Errorf("%s.%s: other times", got.message.Name, s.Name)
	}
	if want.Available == nil {
		return
	}
	var available []float64
	for row, raw := range c.raw {
		if j1939.Available(uint64(raw), s.Length) {
			available = append(available, c.phys[row])
		}
	}
	compareMoments(t, got.message.Name+"."+s.Name+" where available", available, *want.Available)
}

func compareMoments(t *testing.T, name string, values []float64, want moments) {
	t.Helper()
	if len(values) != want.Count {
		t.Errorf("%s: %d values, want %d", name, len(values), want.Count)
		return
	}
	if want.Count == 0 {
		return
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	if h := hashOf(values); h != want.SHA256 || slices.Min(values) != want.Min || slices.Max(values) != want.Max {
		t.Errorf("%s: %v to %v, SHA-256 %s, want %v to %v, %s", name, slices.Min(values), slices.Max(values), h, want.Min, want.Max, want.SHA256)
	}
	if math.Abs(sum-want.Sum) > 1e-9*math.Abs(want.Sum)+1e-9 {
		t.Errorf("%s: the sum is %v, want %v", name, sum, want.Sum)
	}
}

func hashOf[T int64 | float64](values []T) string {
	h := sha256.New()
	binary.Write(h, binary.LittleEndian, values)
	return hex.EncodeToString(h.Sum(nil))
}
