package mdf

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"canseal/can"
)

// finished returns a small finished file.
func finished(t testing.TB) []byte {
	f := newCard(nil)
	w := writing(t, f, header, oneOfEach(), 4)
	if err := w.Finish(Clock{Time: start + 20e6}); err != nil {
		t.Fatal(err)
	}
	return f.data
}

// readAll reads a file that may be anything; every error has to name a place.
func readAll(t *testing.T, data []byte) (frames int) {
	t.Helper()
	named := func(err error) {
		t.Helper()
		var c *CorruptError
		if err != nil && (!errors.As(err, &c) || c.Want == "" || c.Got == "") {
			t.Fatalf("an error without a place: %v", err)
		}
	}
	r, err := Open(newCard(data), int64(len(data)))
	named(err)
	if err != nil {
		return 0
	}
	for _, err := range r.Records() {
		named(err)
	}
	for _, err := range r.Frames() {
		named(err)
		frames++
	}
	_, err = r.Check()
	named(err)
	return frames
}

// bases are files for a fuzzer to damage: live, finished, repaired, compressed.
func bases(t testing.TB) [][]byte {
	live := newCard(nil)
	if err := writing(t, live, header, oneOfEach(), 4).Sync(); err != nil {
		t.Fatal(err)
	}
	cut := newCard(live.data[:len(live.data)-30])
	if _, err := Repair(cut); err != nil {
		t.Fatal(err)
	}
	return [][]byte{live.data, finished(t), cut.data, compressed(t, finished(t))}
}

// damage puts a patch into a copy of a base file and cuts it to size.
func damage(bases [][]byte, base uint8, at, size int, patch []byte) []byte {
	data := slices.Clone(bases[int(base)%len(bases)])
	at = min(max(at, 0), len(data))
	data = append(data[:at], append(slices.Clone(patch), data[min(at+len(patch), len(data)):]...)...)
	return data[:min(max(size, 0), len(data))]
}

