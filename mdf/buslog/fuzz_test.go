package buslog_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"canseal/mdf/buslog"
)

// counting counts what is read.
type counting struct {
	r    io.ReaderAt
	read int64
}

func (c *counting) ReadAt(b []byte, at int64) (int, error) {
	c.read += int64(len(b))
	return c.r.ReadAt(b, at)
}

const (
	mostHeap    = 256 << 20 // bytes in use
	mostReading = 80 << 20  // bytes read beside six times the file
)

// survive reads whatever it is, and holds it to what it may cost.
func survive(t testing.TB, b []byte) {
	t.Helper()
	in := &counting{r: bytes.NewReader(b)}
	f, err := buslog.Open(in, int64(len(b)), buslog.Options{Window: 1 << 20})
	if err != nil {
		return
	}
	var report buslog.Report
	items := 0
	for it, err := range f.Items(&report) {
		if err != nil {
			t.Fatal(err)
		}
		if it.Type == buslog.Frame && !it.Frame.Valid() {
			t.Fatalf("not a frame: %+v", it.Event)
		}
		if items++; items%(1<<16) == 0 {
			holdHeap(t)
		}
	}
	holdHeap(t)
	if in.read > 6*int64(len(b))+mostReading {
		t.Fatalf("%d bytes read of a file of %d", in.read, len(b))
	}
	if most := 1 << 20 * (1 + len(b)/1024) * 2; items > most {
		t.Fatalf("%d items of a file of %d bytes", items, len(b))
	}
}

func holdHeap(t testing.TB) {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc > mostHeap {
		t.Fatalf("%d bytes of heap", m.HeapAlloc)
	}
}

// seeds are small files of all forms.
func seeds(t testing.TB) (all [][]byte) {
	for _, form := range forms() {
		all = append(all, form())
	}
	for _, b := range lives(t, mixed(50)) {
		all = append(all, b)
	}
	return all
}

// FuzzItems changes bytes of files of all forms: base chooses one, patch is
// laid over it at a place, and what is behind cut off.
func FuzzItems(f *testing.F) {
	bases := seeds(f)
	for i := range bases {
		f.Add(uint8(i), uint16(0), []byte{}, uint16(0))
		f.Add(uint8(i), uint16(600), []byte{255, 255, 255, 255, 255, 255, 255, 127}, uint16(100))
	}
	f.Fuzz(func(t *testing.T, base uint8, at uint16, patch []byte, cut uint16) {
		b := bytes.Clone(bases[int(base)%len(bases)])
		copy(b[min(int(at), len(b)):], patch)
		survive(t, b[:len(b)-min(int(cut), len(b))])
	})
}

func FuzzFile(f *testing.F) {
	for _, b := range seeds(f) {
		if len(b) < 8<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { survive(t, b) })
}

func TestEveryDamagedByteIsSurvived(t *testing.T) {
	for name, form := range forms() {
		b := form()
		for at := 0; at < len(b); at += 5 { // links and numbers have more bytes than one
			for _, v := range []byte{0xFF, b[at] + 8} {
				c := bytes.Clone(b)
				c[at] = v
				func() {
					defer func() {
						if r := recover(); r != nil {
							t.Fatalf("%s: byte %d as %#x: %v", name, at, v, r)
						}
					}()
					surviveQuick(t, c)
				}()
			}
		}
	}
}

// mangle changes a file in a few places: bytes, great numbers, pieces put in
// and copied.
func mangle(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[at] = byte(r.Uint32())
		case 1:
			copy(b[at:], []byte{255, 255, 255, 255, 255, 255, 255, 127}[:min(8, len(b)-at)])
		case 2:
			b = slices.Insert(b, at, bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(1000))...)
		case 3:
			from := r.IntN(len(b))
			copy(b[at:], b[from:min(len(b), from+r.IntN(100))])
		}
	}
	return b
}

func TestMangledFilesAreSurvived(t *testing.T) {
	all, r := seeds(t), rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		surviveQuick(t, mangle(r, all[r.IntN(len(all))]))
	}
}

// surviveQuick is survive without its measurements.
func surviveQuick(t testing.TB, b []byte) {
	f, err := buslog.Open(bytes.NewReader(b), int64(len(b)), buslog.Options{})
	if err != nil {
		return
	}
	var report buslog.Report
	for _, err := range f.Items(&report) {
		if err != nil {
			t.Fatal(err)
		}
	}
}
