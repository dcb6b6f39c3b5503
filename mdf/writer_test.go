package mdf

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"canseal/can"
)

// written returns the times, from the start of the file, that frames at the
// given times get.
func written(t *testing.T, times ...int64) []int64 {
	t.Helper()
	f := newCard(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range times {
		if err := w.Frame(&can.Event{Time: start + at, Bus: uint8(1 + i%2)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, rec := range reading(t, f.data) {
		got = append(got, rec.(*Frame).Time-start)
	}
	return got
}

func TestEqualTimesKeepTheirOrder(t *testing.T) {
	for _, c := range []struct {
		name     string
		in, want []int64
	}{
		{"distinct", []int64{0, 1, 500, 2000}, []int64{0, 1, 500, 2000}},
		{"equal", []int64{7, 7, 7}, []int64{7, 8, 9}},
		{"equal, then the next", []int64{7, 7, 7, 8, 10}, []int64{7, 8, 9, 10, 11}},
		{"a little behind", []int64{5000, 4001}, []int64{5000, 5001}},
		{"a microsecond behind", []int64{5000, 4000}, []int64{5000, 4000}},
		{"far behind", []int64{5000, -90000, -90000}, []int64{5000, -90000, -89999}},
		{"before the start", []int64{-3, -3, 0}, []int64{-3, -2, 0}},
	} {
		if got := written(t, c.in...); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v becomes %v, want %v", c.name, c.in, got, c.want)
		}
	}
	equal := make([]int64, 3000)
	for i, got := range written(t, equal...) {
		if got != int64(i) {
			t.Fatalf("equal stamp %d is written at %d", i, got)
		}
	}
}

func TestAFullBufferIsWrittenWithItsMark(t *testing.T) {
	f := newCard(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(60_000) {
		if err := w.Frame(&can.Event{Time: start + i*1001}); err != nil {
			t.Fatal(err)
		}
	}
	n := len(reading(t, f.data))
	if n < 60_000-bufferSize/25 || n == 60_000 {
		t.Errorf("%d frames of 60000 reached the file", n)
	}
	if f.ops > 10 {
		t.Errorf("%d operations", f.ops)
	}
	if s := w.Stats(); s.Frames != 60_000 || s.First != start || s.Last != start+59_999*1001 {
		t.Errorf("%+v", s)
	}
}

func TestMarksOfTwoFilesStandAtDifferentPlaces(t *testing.T) {
	places := map[int64]int{}
	for split := range uint32(4) {
		f := newCard(nil)
		h := header
		h.Split = split
		w, err := Create(f, h)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(60_000) {
			w.Frame(&can.Event{Time: start + i*1001})
		}
		found, err := w.o.scan(f, int64(len(f.data)))
		if err != nil {
			t.Fatal(err)
		}
		places[found.kept]++
	}
	if len(places) < 3 {
		t.Errorf("full buffers of four files of equal frames end at %v", places)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	w, err := Create(void{newCard(nil)}, header)
	if err != nil {
		t.Fatal(err)
	}
	e := can.Event{Time: start, Bus: 1}
	if n := testing.AllocsPerRun(100_000, func() { e.Time += 5000; w.Frame(&e) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

func TestSyncWithoutNewsDoesNothing(t *testing.T) {
	f := newCard(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 2, 4, 4} { // header, its sync; records, their sync
		if i == 2 {
			w.Append(Sender{Time: start})
		}
		if err := w.Sync(); err != nil || f.ops != want {
			t.Errorf("Sync %d: %v after %d operations, want %d", i, err, f.ops, want)
		}
	}
}

func TestAnErrorOfTheFileIsFinal(t *testing.T) {
	for left := range 20 {
		f := newCard(nil)
		w, err := Create(f, header)
		if err != nil {
			t.Fatal(err)
		}
		f.left = left
		err = errors.Join(w.Frame(&can.Event{Time: start}), w.Sync(), w.Finish(Clock{Time: start}))
		if err == nil {
			t.Fatalf("all well with %d operations of %d", left, f.ops)
		}
		f.left = -1
		for name, call := range map[string]func() error{
			"Frame":  func() error { return w.Frame(&can.Event{Time: start}) },
			"Append": func() error { return w.Append(Sender{}) },
			"Sync":   w.Sync,
			"Finish": func() error { return w.Finish(Clock{}) },
		} {
			if again := call(); !errors.Is(again, errPower) {
				t.Errorf("%s after an error at operation %d: %v", name, left, again)
			}
		}
	}
}

func TestAFinishedWriterIsOfNoUse(t *testing.T) {
	f := newCard(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(Clock{Time: start}); err != nil {
		t.Fatal(err)
	}
	if err := w.Frame(&can.Event{Time: start}); !errors.Is(err, errFinished) {
		t.Errorf("Frame: %v", err)
	}
}

func TestWhatNoRecordHoldsIsRefused(t *testing.T) {
	h := header
	h.Plain = false
	w, err := Create(newCard(nil), h)
	if err != nil {
		t.Fatal(err)
	}
	for name, rec := range map[string]Record{
		"plaintext not declared": Plain{Time: start},
		"65 data bytes":          &Frame{Event: can.Event{Frame: can.Frame{Len: 65}}},
		"no frame":               &Frame{Event: can.Event{Kind: can.KindLost}},
	} {
		if err := w.Append(rec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := w.Frame(&can.Event{Time: start}); err != nil {
		t.Errorf("a frame after refused records: %v", err)
	}
	if s := w.Stats(); s.Frames != 1 {
		t.Errorf("%+v", s)
	}
}

func TestHeadersComeBack(t *testing.T) {
	for name, h := range map[string]Header{
		"full":   header,
		"empty":  {},
		"signs":  {Comment: `<&>"'`, Device: "ü\x01€", Version: "1.2.3-rc1+dirty", Start: -5, ClockOffset: -1 << 62},
		"limits": {Session: 1<<32 - 1, Split: 1<<32 - 1, ConfigCRC32: 1<<32 - 1, BitRates: [8]uint32{1<<32 - 1}, StorageTotal: 1<<63 - 1, Flush: time.Hour},
	} {
		f := newCard(nil)
		if _, err := Create(f, h); err != nil {
			t.Fatal(err)
		}
		judge(t, f.data)
		r, err := Open(f, int64(len(f.data)))
		if err != nil {
			t.Fatal(err)
		}
		h.Device = strings.ReplaceAll(h.Device, "\x01", "?")
		if got := r.Header(); !reflect.DeepEqual(got, h) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, h)
		}
		if r.Finished() || r.End() != "open" {
			t.Errorf("%s: finished %v, end %q", name, r.Finished(), r.End())
		}
	}
}

func TestCodesHaveTexts(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"kernel synchronised": SourceKernel, "restored": SourceRestored, "reserved 6": ClockSource(6),
		"sender": ScopeSender, "identifier": ScopeIdentifier, "reserved 2": Scope(2),
		"preamble without message": LonePreamble, "key slot changed": KeySlotChanged, "reserved 0": SecurityKind(0),
		"bit-cycle anomaly": BitCycleAnomaly, "JOIN": Join, "probe stale": ProbeStale, "reserved 29": SecurityKind(29),
	} {
		if got.String() != want {
			t.Errorf("%d: %q, want %q", got, got, want)
		}
	}
}
