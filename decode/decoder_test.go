package decode

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"canseal/can"
	"canseal/decode/dbc"
)

// planOf makes a plan of one DBC text without faults.
func planOf(t testing.TB, text string) *Plan {
	t.Helper()
	f, warnings := dbc.Parse("x.dbc", []byte(text))
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	p, err := NewPlan("", []Rule{{File: f}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const small = `BO_ 1 M: 8 A
 SG_ Low : 0|16@1+ (1,0) [0|0] "" A
 SG_ High : 48|16@1+ (1,0) [0|0] "" A
`

// rows prints the rows that a decoder gives, one text each: time, identifier,
// then the values or states of the signals.
func rows(t testing.TB, o Options, frames []Frame) (all []string, stats Stats) {
	t.Helper()
	o.Batch = func(b *Batch) error {
		b.Sort()
		all = append(all, printed(b)...)
		return nil
	}
	d := New(o)
	for i := range frames {
		if _, err := d.Add(&frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	return all, d.Stats()
}

func printed(b *Batch) []string {
	all := make([]string, b.Len())
	for row := range all {
		all[row] = fmt.Sprintf("%d %d:%X", b.Time[row], b.Bus, b.ID[row])
	}
	for i := range b.Message.Signals {
		states, _ := b.States(i, nil)
		phys := b.Phys(i, nil)
		for row, s := range states {
			if s == Present {
				all[row] += fmt.Sprintf(" %v", phys[row])
			} else {
				all[row] += fmt.Sprintf(" (%v)", s)
			}
		}
	}
	return all
}

func TestCiphertextAndMissingBytesAreNeverNumbers(t *testing.T) {
	data := []byte{1, 0, 0, 0, 0, 0, 2, 0}
	got, _ := rows(t, Options{Plan: planOf(t, small)}, []Frame{
		{Time: 1, Bus: 1, ID: 1, Data: data},
		{Time: 2, Bus: 1, ID: 1, Data: data, Hidden: 1 << 1},
		{Time: 3, Bus: 1, ID: 1, Data: data[:7], Hidden: 1 << 5},
		{Time: 4, Bus: 1, ID: 1, Data: nil},
		{Time: 5, Bus: 1, ID: 1, Data: data, Hidden: ^uint64(0)},
	})
	want := []string{
		"1 1:1 1 2", "2 1:1 (encrypted) 2", "3 1:1 1 (payload too short)", "4 1:1 (payload too short) (payload too short)",
		"5 1:1 (encrypted) (encrypted)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSignalsOfAHiddenMultiplexerAreHidden(t *testing.T) {
	plan := planOf(t, `BO_ 1 M: 8 A
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" A
 SG_ V m1 : 8|8@1+ (1,0) [0|0] "" A
`)
	got, _ := rows(t, Options{Plan: plan}, []Frame{
		{Bus: 1, ID: 1, Data: []byte{1, 7}, Hidden: 1},
		{Bus: 1, ID: 1, Data: []byte{2, 7}},
		{Bus: 1, ID: 1, Data: []byte{1, 7}},
		{Bus: 1, ID: 1, Data: []byte{1}},
	})
	want := []string{"0 1:1 (encrypted) (encrypted)", "0 1:1 2 (not selected)", "0 1:1 1 7", "0 1:1 1 (payload too short)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhatBecomesOfAFrame(t *testing.T) {
	d := New(Options{Plan: planOf(t, small), Batch: func(*Batch) error { return nil }})
	for _, c := range []struct {
		frame Frame
		want  Fate
	}{
		{Frame{Bus: 1, ID: 1}, Decoded},
		{Frame{Bus: 1, ID: 1, Flags: can.FD, Data: make([]byte, 64)}, Decoded},
		{Frame{Bus: 1, ID: 2}, Unknown},
		{Frame{Bus: 1, ID: 1, Flags: can.Extended}, Unknown},
		{Frame{Bus: 1, ID: 1, Flags: can.Remote}, NoSignal},
		{Frame{Bus: 1, ID: 1, Flags: can.Error}, NoSignal},
		{Frame{Bus: 1, ID: 0x1cecff00, Flags: can.Extended}, Part},
	} {
		if got, _ := d.Add(&c.frame); got != c.want {
			t.Errorf("%X with %b: %d, want %d", c.frame.ID, c.frame.Flags, got, c.want)
		}
	}
	if s := d.Stats(); s.Frames != s.Decoded+s.Unknown+s.Parts+s.NoSignal || s.Frames != 7 {
		t.Errorf("%+v", s)
	}
}

func TestRowsOfEqualTimeKeepTheirOrder(t *testing.T) {
	var frames []Frame
	for i, at := range []int64{5, 3, 3, 4, 3} {
		frames = append(frames, Frame{Time: at, Bus: 1, ID: 1, Data: []byte{byte(i), 0, 0, 0, 0, 0, 0, 0}})
	}
	got, _ := rows(t, Options{Plan: planOf(t, small)}, frames)
	if want := []string{"3 1:1 1 0", "3 1:1 2 0", "3 1:1 4 0", "4 1:1 3 0", "5 1:1 0 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTheSizeOfBatchesDoesNotMatter decodes the mix with very different limits.
func TestTheSizeOfBatchesDoesNotMatter(t *testing.T) {
	all, plan := mixed(t, 5000)
	want, _ := rows(t, Options{Plan: plan}, all)
	slices.Sort(want)
	for _, o := range []Options{{Plan: plan, Rows: 1}, {Plan: plan, Rows: 100}, {Plan: plan, Memory: 1}, {Plan: plan, Memory: 100_000}} {
		got, _ := rows(t, o, all)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d rows, %d bytes: other rows", o.Rows, o.Memory)
		}
	}
}

func TestARowHasWhatItsFrameHad(t *testing.T) {
	want := Frame{Time: -1, Bus: 255, ID: 0x1fffffff, Flags: can.Extended, Verdict: can.SenderLostOrLeft, Mark: 255}
	d := New(Options{Plan: planOf(t, "BO_ 2684354559 M: 1 A\n"), Batch: func(b *Batch) error {
		got := Frame{Time: b.Time[0], Bus: b.Bus, ID: b.ID[0], Flags: can.Extended, Verdict: b.Verdict[0], Mark: b.Mark[0]}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		return nil
	}})
	if fate, _ := d.Add(&want); fate != Decoded {
		t.Error(fate)
	}
	d.Flush()
}

func TestAnErrorOfTheTakerComesOut(t *testing.T) {
	full := errors.New("full")
	d := New(Options{Plan: planOf(t, small), Rows: 1, Batch: func(*Batch) error { return full }})
	d.Add(&Frame{Bus: 1, ID: 1})
	if _, err := d.Add(&Frame{Bus: 1, ID: 1}); !errors.Is(err, full) {
		t.Error(err)
	}
	d.Add(&Frame{Bus: 1, ID: 1})
	if err := d.Flush(); !errors.Is(err, full) {
		t.Error(err)
	}
}

// A flip of the day hands over; it must not cost what a thousand quiet messages
// would.
func TestTablesWithoutRowsAreNotVisited(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "BO_ %d M%d: 8 A\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" A\n", i, i)
	}
	var got []uint32
	d := New(Options{Plan: planOf(t, text.String()), Rows: 64, Batch: func(b *Batch) error {
		got = append(got, b.ID[0])
		return nil
	}})
	add := func(id uint32) {
		if _, err := d.Add(&Frame{Bus: 1, ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		add(uint32(i))
	}
	d.HandOver()
	got = got[:0]
	for _, id := range []uint32{700, 3, 700} {
		add(id)
	}
	for range 200 { // full, and handed over, in between
		add(3)
	}
	if n := len(d.held); n != 2 {
		t.Errorf("%d tables would be visited, and two have rows", n)
	}
	d.HandOver()
	if want := []uint32{3, 3, 3, 3, 700}; !slices.Equal(got, want) {
		t.Errorf("batches of %d, wanted %d: in the order in which they began", got, want)
	}
	if n := len(d.held); n != 0 {
		t.Errorf("%d tables would be visited, and none has rows", n)
	}
}

// TestMemoryIsBounded floods a decoder: every identifier, messages of every
// length, announcements without end.
func TestMemoryIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "BO_ %d M%d: %d A\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" A\n", i, i, i%64+1)
	}
	d := New(Options{Plan: planOf(t, text.String()), Memory: 4 << 20, Batch: func(*Batch) error { return nil }})
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 64)
	peak := uint64(0)
	for i := range 300_000 {
		f := Frame{Time: int64(i), Bus: uint8(i % 3), ID: r.Uint32() & 0x1fffffff, Flags: can.Extended, Data: data[:r.IntN(65)]}
		if i%2 == 0 {
			f.ID, f.Flags = f.ID&0x7ff, 0
		}
		d.Add(&f)
		if i%30_000 == 0 {
			peak = max(peak, heap())
		}
	}
	if most := uint64(64 << 20); peak > most {
		t.Errorf("%d bytes of heap; %d are the most", peak, most)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
