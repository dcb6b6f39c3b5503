package text

import (
	"encoding/csv"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/decode/table"
)

const begin = 1_795_176_000_123_456_789

func frame(flags can.Flags, id uint32, data string) *can.Event {
	e := &can.Event{Time: begin, Bus: 2, Frame: can.Frame{ID: id, Flags: flags, Len: uint8(len(data)), DLC: can.DLC(len(data))}}
	copy(e.Frame.Data[:], data)
	return e
}

func TestRawCSVSaysAllOfAFrame(t *testing.T) {
	var b strings.Builder
	r, err := NewRaw(&b)
	if err != nil {
		t.Fatal(err)
	}
	sent := frame(can.FD|can.BRS, 0x123, "123456789abc")
	sent.Dir, sent.Verdict = can.Tx, can.Authentic
	for _, e := range []*can.Event{frame(0, 0x7, "\x01\xff"), sent, frame(can.Extended|can.Remote, 0x18fef1fe, ""), frame(can.Error, 0x40, "12345678")} {
		if err := r.Frame(e, e.Frame.Is(can.FD), "corrected"); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := RawHead + `2026-11-20T12:00:00.123456789Z,2,007,0,data,0,0,0,Rx,2,2,01ff,not checked,0,corrected
2026-11-20T12:00:00.123456789Z,2,123,0,data,1,1,0,Tx,9,12,313233343536373839616263,authentic,1,corrected
2026-11-20T12:00:00.123456789Z,2,18FEF1FE,1,remote,0,0,0,Rx,0,0,,not checked,0,corrected
2026-11-20T12:00:00.123456789Z,2,00000040,0,error,0,0,0,Rx,8,8,3132333435363738,not checked,0,corrected
`
	if b.String() != want {
		t.Errorf("got\n%swanted\n%s", b.String(), want)
	}
}

func TestAnEmptyASCLogHasAHead(t *testing.T) {
	var b strings.Builder
	if err := NewASC(&b).Close(); err != nil {
		t.Fatal(err)
	}
	if b.String() != "date Thu Jan  1 00:00:00 1970\nbase hex  timestamps absolute\nno internal events logged\n" {
		t.Error(b.String())
	}
}

// Whatever texts a table has, a reader of CSV finds them again, in their
// places, and none of them begins as a formula does.
func FuzzCSV(f *testing.F) {
	f.Add("plain", "a,b")
	f.Add("=1+1", "say \"x\"\r\n")
	f.Add("\t@cmd", "")
	f.Fuzz(func(t *testing.T, name, text string) {
		s := &table.Schema{Columns: []table.Column{{Name: name, Type: table.Text}, {Name: "n", Type: table.Int, Unit: text}}}
		var b strings.Builder
		c := NewCSV(&b, s, &Memory{})
		fill := func(column int, v *table.Values) {
			v.Texts, v.Codes, v.Ints = []string{text}, []uint16{0}, []int64{-7}
		}
		if err := c.Write(table.Rows{N: 1, Fill: fill}); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(strings.NewReader(b.String()))
		lines, err := r.ReadAll()
		if err != nil || len(lines) != 2 || len(lines[0]) != 2 || lines[1][1] != "-7" {
			t.Fatalf("%q: %q, %v", b.String(), lines, err)
		}
		for _, cell := range []struct{ got, want string }{{lines[0][0], name}, {lines[1][0], text}} {
			want := strings.ReplaceAll(cell.want, "\r\n", "\n") // as the reader of CSV has it
			if got := strings.TrimPrefix(cell.got, "'"); got != strings.TrimPrefix(want, "'") {
				t.Errorf("%q became %q", cell.want, cell.got)
			}
			if cell.got != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell.got[0])) {
				t.Errorf("%q is a formula", cell.got)
			}
		}
	})
}

func TestOpenTablesTakeHardlyAnyMemory(t *testing.T) {
	const tables, most = 2000, 1 << 20
	s := &table.Schema{Columns: []table.Column{{Name: "t", Type: table.Time}, {Name: "n", Type: table.Int}}}
	row := table.Rows{N: 1, Fill: func(_ int, v *table.Values) { v.Ints = append(v.Ints[:0], begin) }}
	all, memory, before := make([]*CSV, tables), &Memory{}, heap()
	for i := range all {
		all[i] = NewCSV(io.Discard, s, memory)
		if err := all[i].Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if took := heap() - before; took > most {
		t.Errorf("%d open tables take %d bytes, wanted at most %d", tables, took, most)
	}
	runtime.KeepAlive(all)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestATableWithoutRowsNamesItsColumns(t *testing.T) {
	var b strings.Builder
	s := &table.Schema{Columns: []table.Column{{Name: "t", Type: table.Time}, {Name: "n", Type: table.Int, Unit: "km"}}}
	if err := NewCSV(&b, s, &Memory{}).Close(); err != nil || b.String() != "t,n [km]\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestTimesOfAllYears(t *testing.T) {
	var s stamp
	for _, ns := range []int64{0, -1, begin, begin + 1, 1 << 61, -1 << 61, 999_999_999, -1_000_000_000} {
		want := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
		if got := string(s.append(nil, ns)); got != want {
			t.Errorf("%d: %s, wanted %s", ns, got, want)
		}
	}
}

func BenchmarkASC(b *testing.B) {
	a, e := NewASC(io.Discard), frame(0, 0x123, "12345678")
	b.ReportAllocs()
	for b.Loop() {
		e.Time += 1000
		a.Frame(e)
	}
}

func BenchmarkRaw(b *testing.B) {
	r, _ := NewRaw(io.Discard)
	e := frame(0, 0x123, "12345678")
	b.ReportAllocs()
	for b.Loop() {
		e.Time += 1000
		r.Frame(e, false, "synchronised")
	}
}
