package mdf

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"canseal/can"
)

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	want := randomRecords(random(t), 20_000)
	last := Clock{Time: start + 1e12, Boot: 7, Wall: start, Error: UnknownError, Source: SourceKernel, Synchronised: true}
	f := newCard(nil)
	w := writing(t, f, header, want, 700)
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	same(t, "live", reading(t, f.data), want)
	judge(t, f.data)

	if err := w.Finish(last); err != nil {
		t.Fatal(err)
	}
	same(t, "finished", reading(t, f.data), append(want, last))
	rep := judge(t, f.data)
	if !rep.Finalised {
		t.Error("not finalised")
	}
	if w.Size() != int64(len(f.data)) {
		t.Errorf("Size is %d of a file of %d", w.Size(), len(f.data))
	}
	r, err := Open(f, w.Size())
	if err != nil {
		t.Fatal(err)
	}
	if h := r.Header(); !reflect.DeepEqual(h, header) {
		t.Errorf("header\n got %+v\nwant %+v", h, header)
	}
	if stats, err := r.Check(); err != nil || stats != w.Stats() {
		t.Errorf("stats\n got %+v, %v\nwant %+v", stats, err, w.Stats())
	}
}

func same(t *testing.T, what string, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !equal(got[i], want[i]) {
			t.Fatalf("%s: record %d\n got %+v\nwant %+v", what, i, got[i], want[i])
		}
	}
}

func equal(a, b Record) bool {
	f, ok := a.(*Frame)
	g, too := b.(*Frame)
	if ok && too {
		return *f == *g
	}
	return a == b
}

// TestFramesStandWhereTheLayoutSays holds the hand-written frame records
// against the table, both ways.
func TestFramesStandWhereTheLayoutSays(t *testing.T) {
	r := random(t)
	for range 5000 {
		f := randomFrame(r, start+r.Int64N(1e15))
		b := make([]byte, 128)
		fill(r, b)
		rid, n := putFrame(b, relative(f.Time, start), &f.Event, f.Encrypted)
		g := find(rid)
		if n != 1+g.size || b[0] != rid {
			t.Fatalf("record %d of %d bytes for %+v", rid, n, f)
		}
		want := make([]byte, g.size)
		binary.LittleEndian.PutUint64(want, relative(f.Time, start))
		for _, field := range g.fields {
			if field.kind == octets {
				copy(want[field.at:], f.Frame.Data[:min(field.bits/8, can.MaxData)])
			} else {
				field.put(want, member(f, field.name))
			}
		}
		if !bytes.Equal(b[1:n], want) {
			t.Fatalf("%+v\n got %x\nwant %x", f, b[1:n], want)
		}
		var back Frame
		if err := takeFrame(&back, b[:n], start, 0); err != nil || back != *f {
			t.Fatalf("%+v comes back as %+v, %v", f, back, err)
		}
	}
}

// member returns the value of a member as docs/formats.md C1 has it.
func member(f *Frame, name string) uint64 {
	bit := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	switch name {
	case "ID", "ErrorClass":
		return uint64(f.Frame.ID)
	case "IDE":
		return bit(f.Frame.Is(can.Extended))
	case "EDL":
		return bit(f.Frame.Is(can.FD))
	case "BRS":
		return bit(f.Frame.Is(can.BRS))
	case "ESI":
		return bit(f.Frame.Is(can.ESI))
	case "BusChannel":
		return uint64(f.Bus)
	case "DLC":
		return uint64(f.Frame.DLC)
	case "DataLength":
		if f.Frame.Is(can.Remote) {
			return uint64(min(f.Frame.DLC, 8))
		}
		return uint64(f.Frame.Len)
	case "Dir":
		return bit(f.Dir != can.Rx || f.Frame.Is(can.Error) && f.Frame.Data[2]&0x80 != 0)
	case "OtherTx":
		return bit(f.Dir == can.OtherTx)
	case "Encrypted":
		return bit(f.Encrypted)
	case "AuthVerdict":
		return uint64(f.Verdict)
	case "ErrorType":
		return errorType(&f.Frame)
	}
	panic("no member " + name)
}

func TestErrorTypeIsTheFirstThatFits(t *testing.T) {
	for _, c := range []struct {
		class uint32
		data  [64]byte
		want  string
	}{
		{0x20, [64]byte{}, "acknowledge"},
		{0x28, [64]byte{2: 1, 3: 8}, "acknowledge"},
		{0x08, [64]byte{2: 1, 3: 8}, "CRC"},
		{0x08, [64]byte{2: 0x08}, "bit"},
		{0x08, [64]byte{2: 0x13}, "bit"},
		{0x08, [64]byte{2: 0x02}, "form"},
		{0x08, [64]byte{2: 0x06}, "form"},
		{0x08, [64]byte{2: 0x84}, "stuffing"},
		{0x08, [64]byte{2: 0x20}, "other"},
		{0x04, [64]byte{2: 0x01, 3: 8}, "other"},
	} {
		got := ErrorTypes[errorType(&can.Frame{ID: c.class, Data: c.data})]
		if got != c.want {
			t.Errorf("class %#x data %x: %s, want %s", c.class, c.data[:8], got, c.want)
		}
	}
}

func TestFieldsOfARecordDoNotOverlap(t *testing.T) {
	for _, g := range groups {
		used := make([]bool, 8*g.size)
		for _, f := range append([]field{{name: "Timestamp", bits: 64}}, g.fields...) {
			for i := range f.bits {
				at := 8*f.at + f.bit + i
				if at >= len(used) || used[at] {
					t.Fatalf("%s.%s: bit %d is taken or outside", g.name, f.name, at)
				}
				used[at] = true
			}
		}
		if find(g.rid).name != g.name {
			t.Errorf("%s is not at its record id", g.name)
		}
	}
}
