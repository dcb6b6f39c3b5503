package mdf

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"canseal/can"
)

// small returns a live file of about 1.5 kB of records, the ends of its marks
// as sizes of the file, and the records.
func small(t *testing.T, r *rand.Rand) (data []byte, marks []int, records []Record) {
	records = randomRecords(r, 40)
	f := newCard(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	marks = []int{len(f.data)}
	for i, rec := range records {
		w.Append(rec)
		if i%7 == 6 || i == len(records)-1 {
			if err := w.Sync(); err != nil {
				t.Fatal(err)
			}
			marks = append(marks, len(f.data))
		}
	}
	return f.data, marks, records
}

// repaired repairs a copy and checks what every repair has to do: a second one
// changes nothing.
func repaired(t *testing.T, data []byte) ([]byte, Report) {
	t.Helper()
	f := newCard(data)
	rep, err := Repair(f)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Empty {
		return nil, rep
	}
	again := newCard(f.data)
	second, err := Repair(again)
	if err != nil || !second.Already || second.Stats != rep.Stats || second.Cut != rep.Cut || second.Orderly != rep.Orderly {
		t.Fatalf("second repair: %+v, %v\nfirst %+v", second, err, rep)
	}
	if again.ops != 0 || !bytes.Equal(again.data, f.data) {
		t.Fatal("second repair changed the file")
	}
	return f.data, rep
}

// kept returns what a repair of a file of so many good bytes has to keep.
func kept(marks []int, size int) (n, end int) {
	for i, m := range marks {
		if m <= size {
			n, end = min(7*i, 40), m // a mark after each 7 records
		}
	}
	return n, end
}

func TestRepairKeepsWhatWasFlushedAtEveryCut(t *testing.T) {
	data, marks, records := small(t, random(t))
	var before []byte
	for size := 0; size <= len(data); size++ {
		if size > 200 && size < marks[0]-200 {
			size += 97 // inside of the header one byte is like another
		}
		got, rep := repaired(t, data[:size])
		if size < marks[0] {
			if !rep.Empty {
				t.Fatalf("cut at %d in the header: %+v", size, rep)
			}
			continue
		}
		n, end := kept(marks, size)
		if rep.Kept != int64(end-marks[0]) || rep.Dropped != int64(size-end) || !rep.Cut || rep.Orderly || !reflect.DeepEqual(rep.Header, header) {
			t.Fatalf("cut at %d: %+v", size, rep)
		}
		if bytes.Equal(got, before) {
			continue
		}
		before = got
		judge(t, got)
		same(t, fmt.Sprint("cut at ", size), reading(t, got), append(slices.Clone(records[:n]), cutAt(records[:n])))
	}
}

// cutAt is the gap that a repair appends to records.
func cutAt(records []Record) Gap {
	last := int64(start)
	for _, rec := range records {
		if f, ok := rec.(*Frame); ok {
			last = f.Time
		}
	}
	return Gap{Time: last, From: last, To: last, Reason: can.LostCut}
}

func TestRepairTakesNothingFalse(t *testing.T) {
	r := random(t)
	data, marks, records := small(t, r)
	older, _, _ := small(t, r)
	junk := make([]byte, 3000)
	fill(r, junk)
	for name, tail := range map[string][]byte{
		"zeros":              make([]byte, 5000),
		"junk":               junk,
		"old records":        older[marks[0]:],
		"old file":           older,
		"records, no mark":   data[marks[0] : marks[1]-markSize],
		"own records again":  data[marks[0]:],
		"a mark of its own":  data[marks[1]-markSize : marks[1]],
		"a record cut short": {ridGap, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for i, size := range marks {
				if i == 0 && (name == "own records again" || name == "old records") {
					continue // that is the very same file, or another whole one
				}
				got, rep := repaired(t, append(slices.Clone(data[:size]), tail...))
				judge(t, got)
				n, _ := kept(marks, size)
				same(t, name, reading(t, got), append(slices.Clone(records[:n]), cutAt(records[:n])))
				if rep.Dropped != int64(len(tail)) {
					t.Errorf("%d bytes dropped of %d", rep.Dropped, len(tail))
				}
			}
		})
	}
}

// TestOldClustersOfASteadyBusAreNotOurs cuts one of two files whose frames and
// flushes came in the same rhythm; the tail is the other's, at the same place.
func TestOldClustersOfASteadyBusAreNotOurs(t *testing.T) {
	steady := func(start int64) ([]byte, []int) {
		f, h := newCard(nil), header
		h.Start = start
		w, err := Create(f, h)
		if err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for i := range int64(1000) {
			w.Frame(&can.Event{Time: start + i*1e6})
			if i%100 == 99 {
				w.Sync()
				sizes = append(sizes, len(f.data))
			}
		}
		return f.data, sizes
	}
	old, _ := steady(start)
	data, sizes := steady(start + 86_400e9)
	for _, size := range sizes[:9] {
		_, rep := repaired(t, append(slices.Clone(data[:size]), old[size:]...))
		if rep.Dropped != int64(len(old)-size) {
			t.Fatalf("cut at %d: only %d bytes of the other file are dropped", size, rep.Dropped)
		}
	}
}

