package segment_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func sealed(split uint32, prev string) segment.SealLine {
	return segment.SealLine{
		Device: device, Session: 17, Split: split,
		Start: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC),
		First: time.Date(2026, 5, 4, 10, 0, 0, 1, time.UTC),
		Last:  time.Date(2026, 5, 4, 10, 1, 0, 120_000_000, time.UTC),
		Form:  "dz", Size: 33554432, SHA256: hash, Frames: 1_000_000, Gaps: 1, Lost: 12,
		End: "orderly", Clock: "synchronised", Dropped: 2, Config: hash, Prev: prev,
	}
}

// TestTheLineIsWrittenAsTheFormatSays compares with a line written by hand from
// the format.
func TestTheLineIsWrittenAsTheFormatSays(t *testing.T) {
	want := `{"v":1,"device":"A1B2C3D4","session":17,"split":3,"start":"2026-05-04T10:00:00.000000000Z",` +
		`"first":"2026-05-04T10:00:00.000000001Z","last":"2026-05-04T10:01:00.120000000Z","form":"dz","size":33554432,` +
		`"sha256":"` + hash + `","frames":1000000,"gaps":1,"lost":12,"end":"orderly","clock":"synchronised","late":false,` +
		`"dropped":2,"config":"` + hash + `","prev":"` + segment.FirstPrev + `"`
	s := sealed(3, segment.FirstPrev)
	if got := string(s.Encode()); got != want+"}\n" {
		t.Errorf("found  %s\nwanted %s", got, want+"}\n")
	}
	s.Key, s.Sig = hash, "MEUCIQ=="
	signed := want + `,"key":"` + hash + `"`
	if got := string(s.SignedBytes()); got != signed {
		t.Errorf("signed %s\nwanted %s", got, signed)
	}
	if got := string(s.Encode()); got != signed+`,"sig":"MEUCIQ=="}`+"\n" {
		t.Errorf("found  %s", got)
	}
	read, err := segment.ParseSeal(s.Encode())
	if err != nil || string(read.SignedBytes()) != signed {
		t.Errorf("read back, signed %s, %v", read.SignedBytes(), err)
	}
}

func TestSealLinesAreReadAsTheyAreWritten(t *testing.T) {
	silent := sealed(1, hash)
	silent.First, silent.Last, silent.Frames, silent.Late, silent.End = time.Time{}, time.Time{}, 0, true, "cut"
	largest := sealed(99_999_999, hash)
	largest.Size, largest.Frames, largest.Lost = math.MaxInt64, math.MaxUint64, math.MaxUint64
	early := sealed(1, hash)
	early.Start = time.Unix(0, 0).UTC()
	early.First = time.Unix(0, -5).UTC()
	signed := sealed(1, hash)
	signed.Key, signed.Sig = hash, "AAEC"
	for _, s := range []segment.SealLine{sealed(3, hash), silent, largest, early, signed} {
		line := s.Encode()
		for _, form := range [][]byte{line, bytes.TrimSuffix(line, []byte("\n"))} {
			got, err := segment.ParseSeal(form)
			if err != nil || !bytes.Equal(got.Raw, line) || got.Hash() != s.Hash() {
				t.Fatalf("%s: %v", line, err)
			}
			got.Raw = nil
			if !reflect.DeepEqual(got, s) {
				t.Errorf("found  %+v\nwanted %+v", got, s)
			}
		}
	}
}

