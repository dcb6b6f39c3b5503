package input_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/decode/input"
	"canseal/internal/cost"
	"canseal/mdf"
	"canseal/mdf/buslog"
)

// disk is a file that a mdf.Writer may have.
type disk struct{ *os.File }

func (d disk) Size() (int64, error) {
	info, err := d.Stat()
	return info.Size(), err
}

// segment writes a file of ours with the records given.
func segment(t testing.TB, path string, h mdf.Header, records ...mdf.Record) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h.Version, h.Device = "1.2.3", "A1B2C3D4"
	w, err := mdf.Create(disk{f}, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	return path
}

func frame(at int64, id uint32, v can.Verdict) *mdf.Frame {
	return &mdf.Frame{Event: can.Event{Time: at, Bus: 1, Verdict: v, Frame: can.Frame{ID: id}}}
}

// told is the frames of a session as text: seconds since the year 2026, id,
// clock and verdict.
func told(s *input.Session) (lines []string) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	for it := range s.Items() {
		if it.Type == buslog.Frame {
			lines = append(lines, fmt.Sprintf("%d %X %s %s", (it.Time-begin)/1e9, it.Frame.ID, it.Clock, it.Verdict))
		}
	}
	return lines
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const s = int64(time.Second)

// year is a moment of 2026, so many seconds after its begin.
func year(seconds int64) int64 {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() + seconds*s
}

func TestAGoodAnchorOfALaterSegmentDatesTheFirst(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "LOG", "A1B2C3D4", "00000007")
	// Split 1: the clock says 1000 s where it is 5000 s; 20 s after boot.
	segment(t, filepath.Join(tree, "00000001.MF4"), mdf.Header{Start: year(1000), Session: 7, Split: 1, BootID: "x"},
		mdf.Clock{Time: year(1000), Boot: 20 * s, Wall: year(1000)}, frame(year(1001), 1, 0))
	// Split 2: it was set at 30 s after boot.
	segment(t, filepath.Join(tree, "00000002.MF4"), mdf.Header{Start: year(5010), Session: 7, Split: 2, BootID: "x"},
		mdf.Clock{Time: year(5010), Boot: 30 * s, Wall: year(5010), Synchronised: true}, frame(year(5011), 2, 0))
	in := open(t, input.Options{}, dir)
	if len(in.Sessions) != 1 {
		t.Fatalf("%d sessions", len(in.Sessions))
	}
	expect(t, told(in.Sessions[0]), "5001 1 corrected not checked", "5011 2 synchronised not checked")
	if r := in.Sessions[0].Segments[0].Report; r.Clocks[input.Corrected] != 1 || r.Frames != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAGoodAnchorOfTheNextSessionOfTheSameBootDatesThisOne(t *testing.T) {
	dir := t.TempDir()
	for n, good := range []bool{false, true, false} {
		boot := "x"
		if n == 2 {
			boot = "y"
		}
		at := year(1000 * int64(n+1))
		segment(t, filepath.Join(dir, "A1B2C3D4", fmt.Sprintf("%08d", n+1), "00000001-00000000.MF4"),
			mdf.Header{Start: at, Session: uint32(n + 1), Split: 1, BootID: boot},
			mdf.Clock{Time: at, Boot: int64(n+1) * 10 * s, Wall: at, Synchronised: good}, frame(at+s, uint32(n), 0))
	}
	in := open(t, input.Options{}, dir)
	if len(in.Sessions) != 3 {
		t.Fatalf("%d sessions", len(in.Sessions))
	}
	expect(t, told(in.Sessions[0]), "1991 0 corrected not checked")
	expect(t, told(in.Sessions[1]), "2001 1 synchronised not checked")
	expect(t, told(in.Sessions[2]), "3001 2 unknown not checked")
}

func TestPendingVerdictsAreSettledByLaterRecords(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "A1B2C3D4", "00000001")
	clock := mdf.Clock{Time: year(0), Boot: s, Wall: year(0), Synchronised: true}
	segment(t, filepath.Join(tree, "00000001.MF4"), mdf.Header{Start: year(0), Session: 1, Split: 1, BootID: "x"},
		clock, mdf.Sender{Time: year(0), ID: 1, Bus: 1, Sender: 3, HeartbeatOnly: true},
		frame(year(1), 1, can.Pending), frame(year(2), 2, can.Pending), frame(year(3), 1, can.SignatureWrong), frame(year(4), 1, can.Pending))
	segment(t, filepath.Join(tree, "00000002.MF4"), mdf.Header{Start: year(10), Session: 1, Split: 2, BootID: "x"},
		mdf.VerdictChange{Time: year(10), From: year(0), To: year(3), Bus: 1, Sender: 3, Verdict: can.Vouched},
		mdf.VerdictChange{Time: year(11), From: year(0), To: year(3), Bus: 1, Sender: 3, Verdict: can.VouchedTwice},
		mdf.VerdictChange{Time: year(12), From: year(0), To: year(3), Bus: 1, ID: 2, Scope: mdf.ScopeIdentifier, Verdict: can.Unvouched})
	session := open(t, input.Options{}, dir).Sessions[0]
	want := []string{"1 1 synchronised vouched twice", "2 2 synchronised unvouched", "3 1 synchronised signature wrong", "4 1 synchronised pending"}
	expect(t, told(session), want...)
	expect(t, told(session), want...) // and again
}