func TestRepairStopsAtDamage(t *testing.T) {
	r := random(t)
	data, marks, records := small(t, r)
	for range 500 {
		at := marks[0] + r.IntN(len(data)-marks[0])
		bad := slices.Clone(data)
		bad[at] ^= 1 << r.IntN(8)
		got, rep := repaired(t, bad)
		n, end := kept(marks, at)
		if unused(marks, at) {
			n, end = kept(marks, len(data))
		}
		if rep.Kept != int64(end-marks[0]) {
			t.Fatalf("damage at %d: %+v", at, rep)
		}
		same(t, fmt.Sprint("damage at ", at), reading(t, got), append(slices.Clone(records[:n]), cutAt(records[:n])))
	}
}

// unused tells whether a byte is one of the four behind the checksum of a mark.
func unused(marks []int, at int) bool {
	for _, m := range marks[1:] {
		if at >= m-4 && at < m {
			return true
		}
	}
	return false
}

// TestNoCrashHurts cuts the power at every operation from the first record to
// the end of Finish, and again at every operation of the repair.
func TestNoCrashHurts(t *testing.T) {
	r := random(t)
	records := randomRecords(r, 30)
	last := Clock{Time: start + 1e12}
	whole := append(slices.Clone(records), last)
	run := func(left int) (f *card, synced int, finished bool) {
		f = newCard(nil)
		w, err := Create(f, header)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		f.left = left
		for i, rec := range records {
			w.Append(rec)
			if i%10 == 9 {
				if w.Sync() != nil {
					return f, synced, false
				}
				synced = i + 1
			}
		}
		return f, synced, w.Finish(last) == nil
	}
	for left := 0; ; left++ {
		f, synced, finished := run(left)
		for range 4 {
			data := f.crash(r)
			first, rep := repaired(t, data)
			judge(t, first)
			got := reading(t, first)
			if !rep.Orderly {
				if len(got) < synced+1 {
					t.Fatalf("power cut after %d operations: %d of %d synced records", left, len(got)-1, synced)
				}
				n := len(got) - 1
				same(t, "records", got, append(slices.Clone(whole[:n]), cutAt(whole[:n])))
			} else {
				same(t, "records", got, whole)
			}
			crashedRepair(t, r, data, first)
		}
		if finished {
			return
		}
	}
}

// crashedRepair cuts the power at every operation of a repair: the next one
// has to come to the same bytes, or to those of an orderly end.
func crashedRepair(t *testing.T, r *rand.Rand, data, want []byte) {
	t.Helper()
	for left := 0; ; left++ {
		f := newCard(data)
		f.left = left
		_, err := Repair(f)
		again := newCard(f.crash(r))
		if rep, err := Repair(again); err != nil || !bytes.Equal(again.data, want) {
			t.Fatalf("repair cut after %d operations: %+v, %v", left, rep, err)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errPower) {
			t.Fatal(err)
		}
	}
}

// TestTornPatches repairs files whose last patches arrived up to some byte, or
// from some byte on.
func TestTornPatches(t *testing.T) {
	for range 20 {
		tornPatches(t, random(t))
	}
}

func tornPatches(t *testing.T, r *rand.Rand) {
	t.Helper()
	data, marks, _ := small(t, r)
	f := newCard(data)
	if _, err := Repair(f); err != nil {
		t.Fatal(err)
	}
	done := f.data
	before := append(slices.Clone(data), done[len(data):]...) // the gap is durable before any patch
	counted := slices.Concat(before[:idSize], done[idSize:])  // so are the counts before the name
	torn := func(at int, a, b []byte) {
		f := newCard(slices.Concat(a[:at], b[at:]))
		if _, err := Repair(f); err != nil || !bytes.Equal(f.data, done) {
			t.Fatalf("torn at %d: %v", at, err)
		}
	}
	for at := range idSize {
		torn(at, done, counted)
		torn(at, counted, done)
	}
	for at := idSize; at < marks[0]; at++ {
		if before[at] != done[at] {
			torn(at, counted, before)
			torn(at, before, counted)
		}
	}
}

func TestRepairLeavesStrangersAlone(t *testing.T) {
	data, _, _ := small(t, random(t))
	big := slices.Concat(data, make([]byte, 64<<10))
	for name, at := range map[string]int{"identification": 9, "HD": 65, "a link of HD": 64 + 24 + 2, "a length": 64 + 9} {
		bad := slices.Clone(big)
		bad[at] ^= 0x40
		f := newCard(bad)
		var c *CorruptError
		if rep, err := Repair(f); !errors.As(err, &c) || rep.Empty {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
		if !bytes.Equal(f.data, bad) || f.ops != 0 {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestRepairPassesErrorsOn(t *testing.T) {
	data, _, _ := small(t, random(t))
	f := newCard(data[:len(data)-1])
	Repair(f)
	for left := range f.ops {
		f := newCard(data[:len(data)-1])
		f.left = left
		if _, err := Repair(f); !errors.Is(err, errPower) {
			t.Errorf("operation %d fails: %v", left, err)
		}
	}
}
