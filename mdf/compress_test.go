package mdf

import (
	"cmp"
	adler "hash/adler32"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"canseal/can"
)

// compressed returns the sorted form of a finished file, which the foreign
// judge accepts.
func compressed(t testing.TB, data []byte) []byte {
	t.Helper()
	out := newView(nil)
	stats, err := Compress(out, newView(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	rep := judge(t, out.data)
	if !rep.Finalised || len(rep.Groups) < int(ridEnd)-2 {
		t.Errorf("the judge found %+v", rep)
	}
	r, err := Open(newView(out.data), int64(len(out.data)))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Check(); err != nil || found != stats {
		t.Errorf("stats\n got %+v, %v\nwant %+v", found, err, stats)
	}
	return out.data
}

// inOrder sorts records as a reader has to: by time, then id, then place.
func inOrder(records []Record) []Record {
	sorted := slices.Clone(records)
	slices.SortStableFunc(sorted, func(a, b Record) int {
		at, ar := keyOf(a)
		bt, br := keyOf(b)
		return cmp.Or(cmp.Compare(at, bt), cmp.Compare(ar, br))
	})
	return sorted
}

func keyOf(r Record) (int64, uint8) {
	switch v := r.(type) {
	case *Frame:
		rid, _ := putFrame(make([]byte, 128), 0, &v.Event, false)
		return v.Time, rid
	case Gap:
		return v.Time, ridGap
	case VerdictChange:
		return v.Time, ridVerdict
	case Clock:
		return v.Time, ridClock
	case State:
		return v.Time, ridState
	case Security:
		return v.Time, ridSecurity
	case Sender:
		return v.Time, ridSender
	case Plain:
		return v.Time, ridPlain
	}
	panic("no key")
}

// shuffled lets the times of records step: a little between buses, by equal
// stamps, by an hour back, and by single wild ones.
func shuffled(r *rand.Rand, n int) []Record {
	records := randomRecords(r, n)
	hour := int64(0)
	for i, rec := range records {
		if i == n/3 || i == n/2 {
			hour -= 3600e9
		}
		by := hour - r.Int64N(3)*1_500_000
		if r.IntN(n/3) == 0 {
			by = r.Int64N(2e15) - 1e15
		}
		switch v := rec.(type) {
		case *Frame:
			v.Time += by
		case Gap:
			v.Time = start + v.Time%7
			records[i] = v
		case State:
			v.Time += by
			records[i] = v
		}
	}
	return records
}

func TestCompressedFilesHoldTheSameRecordsByTime(t *testing.T) {
	r := random(t)
	for name, records := range map[string][]Record{
		"rising": randomRecords(r, 30_000), "stepping": shuffled(r, 120_000), "one of each": oneOfEach(), "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			f, h := newCard(nil), header
			h.Plain = records != nil
			w := writing(t, f, h, records, 700)
			if err := w.Finish(Clock{Time: start + 1e15, Boot: 7}); err != nil {
				t.Fatal(err)
			}
			packed := compressed(t, f.data)
			same(t, name, reading(t, packed), inOrder(reading(t, f.data)))
			before, _ := Open(newView(f.data), int64(len(f.data)))
			after, _ := Open(newView(packed), int64(len(packed)))
			if !reflect.DeepEqual(before.Header(), after.Header()) || after.End() != "orderly" || !after.Sorted() || !after.Finished() {
				t.Errorf("header\n got %+v\nwant %+v", after.Header(), before.Header())
			}
			if len(packed) > 50_000 && len(packed) > len(f.data)*9/10 {
				t.Errorf("%d bytes from %d", len(packed), len(f.data))
			}
		})
	}
}

func TestFramesOfACompressedFileAreThoseOfTheBus(t *testing.T) {
	// Equal stamps, on two buses and in all groups: the order stays.
	f := newCard(nil)
	r := random(t)
	var want []can.Frame
	w := writing(t, f, header, nil, 1)
	for i := range 50_000 {
		frame := randomFrame(r, start+int64(i/7)*1000)
		want = append(want, frame.Frame)
		if err := w.Append(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(Clock{Time: start}); err != nil {
		t.Fatal(err)
	}
	packed := compressed(t, f.data)
	rd, err := Open(newView(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for e, err := range rd.Frames() {
		if err != nil || e.Frame != want[i] {
			t.Fatalf("frame %d: got %+v, %v; want %+v", i, e.Frame, err, want[i])
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d frames, want %d", i, len(want))
	}
}

func TestTheChecksumIsThatOfZlib(t *testing.T) {
	r := random(t)
	b := make([]byte, 100_000)
	for range 50 {
		b := b[:r.IntN(len(b))]
		fill(r, b[:len(b)/2])
		for i := len(b) / 2; i < len(b); i++ {
			b[i] = 255
		}
		if got, want := adler32(b), adler.Checksum(b); got != want {
			t.Fatalf("%d bytes: got %08X, want %08X", len(b), got, want)
		}
	}
}

func TestColumnsAreTheInverseOfRows(t *testing.T) {
	r := random(t)
	for range 300 {
		width, n := 1+r.IntN(90), r.IntN(40)
		rows, columns := make([]byte, n*(1+width)), make([]byte, n*width)
		fill(r, rows)
		toColumns(columns, rows, width)
		for row := range n {
			for at := range width {
				if columns[at*n+row] != rows[row*(1+width)+1+at] {
					t.Fatalf("%d rows of %d: byte %d of row %d", n, width, at, row)
				}
			}
		}
		back := slices.Clone(rows)
		for row := range n {
			clear(back[row*(1+width)+1:][:width])
		}
		toRows(back, columns, width)
		if !slices.Equal(back, rows) {
			t.Fatalf("%d rows of %d do not come back", n, width)
		}
	}
}
