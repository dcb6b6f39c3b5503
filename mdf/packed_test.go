package mdf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"canseal/can"
)

// steady is a compressed file of n frames, and the address of its first DZ block.
func steady(t *testing.T, n int) (data []byte, at int64) {
	t.Helper()
	f := newView(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := can.Event{Time: start + int64(i)*55_000, Bus: 1, Frame: can.Frame{ID: 0x123, DLC: 8, Len: 8}}
		if err := w.Frame(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(Clock{Time: start}); err != nil {
		t.Fatal(err)
	}
	data = compressed(t, f.data)
	r, err := Open(newView(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	p := parser{r: newView(data), size: int64(len(data))}
	if at, err = p.part(r.o.lists[ridData8], 0, 0); err != nil {
		t.Fatal(err)
	}
	return data, at
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func TestABrokenBlockIsNamed(t *testing.T) {
	const frames = 1000
	whole, at := steady(t, frames)
	u64 := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
	// swap exchanges the zlib stream for one of these bytes; the block's length
	// follows, and what comes behind it is out of reach of the list.
	swap := func(b []byte, content []byte) []byte {
		packed := zipped(content)
		b = append(b[:at+dzHeader], packed...)
		copy(b[at+8:], u64(uint64(dzHeader+len(packed))))
		copy(b[at+40:], u64(uint64(len(packed))))
		return b
	}
	for _, c := range []struct {
		name, want string
		change     func(b []byte) []byte
	}{
		{"another block", "block ##DZ", func(b []byte) []byte { b[at+2] = 'X'; return b }},
		{"a signal block", "transposed records", func(b []byte) []byte { b[at+24] = 'S'; return b }},
		{"not transposed", "transposed records", func(b []byte) []byte { b[at+26] = 0; return b }},
		{"zstd", "transposed records", func(b []byte) []byte { b[at+26] = 2; return b }},
		{"wrong columns", "24 columns", func(b []byte) []byte { b[at+28] = 25; return b }},
		{"no columns", "24 columns", func(b []byte) []byte { b[at+28] = 0; return b }},
		{"nothing", "records of 24 bytes", func(b []byte) []byte { copy(b[at+32:], u64(0)); return b }},
		{"part of a record", "records of 24 bytes", func(b []byte) []byte { copy(b[at+32:], u64(24*frames-1)); return b }},
		{"more than counted", "at most 24000 bytes", func(b []byte) []byte { copy(b[at+32:], u64(24*frames+24)); return b }},
		{"a terabyte", "at most 24000 bytes", func(b []byte) []byte { copy(b[at+32:], u64(24<<36)); return b }},
		{"less than there is", "a zlib stream of 23976 bytes", func(b []byte) []byte { copy(b[at+32:], u64(24*frames-24)); return b }},
		{"packed length", "packed bytes", func(b []byte) []byte { b[at+40]++; return b }},
		{"huge packed length", "packed bytes", func(b []byte) []byte { copy(b[at+40:], u64(1<<62)); return b }},
		{"huge block", "packed bytes", func(b []byte) []byte {
			copy(b[at+8:], u64(1<<40+dzHeader))
			copy(b[at+40:], u64(1<<40))
			return b
		}},
		{"no zlib", "a zlib stream", func(b []byte) []byte { b[at+dzHeader] = 0xFF; return b }},
		{"bomb", "a zlib stream of 24000 bytes", func(b []byte) []byte { return swap(b, make([]byte, 1<<22)) }},
		{"short", "a zlib stream of 24000 bytes", func(b []byte) []byte { return swap(b, make([]byte, 23_999)) }},
		{"checksum", "a zlib stream", func(b []byte) []byte {
			n := int64(binary.LittleEndian.Uint64(b[at+40:]))
			b[at+dzHeader+n-1] ^= 1
			return b
		}},
		{"cut", "bytes", func(b []byte) []byte { return b[:at+dzHeader+10] }},
		{"falling times", "times from", func(b []byte) []byte {
			columns := make([]byte, 24*frames)
			columns[7*frames] = 0x7F // the first time is the largest of all
			return swap(b, columns)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := c.change(slices.Clone(whole))
			r, err := Open(newView(bad), int64(len(bad)))
			if err != nil {
				t.Fatal(err)
			}
			var damage *CorruptError
			if _, err = r.Check(); !errors.As(err, &damage) || !strings.Contains(damage.Want, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			readAll(t, bad)
		})
	}
}

func TestDamageOfACompressedFileIsFound(t *testing.T) {
	whole := compressed(t, finished(t))
	r, err := Open(newView(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	want := all(t, r)
	random := random(t)
	blocks := bytes.Index(whole, []byte("##DZ"))
	for range 3000 {
		bad := slices.Clone(whole)
		bad[blocks+random.IntN(len(bad)-blocks)] ^= 1 << random.IntN(8)
		r, err := Open(newView(bad), int64(len(bad)))
		if err != nil {
			continue
		}
		if _, err := r.Check(); err != nil {
			continue
		}
		same(t, "what nobody complains about", all(t, r), want) // padding
	}
}

func TestABombNeedsNoMemory(t *testing.T) {
	whole, at := steady(t, 1000)
	// 64 kB that are 64 MB, in a file that says so everywhere.
	packed := zipped(make([]byte, 1<<26))
	bad := append(slices.Clone(whole[:at+dzHeader]), packed...)
	copy(bad[at+8:], le(uint64(dzHeader+len(packed))))
	copy(bad[at+32:], le(uint64(1<<26/24*24), uint64(len(packed))))
	r, err := Open(newView(bad), int64(len(bad)))
	if err != nil {
		t.Fatal(err)
	}
	copy(bad[r.o.cycles[ridData8]:], le(uint64(1<<26/24)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if r, err = Open(newView(bad), int64(len(bad))); err != nil {
		t.Fatal(err)
	}
	_, err = r.Check()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 4<<20 {
		t.Errorf("%v, %d bytes were allocated", err, used)
	}
}

func TestWhatIsNoFinishedFileIsNotCompressed(t *testing.T) {
	whole := finished(t)
	live := newCard(nil)
	if err := writing(t, live, header, oneOfEach(), 4).Sync(); err != nil {
		t.Fatal(err)
	}
	rotten := slices.Clone(whole)
	rotten[len(rotten)-64] ^= 1
	counted := slices.Clone(whole)
	o, err := parse(newView(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	counted[o.cycles[ridGap]]++
	for name, data := range map[string][]byte{
		"live": live.data, "compressed": compressed(t, whole), "cut": whole[:len(whole)-1], "rotten": rotten,
		"wrong count": counted, "empty": nil, "text": []byte("MDF is what this is not"),
	} {
		out := newView(nil)
		var damage *CorruptError
		if _, err := Compress(out, newView(data), int64(len(data))); !errors.As(err, &damage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTooManyStrandsAreRefused(t *testing.T) {
	f := newView(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	// Each piece of the stream has one frame of long ago, and one of the far end.
	for i := range 900_000 {
		e := can.Event{Time: start + int64(i)*1000, Bus: 1}
		if i%5000 == 0 {
			e.Time = start - 1e12 + int64(i)*1000
		}
		if i%5000 == 1 {
			e.Time = start + 1e12 + int64(i)*1000
		}
		w.Frame(&e)
	}
	if err := w.Finish(Clock{Time: start}); err != nil {
		t.Fatal(err)
	}
	if _, err := Compress(&sink{}, newView(f.data), int64(len(f.data))); !errors.Is(err, ErrStrands) {
		t.Errorf("got %v, want %v", err, ErrStrands)
	}
}

func TestCompressNeedsLittleMemory(t *testing.T) {
	data := reference(t, 400_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Compress(&sink{}, newView(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}

func TestAFailingFileIsToldByCompress(t *testing.T) {
	data := reference(t, 100_000)
	for left := range 4 {
		out := newCard(nil)
		out.left = left
		if _, err := Compress(out, newView(data), int64(len(data))); !errors.Is(err, errPower) {
			t.Errorf("%d writes: %v", left, err)
		}
	}
}

// TestCandumpComesBackFromACompressedSegment goes from candump text by way of a
// segment and its compressed form to candump text.
func TestCandumpComesBackFromACompressedSegment(t *testing.T) {
	r := random(t)
	var text []byte
	f := newView(nil)
	w, err := Create(f, header)
	if err != nil {
		t.Fatal(err)
	}
	time := int64(start) / 1000 * 1000
	for i := range 60_000 {
		if i%3 > 0 { // runs of equal stamps, as two buses make them
			time += r.Int64N(200) * 1000
		}
		line := can.AppendCandump(nil, &randomFrame(r, time).Event, "can0")
		text = append(append(text, line...), '\n')
		var e can.Event
		if _, err := can.ParseCandump(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		e.Bus = 1
		if err := w.Frame(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(Clock{Time: time}); err != nil {
		t.Fatal(err)
	}
	packed := compressed(t, f.data)
	rd, err := Open(newView(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var back []byte
	for e, err := range rd.Frames() {
		if err != nil {
			t.Fatal(err)
		}
		back = append(can.AppendCandump(back, e, "can0"), '\n')
	}
	if !bytes.Equal(back, text) {
		t.Error("the text differs")
	}
}

// A block that is named more than once would cost a small file hours.
func TestNoBlockIsReadTwice(t *testing.T) {
	whole, _ := steady(t, 2*perBlock(18))
	r, err := Open(newView(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	l := r.o.lists[ridData8]
	first := l.at + 24 + 8
	copy(whole[first+8:first+16], whole[first:first+8])
	_, err = r.Check()
	var c *CorruptError
	if l.n < 2 || !errors.As(err, &c) || c.Offset != l.at {
		t.Errorf("%d blocks: found %v, wanted the list at byte %d", l.n, err, l.at)
	}
}
