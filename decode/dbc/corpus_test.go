package dbc

import (
	"canseal/internal/samples"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// fileFacts is what cantools says of a file.
type fileFacts struct {
	DBC, SHA256, Encoding, Refused string
	Messages, Signals              int
}

type messageFacts struct {
	DBC, Message string
	ID           uint32
	Extended     bool
	Length       int
	FD           bool `json:"is_fd"`
	Cycle        int  `json:"cycle_time_ms"`
	Protocol     string
	Senders      []string
	Signals      []signalFacts
}

type signalFacts struct {
	Name          string
	Start, Length int
	Order         string `json:"byte_order"`
	Signed, Float bool
	Scale, Offset float64
	Min, Max      *float64
	Unit          string
	Multiplexer   bool
	MuxSignal     string      `json:"mux_signal"`
	MuxIDs        [][2]uint64 `json:"mux_ids"`
	Choices       map[string]string
	SPN           uint32
}

func corpus(t testing.TB) (files []fileFacts, messages map[string][]messageFacts) {
	t.Helper()
	samples.JSON(t, "expected/dbc-files.json", &files)
	messages = map[string][]messageFacts{}
	for _, m := range samples.Lines[messageFacts](t, "expected/dbc-messages.jsonl.gz") {
		messages[m.DBC] = append(messages[m.DBC], m)
	}
	return files, messages
}

// warned says how many warnings the files with faults give.
var warned = map[string]int{"bad_message_length.dbc": 1, "issue_199_extended.dbc": 11}

func TestEveryFileOfTheCorpusIsReadAsCantoolsReadsIt(t *testing.T) {
	files, messages := corpus(t)
	for _, want := range files {
		t.Run(filepath.Base(want.DBC), func(t *testing.T) {
			f, warnings := Parse(want.DBC, samples.Read(t, want.DBC))
			if f.SHA256 != want.SHA256 || string(f.Encoding) != want.Encoding {
				t.Errorf("SHA-256 %s in %s, want %s in %s", f.SHA256, f.Encoding, want.SHA256, want.Encoding)
			}
			if want.Refused == "" && len(f.Messages) != want.Messages {
				t.Errorf("%d messages, want %d", len(f.Messages), want.Messages)
			}
			if n := warned[filepath.Base(want.DBC)]; len(warnings) != n {
				t.Errorf("%d warnings, want %d: %v", len(warnings), n, warnings)
			}
			for _, m := range messages[want.DBC] {
				compareMessage(t, f, m)
			}
		})
	}
}

func compareMessage(t *testing.T, f *File, want messageFacts) {
	t.Helper()
	i := slices.IndexFunc(f.Messages, func(m *Message) bool { return m.ID == want.ID && m.Extended == want.Extended })
	if i < 0 {
		t.Errorf("no message %s", want.Message)
		return
	}
	m := f.Messages[i]
	if m.Name != want.Message || m.Length != want.Length || m.FD != want.FD || m.CycleTime != want.Cycle {
		t.Errorf("%s: %d bytes, FD %v, %d ms; want %s: %d, %v, %d", m.Name, m.Length, m.FD, m.CycleTime, want.Message, want.Length, want.FD, want.Cycle)
	}
	if want.Protocol == "j1939" && !m.J1939 {
		t.Errorf("%s is not marked as J1939", m.Name)
	}
	if !slices.Equal(m.Senders, want.Senders) && len(m.Senders)+len(want.Senders) > 0 {
		t.Errorf("%s: senders %q, want %q", m.Name, m.Senders, want.Senders)
	}
	if want.DBC == "cantools-dbc/bad_message_length.dbc" {
		want.Signals = nil // its only signal is outside of the message
	}
	if len(m.Signals) != len(want.Signals) {
		t.Errorf("%s: %d signals, want %d", m.Name, len(m.Signals), len(want.Signals))
	}
	for _, s := range want.Signals {
		compareSignal(t, m, s)
	}
}

func compareSignal(t *testing.T, m *Message, want signalFacts) {
	t.Helper()
	i := slices.IndexFunc(m.Signals, func(s Signal) bool { return s.Name == want.Name })
	if i < 0 {
		t.Errorf("%s: no signal %s", m.Name, want.Name)
		return
	}
	s := m.Signals[i]
	if got := factsOf(m, &s); !equalFacts(got, want) {
		t.Errorf("%s: %+v\nwant %+v", m.Name, got, want)
	}
}

func factsOf(m *Message, s *Signal) signalFacts {
	f := signalFacts{
		Name: s.Name, Start: s.Start, Length: s.Length, Order: "little_endian", Signed: s.Kind == Signed,
		Float: s.Kind >= Float32, Scale: s.Scale, Offset: s.Offset, Min: &s.Min, Max: &s.Max, Unit: s.Unit,
		Multiplexer: s.Multiplexer, SPN: s.SPN, Choices: map[string]string{},
	}
	if s.Motorola {
		f.Order = "big_endian"
	}
	for _, c := range s.Choices {
		f.Choices[strconv.FormatInt(c.Value, 10)] = c.Text
	}
	if s.Mux != nil {
		f.MuxSignal = m.Signals[s.Mux.Signal].Name
		for _, r := range s.Mux.Ranges {
			f.MuxIDs = append(f.MuxIDs, [2]uint64{r.First, r.Last})
		}
	}
	return f
}

func equalFacts(got, want signalFacts) bool {
	return got.Name == want.Name && got.Start == want.Start && got.Length == want.Length && got.Order == want.Order &&
		(got.Float || got.Signed == want.Signed) && got.Float == want.Float && got.Scale == want.Scale && got.Offset == want.Offset &&
		equalLimits(got, want) && got.Unit == want.Unit && got.Multiplexer == want.Multiplexer && got.MuxSignal == want.MuxSignal &&
		slices.Equal(got.MuxIDs, want.MuxIDs) && got.SPN == want.SPN && equalChoices(got.Choices, want.Choices)
}

// equalLimits knows that no limits are written as [0|0].
func equalLimits(got, want signalFacts) bool {
	if want.Min == nil || want.Max == nil {
		return *got.Min == 0 && *got.Max == 0
	}
	return *got.Min == *want.Min && *got.Max == *want.Max || math.IsInf(*want.Max, 0)
}

func equalChoices(got, want map[string]string) bool {
	for v, text := range want {
		if got[v] != text {
			return false
		}
	}
	return len(got) == len(want)
}