func seeds(f *testing.F) {
	f.Add(uint8(0), 64, 1<<20, []byte("##HD"))
	f.Add(uint8(0), 37_200, 37_300, []byte{14, 0, 0})
	f.Add(uint8(1), 0, 1<<20, []byte("UnFinMF "))
	f.Add(uint8(1), 64+24, 1<<20, []byte{8, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(2), 80, 600, []byte{255, 255, 255, 255, 255, 255, 255, 127})
	f.Add(uint8(0), 1<<20, 1<<20, make([]byte, 300))
	f.Add(uint8(3), 37_600, 1<<20, []byte{0xFF, 0xFF, 0xFF, 0xFF})
}

// FuzzCompress compresses anything; what comes out has what went in.
func FuzzCompress(f *testing.F) {
	files := bases(f)
	seeds(f)
	f.Fuzz(func(t *testing.T, base uint8, at, size int, patch []byte) {
		data := damage(files, base, at, size, patch)
		out := newView(nil)
		if _, err := Compress(out, newView(data), int64(len(data))); err != nil {
			var c *CorruptError
			if !errors.As(err, &c) || c.Want == "" || c.Got == "" {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		same(t, "compressed", reading(t, out.data), inOrder(reading(t, data)))
	})
}

func FuzzReader(f *testing.F) {
	files := bases(f)
	seeds(f)
	f.Fuzz(func(t *testing.T, base uint8, at, size int, patch []byte) {
		readAll(t, damage(files, base, at, size, patch))
	})
}

// FuzzRepair repairs anything: what comes out is finished, a second repair
// changes nothing, and what is refused is not touched.
func FuzzRepair(f *testing.F) {
	files := bases(f)
	seeds(f)
	f.Fuzz(func(t *testing.T, base uint8, at, size int, patch []byte) {
		c := newCard(damage(files, base, at, size, patch))
		before := slices.Clone(c.data)
		rep, err := Repair(c)
		if err != nil || rep.Empty {
			if !bytes.Equal(before, c.data) {
				t.Fatalf("changed, though %+v, %v", rep, err)
			}
			return
		}
		again := newCard(c.data)
		second, err := Repair(again)
		if err != nil || !second.Already || again.ops != 0 {
			t.Fatalf("second repair: %+v, %v", second, err)
		}
	})
}

// FuzzHeader reads headers that are no file of ours at all.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("MDF     4.11    canseal"))
	f.Add(finished(f)[:400])
	f.Fuzz(func(t *testing.T, data []byte) { readAll(t, data) })
}

func TestEveryDamagedByteOfAHeaderIsSurvived(t *testing.T) {
	data := finished(t)
	r := random(t)
	for at := 0; at < len(data); at += 1 + r.IntN(41) {
		bad := slices.Clone(data)
		bad[at] ^= byte(1 + r.IntN(255))
		readAll(t, bad)
	}
}

func TestDamageOfAFinishedFileIsFound(t *testing.T) {
	data := finished(t)
	r, err := Open(newCard(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	stream := int(r.o.stream)
	for at := stream; at < len(data); at++ {
		bad := slices.Clone(data)
		bad[at] ^= 0x10
		r, err := Open(newCard(bad), int64(len(bad)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Check()
		var c *CorruptError
		if !errors.As(err, &c) && !spare(data, stream, at) {
			t.Fatalf("byte %d (%d of the records) is wrong and nobody says so: %v", at, at-stream, err)
		}
	}
	count := slices.Clone(data)
	count[r.o.cycles[ridGap]]++
	r, err = Open(newCard(count), int64(len(count)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Check(); err == nil {
		t.Error("a wrong count passes")
	}
}

// spare tells whether a byte is one of the four unused ones behind the
// checksum of a mark.
func spare(data []byte, stream, at int) bool {
	for i := stream; i < len(data); {
		size := 1 + find(data[i]).size
		if data[i] == ridMark && at >= i+size-4 && at < i+size {
			return true
		}
		i += size
	}
	return false
}

func TestLargeClaimsCostNoMemory(t *testing.T) {
	data := finished(t)
	for at := 64; at+8 < 36_000; at += 8 {
		bad := slices.Clone(data)
		for i, b := range []byte{0, 0, 0, 0, 0, 0, 1, 0} { // 2^48
			bad[at+i] = b
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(newCard(bad), int64(len(bad)))
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Fatalf("a claim of 2^48 at byte %d: %d bytes allocated, %v", at, grown, err)
		}
		at += 8 * 12
	}
}

func TestATruncatedFinishedFileIsAnError(t *testing.T) {
	data := finished(t)
	for _, n := range []int{1, 30, 300} {
		var c *CorruptError
		if _, err := Open(newCard(data[:len(data)-n]), int64(len(data)-n)); !errors.As(err, &c) {
			t.Errorf("%d bytes are missing: %v", n, err)
		}
	}
	if _, err := Repair(newCard(data[:len(data)-1])); err == nil {
		t.Error("Repair of a truncated finished file: no error")
	}
}

func TestFramesLeavesOutTheRest(t *testing.T) {
	data := finished(t)
	r, err := Open(newCard(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var want []can.Event
	for _, rec := range oneOfEach() {
		if f, ok := rec.(*Frame); ok {
			want = append(want, f.Event)
		}
	}
	var got []can.Event
	for e, err := range r.Frames() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, *e)
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

func TestACommentInManyPiecesIsReadInOneGo(t *testing.T) {
	const pieces = 1<<17 - 100
	c, err := parseComment("<HDcomment><TX>" + strings.Repeat("x<!---->", pieces) + "</TX></HDcomment>")
	if err != nil || len(c.text("", "TX")) != pieces {
		t.Errorf("found %d bytes, %v", len(c.text("", "TX")), err)
	}
	var before, after runtime.MemStats
	text := "<TX>" + strings.Repeat("x<!---->", pieces) + "</TX>"
	runtime.ReadMemStats(&before)
	parseComment(text)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 400*pieces {
		t.Errorf("%d bytes allocated for %d pieces", used, pieces)
	}
}
