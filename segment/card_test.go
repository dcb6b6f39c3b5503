package segment_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// TestWhatIsDoneAtBoot is the table of docs/formats.md C5.
func TestWhatIsDoneAtBoot(t *testing.T) {
	for _, row := range []struct{ found, done string }{
		{"none", ""},
		{".part", "repair .part"},
		{".part .keep", "repair .part"},
		{".tmp", "drop .tmp"},
		{".raw", "compress .raw"},
		{".raw .tmp", "drop .tmp; compress .raw"},
		{".raw .MF4", "resolve .raw .MF4"},
		{".raw .tmp .MF4", "resolve .raw .tmp .MF4"},
		{".part .raw", "resolve .part .raw"},
		{".part .MF4", "resolve .part .MF4"},
		{".tmp .MF4", "resolve .tmp .MF4"},
		{".MF4", "record .MF4"},
		{".MF4 .keep .upload .sent", "record .MF4"},
		{".keep", "drop .keep"},
		{".upload", "drop .upload"},
		{".sent", "drop .sent"},
		{".tmp .keep", "drop .tmp; drop .keep"},
		{".MF4 .sent.new", "drop .sent.new; record .MF4"},
		{".sent .sent.new", "drop .sent.new; drop .sent"},
		{".new", "resolve .new"},
		{".new .keep", "resolve .new"},
		{".MF4 .new .new2", "resolve .new .new2"},
	} {
		var steps []string
		for _, s := range segment.AtBoot(set(row.found)) {
			steps = append(steps, s.Do.String()+" "+s.Names.String())
		}
		if got := strings.Join(steps, "; "); got != row.done {
			t.Errorf("%s: found %q, wanted %q", row.found, got, row.done)
		}
	}
}

func set(text string) (set segment.Set) {
	for _, s := range strings.Fields(text) {
		set |= segment.Of(segment.Suffix(strings.TrimPrefix(s, ".MF4")))
	}
	return set
}

// TestEverySetComesToRest has no state that boot leaves for ever.
func TestEverySetComesToRest(t *testing.T) {
	content := segment.Of(segment.Part, segment.Raw, segment.Sealed)
	for bits := range segment.Set(1 << 11) {
		for _, s := range segment.AtBoot(bits) {
			if s.Names == 0 || s.Names&^bits != 0 {
				t.Fatalf("%s: %s of %s", bits, s.Do, s.Names)
			}
			if s.Do == segment.Drop && s.Names&content != 0 {
				t.Fatalf("%s: drops %s", bits, s.Names)
			}
		}
		if len(segment.AtBoot(bits)) == 0 && bits != 0 {
			t.Fatalf("%s: nothing is done", bits)
		}
	}
}

func TestSealingNeverReplacesASealedSegment(t *testing.T) {
	f := memfs.New()
	touch(t, f, "LOG/A1B2C3D4/00000001/00000001.MF4", "LOG/A1B2C3D4/00000001/00000001.MF4.raw", "LOG/A1B2C3D4/00000001/00000002.MF4.part")
	c := card(f)
	if err := c.Seal(name(1, 1), segment.Raw); !errors.Is(err, fs.ErrExist) {
		t.Errorf("found %v, wanted fs.ErrExist", err)
	}
	if s, _ := c.Load(name(1, 1)); s.Has != segment.Of(segment.Sealed, segment.Raw) {
		t.Errorf("found %s", s.Has)
	}
	if err := c.Rename(name(1, 2), segment.Part, segment.Raw); err != nil {
		t.Fatal(err)
	}
	if err := c.Seal(name(1, 2), segment.Raw); err != nil {
		t.Fatal(err)
	}
	if s, _ := card(f.Crash(0)).Load(name(1, 2)); s.Has != segment.Of(segment.Sealed) {
		t.Errorf("after a cut found %s", s.Has)
	}
	if err := c.Seal(name(1, 3), segment.Part); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: found %v", err)
	}
}

func TestPinsAreKeptAndTakenAway(t *testing.T) {
	f := memfs.New()
	touch(t, f, "LOG/A1B2C3D4/00000001/00000001.MF4")
	c := card(f)
	for range 2 {
		if err := c.Pin(name(1, 1)); err != nil {
			t.Fatal(err)
		}
		if s, _ := card(f.Crash(0)).Load(name(1, 1)); !s.Pinned() {
			t.Error("the pin did not survive")
		}
	}
	for range 2 {
		if err := c.Unpin(name(1, 1)); err != nil {
			t.Fatal(err)
		}
		if s, _ := card(f.Crash(0)).Load(name(1, 1)); s.Pinned() {
			t.Error("the pin came back")
		}
	}
	if err := c.Pin(name(1, 2)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing to pin: found %v", err)
	}
}