func TestALineOfALaterVersionIsKeptAsItIs(t *testing.T) {
	line := strings.Replace(string(sealed(3, hash).Encode()), "}\n", `,"depth":7,"note":"x","good":true,"key":"`+hash+`","sig":"AAEC"}`+"\n", 1)
	s, err := segment.ParseSeal([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if string(s.Encode()) != line || s.Key != hash || !strings.HasSuffix(string(s.SignedBytes()), `"key":"`+hash+`"`) {
		t.Errorf("found %s", s.Encode())
	}
}

func TestLinesThatAreNotRefused(t *testing.T) {
	good := string(sealed(3, hash).Encode())
	for what, line := range map[string]string{
		"empty":                "",
		"cut":                  good[:len(good)/2],
		"no end":               strings.TrimSuffix(good, "}\n"),
		"more after it":        strings.TrimSuffix(good, "\n") + " \n",
		"two lines":            good + good,
		"another version":      strings.Replace(good, `"v":1`, `"v":2`, 1),
		"a blank":              strings.Replace(good, `,"split"`, `, "split"`, 1),
		"another order":        strings.Replace(strings.Replace(good, `"gaps":1,`, ``, 1), `"frames"`, `"gaps":1,"frames"`, 1),
		"a field twice":        strings.Replace(good, `}`, `,"size":1}`, 1),
		"session 0":            strings.Replace(good, `"session":17`, `"session":0`, 1),
		"a leading zero":       strings.Replace(good, `"session":17`, `"session":017`, 1),
		"a negative size":      strings.Replace(good, `"size":33554432`, `"size":-1`, 1),
		"size of 64 bits":      strings.Replace(good, `"size":33554432`, `"size":9223372036854775808`, 1),
		"8 digits of time":     strings.Replace(good, `00.000000001Z`, `00.00000001Z`, 1),
		"a time with offset":   strings.Replace(good, `00.000000001Z`, `00.00000001+01:00`, 1),
		"the 30th of February": strings.Replace(good, `2026-05-04T10:01`, `2026-02-30T10:01`, 1),
		"no start":             strings.Replace(good, `"start":"2026-05-04T10:00:00.000000000Z"`, `"start":""`, 1),
		"a small device":       strings.Replace(good, `A1B2C3D4`, `a1b2c3d4`, 1),
		"a long hash":          strings.Replace(good, hash, hash+"0", 1),
		"another form":         strings.Replace(good, `"dz"`, `"zip"`, 1),
		"an escape":            strings.Replace(good, `"dz"`, `"\u0064z"`, 1),
		"truth as text":        strings.Replace(good, `false`, `"false"`, 1),
		"key without sig":      strings.Replace(good, "}", `,"key":"`+hash+`"}`, 1),
		"sig not base64":       strings.Replace(good, "}", `,"key":"`+hash+`","sig":"A==="}`, 1),
		"open end of a string": `{"v":1,"device":"A1B2C3D4`,
		"a field without name": strings.Replace(good, "}", `,"":1}`, 1),
		"a line end in it":     strings.Replace(good, `A1B2C3D4`, "A1B2C3\n4", 1),
		"much too long":        strings.Replace(good, "}", `,"x":"`+strings.Repeat("x", 9000)+`"}`, 1),
	} {
		if s, err := segment.ParseSeal([]byte(line)); err == nil || !reflect.DeepEqual(s, segment.SealLine{}) {
			t.Errorf("%s: found %+v, %v; wanted an error alone", what, s, err)
		}
	}
}

func FuzzParseSeal(f *testing.F) {
	s := sealed(3, hash)
	f.Add(s.Encode())
	s.Key, s.Sig, s.First = hash, "AAEC", time.Time{}
	f.Add(s.Encode())
	f.Add([]byte(strings.Replace(string(s.Encode()), `,"key"`, `,"x":1,"key"`, 1)))
	fuzzKey := newKey(f)
	fuzzLine, err := sealed(3, hash).Signed(fuzzKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fuzzLine.Encode())
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := segment.ParseSeal(line)
		if err != nil {
			return
		}
		if !bytes.Equal(bytes.TrimSuffix(s.Encode(), []byte("\n")), bytes.TrimSuffix(line, []byte("\n"))) {
			t.Fatalf("the line changed: %s", s.Encode())
		}
		if whole := string(s.SignedBytes()) + `,"sig":"` + s.Sig + "\"}\n"; s.Sig != "" && whole != string(s.Raw) {
			t.Fatalf("signed are %s", s.SignedBytes())
		}
		if s.CheckSignature(fuzzKey.Public()) == nil && !bytes.Equal(s.SignedBytes(), fuzzLine.SignedBytes()) {
			t.Fatalf("nobody signed %s", s.SignedBytes())
		}
		made := s
		made.Raw = nil
		if len(made.Encode()) == len(s.Raw) && !bytes.Equal(made.Encode(), s.Raw) {
			t.Fatalf("encoded again: %s", made.Encode())
		}
		again, err := segment.ParseSeal(made.Encode())
		if again.Raw = nil; err != nil || !reflect.DeepEqual(again, made) {
			t.Fatalf("read again: %+v, %v", again, err)
		}
	})
}

