package segment_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

const device = segment.Device("A1B2C3D4")

func card(f durable.FS) segment.Card { return segment.Card{FS: f, Device: device} }

func name(session, split uint32) segment.Name { return segment.Name{Session: session, Split: split} }

// touch makes files with some content, and their folders.
func touch(t testing.TB, f durable.FS, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := f.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(f, name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeviceIsEightUpperCaseHexDigits(t *testing.T) {
	for text, ok := range map[string]bool{
		"A1B2C3D4": true, "00000000": true, "FFFFFFFF": true,
		"": false, "a1b2c3d4": false, "A1B2C3D": false, "A1B2C3D45": false, "A1B2C3DG": false, "A1B2C3D/": false, "../../..": false,
	} {
		if _, err := segment.ParseDevice(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPathsAreThoseOfTheCANedge(t *testing.T) {
	c, n := card(nil), name(17, 3)
	for suffix, want := range map[segment.Suffix]string{
		segment.Part:   "LOG/A1B2C3D4/00000017/00000003.MF4.part",
		segment.Raw:    "LOG/A1B2C3D4/00000017/00000003.MF4.raw",
		segment.Tmp:    "LOG/A1B2C3D4/00000017/00000003.MF4.tmp",
		segment.Sealed: "LOG/A1B2C3D4/00000017/00000003.MF4",
		segment.Keep:   "LOG/A1B2C3D4/00000017/00000003.MF4.keep",
		segment.Upload: "LOG/A1B2C3D4/00000017/00000003.MF4.upload",
		segment.Sent:   "LOG/A1B2C3D4/00000017/00000003.MF4.sent",
	} {
		if got := c.Path(n, suffix); got != want {
			t.Errorf("found %s, wanted %s", got, want)
		}
	}
	if got := c.SealPath(17); got != "LOG/A1B2C3D4/00000017/seal.log" {
		t.Errorf("found %s", got)
	}
}

func TestNamesAreReadAsTheyArePrinted(t *testing.T) {
	for _, n := range []segment.Name{name(1, 1), name(17, 3), name(99_999_999, 99_999_999)} {
		if got, err := segment.ParseName(n.String()); got != n || err != nil {
			t.Errorf("%s: found %v, %v", n, got, err)
		}
	}
	for _, bad := range []string{"", "17/3", "00000017", "00000000/00000001", "00000001/00000000", "00000001/00000001/", "+0000001/00000001"} {
		if n, err := segment.ParseName(bad); err == nil || n != (segment.Name{}) {
			t.Errorf("%q: found %v, %v; wanted an error", bad, n, err)
		}
	}
}

func TestKeysFitTheToolsOfTheCANedge(t *testing.T) {
	// CANcloud on the last part, mdftoparquet-automation on the others.
	pattern := regexp.MustCompile(`^[0-9A-F]{8}/\d{8}/\d{8}-[0-9A-F]{8}\.MF4$`)
	for start, want := range map[int64]string{
		0x69F87A20: "A1B2C3D4/00000017/00000003-69F87A20.MF4",
		0:          "A1B2C3D4/00000017/00000003-00000000.MF4",
		1<<32 - 1:  "A1B2C3D4/00000017/00000003-FFFFFFFF.MF4",
	} {
		got := segment.Key("", device, name(17, 3), time.Unix(start, 999_999_999))
		if got != want || !pattern.MatchString(got) {
			t.Errorf("found %s, wanted %s", got, want)
		}
	}
	if got := segment.Key("fleet/north", device, name(1, 1), time.Unix(1, 0)); got != "fleet/north/A1B2C3D4/00000001/00000001-00000001.MF4" {
		t.Errorf("with a prefix: %s", got)
	}
}

func TestScanFindsWhatIsOursAndCountsTheRest(t *testing.T) {
	f := memfs.New()
	touch(t, f,
		"LOG/A1B2C3D4/00000002/00000010.MF4.part",
		"LOG/A1B2C3D4/00000002/00000009.MF4", "LOG/A1B2C3D4/00000002/00000009.MF4.keep",
		"LOG/A1B2C3D4/00000002/seal.log",
		"LOG/A1B2C3D4/00000001/00000001.MF4.raw", "LOG/A1B2C3D4/00000001/00000001.MF4.tmp",
		// Hostile and foreign names.
		"LOG/A1B2C3D4/00000002/00000000.MF4", "LOG/A1B2C3D4/00000002/1.MF4", "LOG/A1B2C3D4/00000002/00000003.mf4",
		"LOG/A1B2C3D4/00000002/00000003.MF4.exe", "LOG/A1B2C3D4/00000002/000000030.MF4", "LOG/A1B2C3D4/00000002/00000003.MF",
		"LOG/A1B2C3D4/00000002/00000004.MF4/inside", "LOG/A1B2C3D4/99999999999/00000001.MF4", "LOG/A1B2C3D4/00000003x/00000001.MF4",
		"LOG/A1B2C3D4/-0000001/00000001.MF4",
		"LOG/FFFFFFFF/00000001/00000001.MF4", "LOG/FFFFFFFF/00000001/00000001.MF4.sent", "LOG/FFFFFFFF/00000007/00000002.MF4.part",
		"LOG/FFFFFFFF/00000007/00000003.MF4.sent", "LOG/deadbeef/00000001/00000001.MF4", "LOG/README/x",
	)
	f.MkdirAll("LOG/A1B2C3D4/00000005", 0o755)
	l, err := card(f).Scan()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, s := range l.Segments {
		found = append(found, s.Name.String()+" "+s.Has.String())
	}
	want := []string{"00000001/00000001 .raw .tmp", "00000002/00000009 .MF4 .keep", "00000002/00000010 .part"}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, wanted %q", found, want)
	}
	if !slices.Equal(l.Sessions, []uint32{1, 2, 5}) {
		t.Errorf("sessions %v, wanted 1 2 5", l.Sessions)
	}
	if l.Foreign != 2 || len(l.Ignored) != 10 || len(l.Problems) != 0 {
		t.Errorf("foreign %d, ignored %q, problems %v; wanted 2, 10 and none", l.Foreign, l.Ignored, l.Problems)
	}
	if s := l.Segments[1]; s.Size != int64(len("LOG/A1B2C3D4/00000002/00000009.MF4")) || !s.Sealed() || !s.Pinned() || s.Sent() || s.Open() {
		t.Errorf("found %+v", s)
	}
}

func TestScanOfAnEmptyCard(t *testing.T) {
	if l, err := card(memfs.New()).Scan(); err != nil || len(l.Segments) != 0 {
		t.Errorf("found %+v, %v", l, err)
	}
}

func TestAFolderThatCannotBeReadHidesNoOther(t *testing.T) {
	f := memfs.New()
	touch(t, f, "LOG/A1B2C3D4/00000001/00000001.MF4", "LOG/A1B2C3D4/00000002/00000001.MF4")
	f.Fault(func(o memfs.Op) error {
		if o.Kind == "readdir" && o.Name == "LOG/A1B2C3D4/00000001" {
			return durable.ErrCrowded
		}
		return nil
	})
	l, err := card(f).Scan()
	if err != nil || len(l.Problems) != 1 || len(l.Segments) != 1 || l.Segments[0].Session != 2 {
		t.Errorf("found %+v, %v; wanted one problem and the other session", l, err)
	}
	if !slices.Equal(l.Sessions, []uint32{1, 2}) {
		t.Errorf("sessions %v: its number is taken all the same", l.Sessions)
	}
}

func TestLoadSeesWhatScanSees(t *testing.T) {
	f := memfs.New()
	touch(t, f, "LOG/A1B2C3D4/00000001/00000001.MF4", "LOG/A1B2C3D4/00000001/00000001.MF4.upload", "LOG/A1B2C3D4/00000001/00000002.MF4/x")
	c := card(f)
	l, _ := c.Scan()
	s, err := c.Load(name(1, 1))
	if err != nil || s != l.Segments[0] {
		t.Errorf("found %+v, %v; wanted %+v", s, err, l.Segments[0])
	}
	for _, n := range []segment.Name{name(1, 2), name(9, 9)} {
		if s, err := c.Load(n); s.Has != 0 || err != nil {
			t.Errorf("%s: found %+v, %v; wanted nothing", n, s, err)
		}
	}
}

func FuzzScanTakesAnyName(f *testing.F) {
	for _, s := range []string{"00000001.MF4", "00000001.MF4.part", "00000001.MF4.sent.new", "seal.log", "00000000.MF4", "9999999x.MF4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		path := "LOG/A1B2C3D4/00000001/" + base
		if !fs.ValidPath(path) || strings.Contains(base, "/") {
			return
		}
		m := memfs.New()
		touch(t, m, path)
		l, err := card(m).Scan()
		if err != nil || len(l.Segments)+len(l.Ignored) > 1 {
			t.Fatalf("found %+v, %v", l, err)
		}
		for _, s := range l.Segments {
			for _, suffix := range s.Has.Suffixes() {
				if got := card(m).Path(s.Name, suffix); got != path {
					t.Fatalf("read as %s", got)
				}
			}
		}
	})
}
