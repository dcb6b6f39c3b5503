package decode

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"canseal/can"
	"canseal/decode/dbc"
	"canseal/internal/mix"
)

// FuzzColumnsAndSingleFramesAgree decodes any frames by any DBC file, in
// columns and one by one, and holds the memory to a bound.
//
//	frame    bytes 0-3: identifier, bit 31 extended; 4: length; 5: hidden bytes; then data
func FuzzColumnsAndSingleFramesAgree(f *testing.F) {
	f.Add([]byte(small), []byte("\x01\x00\x00\x00\x08\x0012345678\x01\x00\x00\x00\x03\x00123\x01\x00\x00\x00\x08\x0212345678"))
	f.Add([]byte(obd), []byte("\xe8\x07\x00\x00\x08\x00\x04\x41\x0c12345"))
	f.Add(mix.DBC()[:2000], []byte("\x80\x00\x00\x00\x08\x0012345678"))
	f.Fuzz(func(t *testing.T, text, frames []byte) {
		file, _ := dbc.Parse("x.dbc", text)
		plan, err := NewPlan("", []Rule{{File: file}}, PlanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rows := decodeBoth(t, plan, frames)
		runtime.ReadMemStats(&after)
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(4<<20+len(frames)*64+rows*mostSignals(file)*64); used > most {
			t.Errorf("%d bytes allocated for %d bytes of frames; %d are the most", used, len(frames), most)
		}
	})
}

func mostSignals(f *dbc.File) (n int) {
	for _, m := range f.Messages {
		n = max(n, len(m.Signals))
	}
	return n
}

func decodeBoth(t *testing.T, plan *Plan, frames []byte) (rows int) {
	var alone [][]Value // in the order of the rows of each batch
	next := map[*Message][][]Value{}
	d := New(Options{Plan: plan, Rows: 5, Transport: TransportOptions{Off: true}, Batch: func(b *Batch) error {
		alone = next[b.Message][:b.Len()]
		next[b.Message] = next[b.Message][b.Len():]
		agree(t, b, alone)
		rows += b.Len()
		return nil
	}})
	for len(frames) >= 6 {
		id, n := binary.LittleEndian.Uint32(frames), min(int(frames[4]), len(frames)-6)
		frame := Frame{Bus: 1, ID: id &^ extendedBit, Hidden: uint64(frames[5]), Data: frames[6 : 6+n]}
		if id&extendedBit != 0 {
			frame.Flags = can.Extended
		}
		frames = frames[6+n:]
		if m := plan.Message(1, frame.ID, frame.Flags); m != nil {
			next[m] = append(next[m], m.Decode(nil, frame.Data, frame.Hidden))
		}
		d.Add(&frame)
	}
	d.Flush()
	return rows
}

func agree(t *testing.T, b *Batch, want [][]Value) {
	t.Helper()
	var states []State
	var raw []int64
	var phys []float64
	for i := range b.Message.Signals {
		states, _ = b.States(i, states)
		raw, phys = b.Raw(i, raw), b.Phys(i, phys)
		for row := range want {
			if got := (Value{states[row], raw[row], phys[row]}); !equalValues(got, want[row][i]) {
				t.Fatalf("%s, signal %d: a column has %v, alone it is %v", b.Message.Name, i, got, want[row][i])
			}
		}
	}
	if !slices.IsSorted(b.Time) {
		t.Error("times out of order")
	}
}

// FuzzDecoder gives any frames to the transport protocols of a plan that has
// all of them, and holds the counts to their sum.
func FuzzDecoder(f *testing.F) {
	const text = obd + `BO_ 2028 Long: 62 A
 SG_ S : 400|64@1- (1,0) [0|0] "" A
BO_ 2583168510 Position: 51 A
 SG_ S : 63|64@0+ (1,0) [0|0] "" A
BO_ 2566841342 EC1: 40 A
 SG_ S : 96|16@1+ (0.125,0) [0|0] "" A
`
	f.Add([]byte("\xec\x07\x00\x00\x08\x00\x10\x08abcdef\xec\x07\x00\x00\x03\x00\x21gh"))
	f.Add([]byte("\x00\xff\xec\x9c\x08\x00\x20\x0a\x00\x02\xff\xe3\xfe\x00\x00\xff\xeb\x9c\x08\x00\x01abcdefg\x00\xff\xeb\x9c\x08\x00\x02abcdefg"))
	f.Add([]byte("\x03\x05\xf8\x99\x08\x00\x00\x0aabcdef\x03\x05\xf8\x99\x08\x00\x01abcdefg"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		plan := planOf(t, text)
		rows := uint64(0)
		d := New(Options{Plan: plan, Batch: func(b *Batch) error {
			rows += uint64(b.Len())
			for i := range b.Message.Signals {
				b.Phys(i, nil)
			}
			return nil
		}})
		for i := int64(0); len(frames) >= 6; i++ {
			id, n := binary.LittleEndian.Uint32(frames), min(int(frames[4]), len(frames)-6)
			frame := Frame{Time: i, Bus: 1, ID: id & 0x1fffffff, Hidden: uint64(frames[5]), Data: frames[6 : 6+n]}
			if id&extendedBit != 0 {
				frame.Flags = can.Extended
			}
			d.Add(&frame)
			frames = frames[6+n:]
		}
		d.Flush()
		s := d.Stats()
		if s.Frames != s.Decoded+s.Unknown+s.Parts+s.NoSignal || rows != s.Decoded+s.Messages {
			t.Errorf("%d rows, %+v", rows, s)
		}
	})
}