// chain writes lines 1 to n of a session.
func chain(t testing.TB, c segment.Card, n uint32) (lines []segment.SealLine) {
	t.Helper()
	prev := segment.FirstPrev
	for split := uint32(1); split <= n; split++ {
		s := sealed(split, prev)
		if err := c.AppendSeal(17, s); err != nil {
			t.Fatal(err)
		}
		lines, prev = append(lines, s), s.Hash()
	}
	return lines
}

func session(t testing.TB, f durable.FS) segment.Card {
	t.Helper()
	if err := f.MkdirAll("LOG/A1B2C3D4/00000017", 0o755); err != nil {
		t.Fatal(err)
	}
	return card(f)
}

func TestSealLogIsAChain(t *testing.T) {
	c := session(t, memfs.New())
	chain(t, c, 3)
	l, err := c.ReadSeals(17)
	if err != nil || len(l.Lines) != 3 || l.Torn != 0 || l.Damaged != nil {
		t.Fatalf("found %+v, %v", l, err)
	}
	for i, s := range l.Lines[1:] {
		if s.Prev != l.Lines[i].Hash() {
			t.Errorf("line %d does not name the one before", i+2)
		}
	}
	if l, err := c.ReadSeals(18); err != nil || len(l.Lines) != 0 {
		t.Errorf("absent: %+v, %v", l, err)
	}
}

func TestTornTailsAreCutOff(t *testing.T) {
	stale := sealed(9, hash)
	stale.Session = 5
	for what, tail := range map[string]string{
		"half a line":               string(sealed(4, hash).Encode()[:300]),
		"a line without its end":    strings.TrimSuffix(string(sealed(4, hash).Encode()), "\n"),
		"zeros":                     strings.Repeat("\x00", 512),
		"zeros and a line end":      strings.Repeat("\x00", 512) + "\n",
		"a line of another session": string(stale.Encode()),
		"an older line of this one": string(sealed(2, hash).Encode()),
		"rubbish of several lines":  "x\ny\n\n\nz",
	} {
		f := memfs.New()
		c := session(t, f)
		lines := chain(t, c, 3)
		file, _ := f.Append(c.SealPath(17), 0o644)
		file.Write([]byte(tail))
		l, err := c.ReadSeals(17)
		if err != nil || len(l.Lines) != 3 || l.Torn != int64(len(tail)) || l.Damaged != nil {
			t.Errorf("%s: found %d lines, torn %d, damaged %v, %v", what, len(l.Lines), l.Torn, l.Damaged, err)
			continue
		}
		if err := c.CutSeals(17, l); err != nil {
			t.Fatal(err)
		}
		c.AppendSeal(17, sealed(4, lines[2].Hash()))
		if l, _ = c.ReadSeals(17); len(l.Lines) != 4 || l.Torn != 0 {
			t.Errorf("%s: after the cut found %+v", what, l)
		}
	}
}

func TestADamagedLineInTheMiddleLosesNoOther(t *testing.T) {
	f := memfs.New()
	c := session(t, f)
	chain(t, c, 4)
	file, _ := f.Edit(c.SealPath(17))
	file.WriteAt([]byte("####"), int64(len(sealed(1, hash).Encode()))+30)
	l, err := c.ReadSeals(17)
	if err != nil || len(l.Lines) != 3 || l.Torn != 0 || !reflect.DeepEqual(l.Damaged, []int{2}) {
		t.Errorf("found %d lines, torn %d, damaged %v, %v; wanted 3, 0, line 2", len(l.Lines), l.Torn, l.Damaged, err)
	}
}