func TestRemovingTheLastSegmentRemovesTheSession(t *testing.T) {
	f := memfs.New()
	touch(t, f,
		"LOG/A1B2C3D4/00000001/00000001.MF4", "LOG/A1B2C3D4/00000001/00000001.MF4.sent", "LOG/A1B2C3D4/00000001/00000001.MF4.keep",
		"LOG/A1B2C3D4/00000001/00000001.MF4.upload", "LOG/A1B2C3D4/00000001/00000002.MF4", "LOG/A1B2C3D4/00000001/seal.log",
		"LOG/A1B2C3D4/00000002/00000001.MF4", "LOG/A1B2C3D4/00000002/notes.txt")
	c := card(f)
	if err := c.Remove(name(1, 1)); err != nil {
		t.Fatal(err)
	}
	l, _ := c.Scan()
	if len(l.Segments) != 2 || l.Segments[0].Name != name(1, 2) || len(l.Sessions) != 2 {
		t.Errorf("found %+v", l)
	}
	if _, err := f.Stat(c.SealPath(1)); err != nil {
		t.Errorf("seal.log went with the first of two: %v", err)
	}
	for range 2 {
		for _, n := range []segment.Name{name(1, 2), name(2, 1)} {
			if err := c.Remove(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	l, _ = card(f.Crash(0)).Scan()
	if len(l.Segments) != 0 || len(l.Sessions) != 1 || l.Sessions[0] != 2 {
		t.Errorf("found %+v, wanted the folder alone in which a file of somebody else lies", l)
	}
}

func TestNoCutWhileRemovingLeavesASegmentWithoutItsReceipt(t *testing.T) {
	for what, search := range searches() {
		t.Run(what, func(t *testing.T) {
			search(t, func(f *memfs.FS) {
				c := session(t, f)
				touch(t, f, "LOG/A1B2C3D4/00000017/00000001.MF4", "LOG/A1B2C3D4/00000017/00000002.MF4", "LOG/A1B2C3D4/00000017/00000001.MF4.keep")
				c.WriteReceipt(name(17, 1), receipt())
				c.WriteReceipt(name(17, 2), receipt())
				chain(t, c, 2)
			}, func(f *memfs.FS) error {
				c := card(f)
				return errors.Join(c.Remove(name(17, 1)), c.Remove(name(17, 2)))
			}, func(f *memfs.FS) {
				c := card(f)
				l, err := c.Scan()
				if err != nil || l.Problems != nil {
					t.Fatalf("found %+v, %v", l, err)
				}
				seals, err := c.ReadSeals(17)
				for _, s := range l.Segments {
					if s.Sealed() && (!s.Sent() || len(seals.Lines) != 2) {
						t.Fatalf("found %s %s, %d seal records, %v", s.Name, s.Has, len(seals.Lines), err)
					}
					if err := c.Remove(s.Name); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Tidy(17); err != nil {
					t.Fatal(err)
				}
				if l, _ = c.Scan(); len(l.Sessions) != 0 {
					t.Fatalf("left %+v", l)
				}
			})
		})
	}
}

func TestTheMetaLogIsHonouredAndConsumed(t *testing.T) {
	for text, want := range map[string]uint32{
		`{"session": 123}`: 123, `{"session":1,"more":[]}`: 1, `{"session":99999998}`: 99_999_998, `{"session":99999999}`: 0,
		`{"session":0}`: 0, `{"session":100000000}`: 0, `{"session":-1}`: 0, `{"session":"5"}`: 0, `{"session":1.5}`: 0, `{}`: 0, ``: 0, `[]`: 0, `null`: 0,
	} {
		got, err := segment.ParseMetaLog([]byte(text))
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: found %d, %v; wanted %d", text, got, err, want)
		}
	}
	f := memfs.New()
	c := card(f)
	if n, err := c.WantedSession(); n != 0 || err != nil {
		t.Errorf("absent: %d, %v", n, err)
	}
	f.MkdirAll("meta", 0o755)
	durable.WriteFile(f, "meta/meta_log.json", []byte(`{"session":9}`), 0o644)
	if n, err := c.WantedSession(); n != 9 || err != nil {
		t.Errorf("found %d, %v; wanted 9", n, err)
	}
	for range 2 {
		if err := c.ConsumeMetaLog(); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := f.Crash(0).ReadDir("."); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
	touch(t, f, "meta/meta_log.json", "meta/other")
	if err := c.ConsumeMetaLog(); err != nil {
		t.Error(err)
	}
	if entries, _ := f.ReadDir("meta"); len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("left %v, wanted the file of somebody else", entries)
	}
}

// TestAFaultAnywhereIsReportedAndMendedByTheNextAttempt fails every operation of
// every transition once.
func TestAFaultAnywhereIsReportedAndMendedByTheNextAttempt(t *testing.T) {
	n := name(1, 1)
	for what, row := range map[string]struct {
		before, after string
		run           func(segment.Card) error
	}{
		"seal":    {".part", ".MF4", func(c segment.Card) error { return c.Seal(n, segment.Part) }},
		"pin":     {".MF4", ".MF4 .keep", func(c segment.Card) error { return c.Pin(n) }},
		"unpin":   {".MF4 .keep", ".MF4", func(c segment.Card) error { return c.Unpin(n) }},
		"remove":  {".MF4 .keep .sent .upload", "none", func(c segment.Card) error { return c.Remove(n) }},
		"recover": {".raw .MF4", ".MF4", func(c segment.Card) error { return recover(c, n) }},
	} {
		memfs.EachFault(t, syscall.EIO, func(f *memfs.FS) {
			f.MkdirAll(card(f).Folder(1), 0o755)
			for _, s := range set(row.before).Suffixes() {
				durable.WriteFile(f, card(f).Path(n, s), []byte("MD"+strings.Repeat("x", 900)), 0o644)
			}
		}, func(f *memfs.FS) error { return row.run(card(f)) }, func(f *memfs.FS, err error) {
			// What a Resolve cannot read is unreadable, and goes.
			if !errors.Is(err, syscall.EIO) && (err != nil || what != "recover") {
				t.Fatalf("%s: found %v, wanted the fault", what, err)
			}
			if err == nil {
				return
			}
			if s, _ := card(f).Load(n); s.Has == set(row.after) {
				return // all was done but the last sync
			}
			if err := row.run(card(f)); err != nil {
				t.Fatalf("%s: the next attempt: %v", what, err)
			}
			if s, err := card(f).Load(n); s.Has != set(row.after) || err != nil {
				t.Fatalf("%s: found %s, %v; wanted %s", what, s.Has, err, row.after)
			}
		})
	}
}