func TestCopiesAndOtherDevicesAreLeftOutByName(t *testing.T) {
	dir := t.TempDir()
	h := mdf.Header{Start: year(0), Session: 1, Split: 1}
	for _, name := range []string{"A1B2C3D4/00000001/00000001-00000002.MF4", "A1B2C3D4/00000001/00000001-00000001.MF4",
		"A1B2C3D4/00000001/00000002.MF4.part", "A1B2C3D4/00000001/00000002.MF4", "0000000F/00000001/00000001.MF4"} {
		segment(t, filepath.Join(dir, filepath.FromSlash(name)), h, frame(year(1), 1, 0))
	}
	in := open(t, input.Options{Devices: []string{"a1b2c3d4"}}, dir)
	var dropped []string
	for _, d := range in.Dropped {
		name, _ := filepath.Rel(dir, d.Name)
		dropped = append(dropped, filepath.ToSlash(name))
	}
	expect(t, dropped, "0000000F/00000001/00000001.MF4", "A1B2C3D4/00000001/00000001-00000002.MF4", "A1B2C3D4/00000001/00000002.MF4.part")
	if len(in.Sessions) != 1 || len(in.Sessions[0].Segments) != 2 {
		t.Errorf("%d sessions", len(in.Sessions))
	}
}

func TestOnlyItemsOfTheTimeAreTaken(t *testing.T) {
	path := segment(t, filepath.Join(t.TempDir(), "x.mf4"), mdf.Header{Start: year(0), Session: 1, Split: 1},
		mdf.Clock{Time: year(0), Boot: s, Wall: year(0), Synchronised: true}, frame(year(1), 1, 0), frame(year(2), 2, 0), frame(year(3), 3, 0))
	in := open(t, input.Options{From: time.Unix(0, year(2)), To: time.Unix(0, year(3))}, path)
	expect(t, told(in.Sessions[0]), "2 2 synchronised not checked")
	if r := in.Sessions[0].Segments[0].Report; r.Outside != 3 {
		t.Errorf("%+v", r)
	}
}

const log = `(1767225601.000000) can0 001#
(1767225602.000000) can8 002#
nonsense
DROPCOUNT: dropped 5 CAN frames on 'can0' socket (total drops 7)
(0000000003.000000) can0 003#
`

func TestStandardInput(t *testing.T) {
	mf4, err := os.ReadFile(segment(t, filepath.Join(t.TempDir(), "x"), mdf.Header{Start: year(0), Session: 1, Split: 1},
		mdf.Clock{Time: year(0), Boot: s, Wall: year(0), Synchronised: true}, frame(year(1), 1, 0)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		want []string
	}{
		"candump": {[]byte(log), []string{"1 1 recorded not checked", "2 2 recorded not checked", "-1767225597 3 unknown not checked"}},
		"MF4":     {mf4, []string{"1 1 synchronised not checked"}},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := input.Find([]string{"-"}, bytes.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			temp := t.TempDir()
			in := input.New(files, input.Options{Temp: temp})
			expect(t, told(in.Sessions[0]), c.want...)
			r := in.Sessions[0].Segments[0].Report
			if name == "candump" && (r.Bad != 1 || r.Side != 1 || r.Frames != 3) {
				t.Errorf("%+v", r)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(temp); len(left) != 0 {
				t.Errorf("%d files left behind", len(left))
			}
		})
	}
}

func TestWhatIsNoRecordingSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mf4")
	os.WriteFile(path, []byte("PK\x03\x04 and so on, and so forth"), 0o600)
	in := open(t, input.Options{}, path)
	segment := in.Sessions[0].Segments[0]
	if expect(t, told(in.Sessions[0])); segment.Err == nil || !strings.Contains(segment.Err.Error(), path) {
		t.Errorf("%v", segment.Err)
	}
	if _, err := input.Find([]string{filepath.Join(t.TempDir(), "*.mf4")}, nil); err == nil {
		t.Error("a glob that finds nothing is no error")
	}
}

func FuzzCandump(f *testing.F) {
	f.Add([]byte(log))
	f.Add([]byte("(1.0) can0 1#\r\n\n(x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.HasPrefix(text, []byte("MDF")) || bytes.HasPrefix(text, []byte("UnFinMF")) || bytes.HasPrefix(text, []byte("Generic")) {
			t.Skip() // package buslog has its own
		}
		items := 0
		cost.Hold(t, 1<<20+32*int64(len(text)), func() {
			files, _ := input.Find([]string{"-"}, bytes.NewReader(text))
			in := input.New(files, input.Options{})
			defer in.Close()
			for _, session := range in.Sessions {
				for it := range session.Items() {
					if items++; it.Type == buslog.Frame && !it.Frame.Valid() {
						t.Fatalf("%+v", it.Event)
					}
				}
			}
		})
		if lines := 1 + bytes.Count(text, []byte("\n")); items > lines {
			t.Errorf("%d items of %d lines", items, lines)
		}
	})
}