func TestALineThatMustNotBeSoIsNotWritten(t *testing.T) {
	c := session(t, memfs.New())
	for what, spoil := range map[string]func(*segment.SealLine){
		"device":  func(s *segment.SealLine) { s.Device = `A"B2C3D4` },
		"form":    func(s *segment.SealLine) { s.Form = "" },
		"sha256":  func(s *segment.SealLine) { s.SHA256 = strings.ToUpper(hash) },
		"start":   func(s *segment.SealLine) { s.Start = time.Time{} },
		"session": func(s *segment.SealLine) { s.Session = 100_000_000 },
		"sig":     func(s *segment.SealLine) { s.Sig = "AAEC" },
	} {
		s := sealed(1, segment.FirstPrev)
		spoil(&s)
		if err := c.AppendSeal(17, s); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if l, _ := c.ReadSeals(17); l.Size+l.Torn != 0 {
		t.Errorf("found %+v, wanted nothing written", l)
	}
}

func TestSealLinesSurviveACutAnywhere(t *testing.T) {
	for what, search := range searches() {
		t.Run(what, func(t *testing.T) {
			var first segment.SealLine
			acknowledged := 0
			search(t, func(f *memfs.FS) {
				// What this deleted seal.log held may come back behind ours.
				c := session(t, f)
				touch(t, f, "LOG/A1B2C3D4/00000016/seal.log")
				stale := sealed(40, hash)
				stale.Session = 16
				c.AppendSeal(16, stale)
				f.Remove("LOG/A1B2C3D4/00000016/seal.log")
				first = chain(t, c, 1)[0]
			}, func(f *memfs.FS) error {
				acknowledged = 1
				prev := first.Hash()
				for split := uint32(2); split < 5; split++ {
					s := sealed(split, prev)
					if err := card(f).AppendSeal(17, s); err != nil {
						return err
					}
					acknowledged, prev = acknowledged+1, s.Hash()
				}
				return nil
			}, func(f *memfs.FS) {
				c := card(f)
				l, err := c.ReadSeals(17)
				if err != nil || len(l.Lines) < acknowledged || len(l.Lines) > acknowledged+1 || l.Damaged != nil {
					t.Fatalf("found %d lines, damaged %v, %v; wanted %d or one more", len(l.Lines), l.Damaged, err, acknowledged)
				}
				if err := c.CutSeals(17, l); err != nil {
					t.Fatal(err)
				}
				last := l.Lines[len(l.Lines)-1]
				if err := c.AppendSeal(17, sealed(last.Split+1, last.Hash())); err != nil {
					t.Fatal(err)
				}
				again, err := c.ReadSeals(17)
				if err != nil || len(again.Lines) != len(l.Lines)+1 || again.Torn != 0 {
					t.Fatalf("after the next line: %+v, %v", again, err)
				}
			})
		})
	}
}

func searches() map[string]func(testing.TB, func(*memfs.FS), func(*memfs.FS) error, func(*memfs.FS)) {
	return map[string]func(testing.TB, func(*memfs.FS), func(*memfs.FS) error, func(*memfs.FS)){
		"journal": memfs.EachCrash, "FAT": memfs.EachCrashOnFAT,
	}
}

func TestAFailedAppendSpoilsNoLaterLine(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
		memfs.EachFault(t, fault, func(f *memfs.FS) { chain(t, session(t, f), 1) }, func(f *memfs.FS) error {
			return card(f).AppendSeal(17, sealed(2, sealed(1, segment.FirstPrev).Hash()))
		}, func(f *memfs.FS, err error) {
			if !errors.Is(err, fault) {
				t.Fatalf("found %v, wanted the fault", err)
			}
			c := card(f)
			l, _ := c.ReadSeals(17)
			if l.Torn != 0 {
				t.Fatalf("%d bytes torn", l.Torn)
			}
			last := l.Lines[len(l.Lines)-1]
			c.AppendSeal(17, sealed(last.Split+1, last.Hash()))
			if again, _ := c.ReadSeals(17); len(again.Lines) != len(l.Lines)+1 {
				t.Fatalf("found %+v", again)
			}
		})
	}
}

func TestTheRealFolderTakesTheSame(t *testing.T) {
	root := t.TempDir()
	c := session(t, durable.Dir(root))
	chain(t, c, 3)
	file, err := os.OpenFile(root+"/"+c.SealPath(17), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString("torn")
	file.Close()
	l, err := c.ReadSeals(17)
	if err != nil || len(l.Lines) != 3 || l.Torn != 4 {
		t.Fatalf("found %+v, %v", l, err)
	}
	if err := c.CutSeals(17, l); err != nil {
		t.Fatal(err)
	}
	if l, err = c.ReadSeals(17); err != nil || l.Torn != 0 {
		t.Errorf("found %+v, %v", l, err)
	}
}
