package mdf

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"canseal/can"
	"canseal/internal/mdfcheck"
)

var update = flag.Bool("update", false, "write the golden files anew: a change of them is a change of the format")

// golden compares a file's dump with testdata/NAME.txt.
func golden(t *testing.T, name string, data []byte) {
	t.Helper()
	var dump bytes.Buffer
	if err := mdfcheck.Dump(&dump, newCard(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, dump.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(dump.String(), "\n"), strings.Split(string(want), "\n")
	for i := range got {
		if i >= len(wanted) || got[i] != wanted[i] {
			t.Fatalf("%s line %d\n got %s\nwant %s", path, i+1, got[i], strings.Join(wanted[min(i, len(wanted)):min(i+1, len(wanted))], ""))
		}
	}
	if len(wanted) != len(got) {
		t.Fatalf("%s has %d lines, the dump %d", path, len(wanted), len(got))
	}
}

// oneOfEach are records of all kinds with telling values.
func oneOfEach() []Record {
	frame := func(ms int64, f can.Frame, dir can.Direction, v can.Verdict) *Frame {
		for i := range f.Payload() {
			f.Data[i] = byte(16*i + 1)
		}
		return &Frame{Event: can.Event{Time: start + ms*1e6, Bus: 2, Dir: dir, Verdict: v, Frame: f}}
	}
	busError := can.Frame{ID: 0x8C, Flags: can.Error, DLC: 8, Len: 8}
	copy(busError.Data[:], []byte{0, 0, 0x84, 0x0A, 0, 0, 96, 127})
	records := []Record{
		Clock{start - 1, 5_000_000_000, start - 1, 250, SourceKernel, true, false, false},
		Sender{start, 0x123, false, 1, 7, true, false},
		Sender{start, 0x1ABCDE, true, 1, 8, false, true},
		frame(-2, can.Frame{ID: 0x7FF, DLC: 15, Len: 8}, can.Rx, can.NotChecked),
		frame(1, can.Frame{ID: 0x1FFFFFFF, Flags: can.Extended, DLC: 3, Len: 3}, can.Tx, can.Authentic),
		frame(2, can.Frame{ID: 0x100, Flags: can.FD | can.BRS, DLC: 9, Len: 12}, can.OtherTx, can.Injected),
		frame(3, can.Frame{ID: 0x101, Flags: can.FD | can.ESI, DLC: 11, Len: 20}, can.Rx, can.SignatureWrong),
		frame(4, can.Frame{ID: 0x102, Flags: can.FD | can.BRS | can.ESI, DLC: 15, Len: 64}, can.Rx, can.Pending),
		frame(5, can.Frame{ID: 0x103, Flags: can.Remote, DLC: 12}, can.Rx, can.NotListed),
		&Frame{Event: can.Event{Time: start + 6e6, Bus: 8, Frame: busError}},
		&Frame{Event: can.Event{Time: start + 7e6, Bus: 1, Verdict: 99, Frame: can.Frame{ID: 0x104}}, Encrypted: true},
		Gap{start + 8e6, start - 5e9, start + 7e6, 42, 1, can.LostSocket, true},
		VerdictChange{start + 9e6, start + 3e6, start + 5e6, 0x102, false, 2, 7, ScopeIdentifier, can.Vouched},
		State{start + 10e6, 3, can.BusOff, 255, 7, 0x123, true, 9},
		Security{start + 11e6, 3, 0x123, false, 2, 7, InjectedLocally},
		Plain{Time: start + 12e6, ID: 0x102, Bus: 2, Sender: 7, Len: 2, Data: [64]byte{0xCA, 0xFE}},
	}
	return records
}

func TestGoldenFiles(t *testing.T) {
	f := newCard(nil)
	w := writing(t, f, header, oneOfEach(), 5)
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	golden(t, "live", f.data)
	torn := newCard(f.data[:len(f.data)-30])
	if err := w.Finish(Clock{Time: start + 13e6, Boot: 6_000_000_000, Wall: start + 13e6, Error: UnknownError, BelowFloor: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "finished", f.data)
	golden(t, "compressed", compressed(t, f.data))
	if _, err := Repair(torn); err != nil {
		t.Fatal(err)
	}
	golden(t, "repaired", torn.data)

	h := header
	h.Plain = false
	empty := newCard(nil)
	if _, err := Create(empty, h); err != nil {
		t.Fatal(err)
	}
	golden(t, "empty", empty.data)
}
