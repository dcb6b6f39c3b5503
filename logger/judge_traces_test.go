package logger

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

const traces = "../testdata/cancrypt/traces/"

// traceJudge is the judge that a public trace asks for.
func traceJudge(t testing.TB, name string) *Judge {
	t.Helper()
	file, err := os.ReadFile(traces + name + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Keys    map[string]string
		Devices []uint8
		Control struct {
			Base     string
			Extended bool
		}
		Timing struct{ Event int64 } `json:"timing_ms"`
		Table  string                `json:"table_bytes"`
	}
	if err := json.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	raw := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	table, err := cancrypt.ParseTable(raw(c.Table))
	if err != nil {
		t.Fatal(err)
	}
	base, err := strconv.ParseUint(strings.TrimSuffix(c.Control.Base, "h"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	control := cancrypt.Word(base)
	if c.Control.Extended {
		control |= cancrypt.Extended
	}
	return &Judge{Profile: "p1", Level: "L2", Options: cancrypt.JudgeOptions{
		Table: table, Members: c.Devices, KeyID: 3, Key: cancrypt.Key(raw(c.Keys["3"])), Methods: cancrypt.NewMethods(cancrypt.PadSpeck, cancrypt.SpeckMAC),
		Control: control, Event: c.Timing.Event * int64(time.Millisecond),
	}}
}

// traceFrames are the frames of a trace, the first at a time.
func traceFrames(t testing.TB, name string, start int64) (events []can.Event) {
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
		e.Bus = 1
		events = append(events, e)
	}
	shift := start - events[0].Time
	for i := range events {
		events[i].Time += shift
	}
	return events
}

func traceCodes(t testing.TB, name string) (codes []can.Verdict) {
	t.Helper()
	file, err := os.Open(traces + name + ".expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e struct {
			Type string
			Code int
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "frame" {
			codes = append(codes, can.Verdict(e.Code))
		}
	}
	return codes
}

// play feeds events as time passes.
func (r *rig) play(events []can.Event) {
	for len(events) > 0 {
		wall := r.clocks.read().Wall
		n := 0
		for n < len(events) && events[n].Time <= wall {
			n++
		}
		if n > 0 {
			r.feed.events <- events[:n]
			synctest.Wait()
			events = events[n:]
			continue
		}
		time.Sleep(time.Duration(events[0].Time-wall) + 5*time.Millisecond)
	}
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// records is what a card holds of a kind, in the order of segments.
func records[T mdf.Record](t testing.TB, f durable.FS) (all []T) {
	t.Helper()
	card := segment.Card{FS: f, Device: box}
	listing, err := card.Scan()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range listing.Segments {
		in, err := f.Open(card.Path(s.Name, segment.Sealed))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		size, _ := in.Size()
		r, err := mdf.Open(in, size)
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range r.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if frame, is := rec.(*mdf.Frame); is {
				whole := *frame
				rec = &whole
			}
			if v, is := rec.(T); is {
				all = append(all, v)
			}
		}
	}
	return all
}

// settled are the frames of a card with the verdicts that were found later.
func settled(t testing.TB, f durable.FS) []*mdf.Frame {
	t.Helper()
	frames, changes := records[*mdf.Frame](t, f), records[mdf.VerdictChange](t, f)
	for _, c := range changes {
		if c.Time < c.To { // a compressed segment is in the order of times
			t.Errorf("a late verdict of %d stands before its frame of %d", c.Time, c.To)
		}
	}
	only := map[uint32]uint8{}
	for _, s := range records[mdf.Sender](t, f) {
		if s.HeartbeatOnly {
			only[s.ID] = s.Sender
		}
	}
	for _, e := range frames {
		for _, c := range changes {
			about := c.Scope == mdf.ScopeIdentifier && c.ID == e.Frame.ID || c.Scope == mdf.ScopeSender && only[e.Frame.ID] == c.Sender
			open := e.Verdict == can.Pending || e.Verdict == can.Vouched && c.Verdict == can.VouchedTwice
			if about && open && c.From <= e.Time && e.Time <= c.To {
				e.Verdict = c.Verdict
			}
		}
	}
	return frames
}

// beside mixes heartbeat-only frames into a trace.
func beside(all []can.Event, id uint32) (mixed []can.Event, places map[int]bool) {
	places = map[int]bool{}
	for i, e := range all {
		mixed = append(mixed, e)
		if i%100 == 99 {
			places[len(mixed)] = true
			mixed = append(mixed, can.Event{Time: e.Time + 1000, Bus: e.Bus, Frame: can.Frame{ID: id, DLC: 1, Len: 1}})
		}
	}
	return mixed, places
}
