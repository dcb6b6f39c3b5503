package buslog_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"

	"canseal/can"
	"canseal/can/sim"
	"canseal/mdf"
	"canseal/mdf/buslog"
)

// memory is a file in memory.
type memory struct{ b []byte }

func (m *memory) ReadAt(b []byte, at int64) (int, error) {
	if at >= int64(len(m.b)) {
		return 0, io.EOF
	}
	n := copy(b, m.b[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(b []byte, at int64) (int, error) {
	if end := int(at) + len(b); end > len(m.b) {
		m.b = append(m.b, make([]byte, end-len(m.b))...)
	}
	return copy(m.b[at:], b), nil
}

func (m *memory) Truncate(size int64) error { m.b = m.b[:size]; return nil }
func (m *memory) Sync() error               { return nil }
func (m *memory) Size() (int64, error)      { return int64(len(m.b)), nil }

const start = 1_795_176_000_000_000_000

// recorded writes events, and a record of each other kind, as a live file.
func recorded(t testing.TB, events []can.Event) (*mdf.Writer, *memory) {
	t.Helper()
	m := &memory{}
	w, err := mdf.Create(m, mdf.Header{Start: start, Version: "1.2.3", Device: "A1B2C3D4", Session: 17, Split: 3, BootID: "boot", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []mdf.Record{
		mdf.Clock{Time: start, Boot: 5e9, Wall: start, Synchronised: true},
		mdf.Sender{Time: start, ID: 0x123, Bus: 1, Sender: 3, Secured: true},
		mdf.State{Time: start + 1, Bus: 1, State: can.LinkUp},
		mdf.Gap{Time: start + 2, From: start - 5, To: start + 2, Count: 3, Bus: 2, Reason: can.LostSocket},
		mdf.VerdictChange{Time: start + 3, From: start, To: start + 9, Bus: 1, Sender: 3, Verdict: can.Vouched},
		mdf.Security{Time: start + 4, Count: 1, Bus: 1, Sender: 3, Kind: mdf.Join},
		mdf.Plain{Time: start + 5, ID: 0x123, Bus: 1, Sender: 3, Len: 8},
	} {
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range events {
		if err := w.Frame(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	return w, m
}

func mixed(n int) []can.Event {
	o := sim.Mixed(7)
	o.Start, o.Buses = start, 3
	events := sim.Take(o, n)
	for i := range events {
		events[i].Verdict = can.Verdict(i % 20)
		events[i].Dir = can.Direction(i % 3)
		if i%10 == 9 { // a step back between buses
			events[i].Time -= 3e6
		}
	}
	return events
}

func open(t testing.TB, b []byte) *buslog.File {
	t.Helper()
	f, err := buslog.Open(bytes.NewReader(b), int64(len(b)), buslog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// read returns everything as text, one line for each item.
func read(t testing.TB, b []byte) (lines []string, report buslog.Report) {
	t.Helper()
	for it, err := range open(t, b).Items(&report) {
		if err != nil {
			t.Fatal(err)
		}
		switch it.Type {
		case buslog.Frame:
			lines = append(lines, fmt.Sprint(it.Event, it.Encrypted))
		case buslog.Side:
			lines = append(lines, fmt.Sprintf("%d %T%+v", it.Time, it.Side, it.Side))
		default:
			lines = append(lines, fmt.Sprintf("%d %s % x", it.Time, it.Group, it.Data))
		}
	}
	return lines, report
}

// told returns what package mdf reads of a file, in the form of read. by orders
// records of files that are not sorted.
func told(t testing.TB, b []byte) (lines []string) {
	t.Helper()
	r, err := mdf.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	type timed struct {
		time int64
		rank int
		line string
	}
	var all []timed
	for rec, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if f, is := rec.(*mdf.Frame); is {
			all = append(all, timed{f.Time, 0, fmt.Sprint(f.Event, f.Encrypted)})
			continue
		}
		at, rank := sideTime(rec)
		all = append(all, timed{at, rank, fmt.Sprintf("%d %T%+v", at, rec, rec)})
	}
	slices.SortStableFunc(all, func(a, b timed) int {
		if a.time != b.time {
			return int(a.time - b.time)
		}
		return a.rank - b.rank
	})
	for _, r := range all {
		lines = append(lines, r.line)
	}
	return lines
}

func sideTime(rec mdf.Record) (at int64, rank int) {
	switch r := rec.(type) {
	case mdf.Gap:
		return r.Time, 7
	case mdf.VerdictChange:
		return r.Time, 8
	case mdf.Clock:
		return r.Time, 9
	case mdf.State:
		return r.Time, 10
	case mdf.Security:
		return r.Time, 11
	case mdf.Sender:
		return r.Time, 12
	case mdf.Plain:
		return r.Time, 13
	}
	return 0, 0
}

// lives returns a recording in each state of a segment's life.
func lives(t testing.TB, events []can.Event) map[string][]byte {
	t.Helper()
	w, m := recorded(t, events)
	live := slices.Clone(m.b)
	cut := append(slices.Clone(live[:len(live)*3/4]), bytes.Repeat([]byte{1, 2, 3, 4, 5}, 100)...)
	repaired := &memory{slices.Clone(cut)}
	if _, err := mdf.Repair(repaired); err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1].Time
	if err := w.Finish(mdf.Clock{Time: last, Boot: last - start + 5e9, Wall: last}); err != nil {
		t.Fatal(err)
	}
	packed := &memory{}
	if _, err := mdf.Compress(packed, m, int64(len(m.b))); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"live": live, "cut": cut, "repaired": repaired.b, "finished": m.b, "compressed": packed.b}
}

func TestFilesOfOursGiveTheirRecordsByTime(t *testing.T) {
	for state, b := range lives(t, mixed(20_000)) {
		t.Run(state, func(t *testing.T) {
			got, report := read(t, b)
			want := told(t, b)
			if len(got) == 0 || !slices.Equal(got, want) {
				for i := range got {
					if i >= len(want) || got[i] != want[i] {
						t.Fatalf("%d of %d items; item %d is\n%s, want\n%s", len(got), len(want), i, got[i], want[min(i, len(want)-1)])
					}
				}
				t.Fatalf("%d items, want %d", len(got), len(want))
			}
			if !report.Whole() || report.Late != 0 || report.Frames+report.Side != uint64(len(got)) {
				t.Errorf("%+v", report)
			}
			h := open(t, b).Header()
			if !h.Ours || h.Device != "A1B2C3D4" || h.Session != 17 || h.Split != 3 || h.BootID != "boot" || h.Start != start {
				t.Errorf("%+v", h)
			}
		})
	}
}

// drain counts the frames.
func drain(tb testing.TB, f *buslog.File) (frames uint64) {
	var report buslog.Report
	for _, err := range f.Items(&report) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return report.Frames
}

func bench(b *testing.B, open func() *buslog.File) {
	b.ReportAllocs()
	frames, begin := uint64(0), processorTime()
	for b.Loop() {
		frames += drain(b, open())
	}
	b.ReportMetric(float64(frames)/(processorTime()-begin).Seconds()/1e6, "Mframes/cpu-s")
}

func BenchmarkOurs(b *testing.B) {
	o := sim.Options{Seed: 1, Start: start, Rate: 10_000}
	for state, file := range lives(b, sim.Take(o, 1_000_000)) {
		if state == "finished" || state == "compressed" {
			b.Run(state, func(b *testing.B) { bench(b, func() *buslog.File { return open(b, file) }) })
		}
	}
}

func BenchmarkLayoutB(b *testing.B) {
	for _, name := range []string{
		"css-api-examples/layout-b/asammdf-basics/00000001.MF4",
		"css-api-examples/mfc/5BC57FEC/00000001/00000005-643E503A.MFC",
		"css-api-examples/layout-a/2F6913DB/00000004/00000001.MF4",
	} {
		b.Run(name, func(b *testing.B) { bench(b, func() *buslog.File { return sample(b, name) }) })
	}
}

func TestAFileOfOursThatAnotherProgramSavedIsNotTakenForSorted(t *testing.T) {
	b := lives(t, mixed(500))["compressed"]
	want, _ := read(t, b)
	if !open(t, b).Header().Sorted {
		t.Fatal("a compressed file is not sorted")
	}
	history := int64(binary.LittleEndian.Uint64(b[64+24+8:]))
	binary.LittleEndian.PutUint64(b[history+24:], uint64(history)) // one more line of history
	got, _ := read(t, b)
	if h := open(t, b).Header(); h.Sorted || !h.Ours || !slices.Equal(got, want) {
		t.Errorf("%+v, %d items, want %d", h, len(got), len(want))
	}
}
