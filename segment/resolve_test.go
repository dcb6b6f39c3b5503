package segment_test

import (
	"io"
	"strings"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// identify takes content that begins as ours do: MD is one segment, MX another.
func identify(f durable.File) (segment.Identity, bool) {
	p := make([]byte, 2)
	_, err := io.ReadFull(f, p)
	return segment.Identity{Start: int64(p[1])}, err == nil && (string(p) == "MD" || string(p) == "MX")
}

func TestResolve(t *testing.T) {
	long, short, other := "MD"+strings.Repeat("a", 2000), "MD"+strings.Repeat("a", 100), "MD"+strings.Repeat("b", 100)
	for _, row := range []struct {
		name  string
		found map[segment.Suffix]string
		kept  segment.Suffix
		want  string
	}{
		{"compressed, the raw not yet removed", map[segment.Suffix]string{segment.Raw: long, segment.Sealed: other}, segment.Sealed, other},
		{"a rename left both", map[segment.Suffix]string{segment.Raw: long, segment.Sealed: long}, segment.Sealed, long},
		{"a rename left both, one too short", map[segment.Suffix]string{segment.Part: long, segment.Sealed: short}, segment.Part, long},
		{"the new name is empty", map[segment.Suffix]string{segment.Part: long, segment.Raw: ""}, segment.Part, long},
		{"the new name is rubbish", map[segment.Suffix]string{segment.Raw: long, segment.Sealed: strings.Repeat("x", 5000)}, segment.Raw, long},
		{"the old name is empty", map[segment.Suffix]string{segment.Tmp: "", segment.Sealed: short}, segment.Sealed, short},
		{"the compressor's rename, and the raw", map[segment.Suffix]string{segment.Tmp: other, segment.Sealed: other, segment.Raw: long}, segment.Sealed, other},
		{"only the compressor's work is whole", map[segment.Suffix]string{segment.Tmp: other, segment.Sealed: ""}, segment.Part, other},
		{"nothing is readable", map[segment.Suffix]string{segment.Part: "x", segment.Raw: "xyz"}, segment.Raw, "xyz"},
		{"half a copy", map[segment.Suffix]string{segment.Part: long, segment.Copy: short}, segment.Part, long},
		{"a copy alone", map[segment.Suffix]string{segment.Copy2: long}, segment.Part, long},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := memfs.New()
			c := card(f)
			f.MkdirAll(c.Folder(1), 0o755)
			for suffix, content := range row.found {
				durable.WriteFile(f, c.Path(name(1, 1), suffix), []byte(content), 0o644)
			}
			settled, err := c.Resolve(name(1, 1), identify)
			kept := settled.Stays
			if kept != row.kept || err != nil {
				t.Errorf("kept %s, %v; wanted %s", segment.Of(kept), err, segment.Of(row.kept))
			}
			left := card(f.Crash(0))
			if s, err := left.Load(name(1, 1)); err != nil || s.Has != segment.Of(row.kept) {
				t.Errorf("left %s, %v", s.Has, err)
			}
			if data, err := durable.ReadFile(left.FS, c.Path(name(1, 1), row.kept), 1<<20); string(data) != row.want {
				t.Errorf("holds %.20q, %v; wanted %.20q", data, err, row.want)
			}
		})
	}
}

func TestResolveOfNothing(t *testing.T) {
	if _, err := card(memfs.New()).Resolve(name(1, 1), identify); err == nil {
		t.Error("no error")
	}
}

// TestTwoSegmentsUnderOneSplitBothStay: names of different segments come into one
// folder by an exchanged card; whatever cut follows, both are there once.
func TestTwoSegmentsUnderOneSplitBothStay(t *testing.T) {
	mine, other := "MD"+strings.Repeat("mine", 300), "MX"+strings.Repeat("other", 300)
	for _, suffix := range []segment.Suffix{segment.Part, segment.Raw} {
		memfs.EachCrashOnFAT(t, func(f *memfs.FS) {
			f.MkdirAll(card(f).Folder(1), 0o755)
			durable.WriteFile(f, card(f).Path(name(1, 1), segment.Sealed), []byte(mine), 0o644)
			durable.WriteFile(f, card(f).Path(name(1, 1), suffix), []byte(other), 0o644)
			durable.WriteFile(f, card(f).Path(name(1, 2), segment.Sealed), []byte("MD"), 0o644)
		}, func(f *memfs.FS) error {
			settled, err := card(f).Resolve(name(1, 1), identify)
			if err == nil && (settled.Stays != segment.Sealed || len(settled.Moved) != 1 || settled.Moved[0] != name(1, 3)) {
				t.Errorf("found %+v", settled)
			}
			return err
		}, func(f *memfs.FS) {
			for range 2 {
				for split := uint32(1); split < 9; split++ {
					if err := recover(card(f), name(1, split)); err != nil {
						t.Fatal(err)
					}
				}
			}
			counts := map[string]int{}
			l, _ := card(f).Scan()
			for _, s := range l.Segments {
				if s.Has != segment.Of(segment.Sealed) {
					t.Errorf("%s: left %s", s.Name, s.Has)
				}
				data, _ := durable.ReadFile(f, card(f).Path(s.Name, segment.Sealed), 1<<20)
				counts[string(data)]++
			}
			if counts[mine] != 1 || counts[other] != 1 || len(l.Segments) != 3 {
				t.Fatalf("found %d of one, %d of the other, %d segments", counts[mine], counts[other], len(l.Segments))
			}
		})
	}
}

func TestWhatCannotBeReadIsToldWhenItGoes(t *testing.T) {
	f := memfs.New()
	f.MkdirAll(card(f).Folder(1), 0o755)
	durable.WriteFile(f, card(f).Path(name(1, 1), segment.Sealed), []byte("MD"), 0o644)
	durable.WriteFile(f, card(f).Path(name(1, 1), segment.Part), []byte("rubbish"), 0o644)
	if settled, err := card(f).Resolve(name(1, 1), identify); err != nil || settled.Refused != segment.Of(segment.Part) {
		t.Errorf("found %+v, %v", settled, err)
	}
}

// TestASealSurvivesTwoCutsOnFAT cuts the sealing of a segment, and the recovery
// after it, and asks for the content.
func TestASealSurvivesTwoCutsOnFAT(t *testing.T) {
	content := "MD" + strings.Repeat("frames", 300)
	n := name(1, 1)
	setup := func(f *memfs.FS) {
		f.MkdirAll(card(f).Folder(1), 0o755)
		durable.WriteFile(f, card(f).Path(n, segment.Part), []byte(content), 0o644)
	}
	recovered := func(f *memfs.FS) error { return recover(card(f), n) }
	whole := func(f *memfs.FS) {
		if err := recovered(f); err != nil {
			t.Fatal(err)
		}
		s, err := card(f).Load(n)
		if err != nil || s.Has != segment.Of(segment.Sealed) {
			t.Fatalf("left %s, %v", s.Has, err)
		}
		if data, _ := durable.ReadFile(f, card(f).Path(n, segment.Sealed), 1<<20); string(data) != content {
			t.Fatalf("holds %.20q, %d bytes", data, len(data))
		}
	}
	memfs.EachCrashOnFAT(t, setup, func(f *memfs.FS) error {
		return card(f).Seal(n, segment.Part)
	}, func(once *memfs.FS) {
		ops := once.Crash(0)
		ops.Settle()
		if err := recovered(ops); err != nil {
			t.Fatal(err)
		}
		for at := 1; at <= ops.Ops(); at++ {
			f := once.Crash(0)
			f.FailFrom(at, memfs.ErrPower)
			recovered(f)
			for seed := range uint64(10) {
				whole(f.Crash(seed))
			}
		}
		whole(once)
	})
}

// recover does what recovery does, for content that needs no repair.
func recover(c segment.Card, n segment.Name) error {
	for range 10 {
		s, err := c.Load(n)
		if err != nil {
			return err
		}
		for _, step := range segment.AtBoot(s.Has) {
			switch step.Do {
			case segment.Drop:
				err = c.Drop(n, step.Names)
			case segment.Resolve:
				_, err = c.Resolve(n, identify)
			case segment.Repair:
				err = c.Seal(n, segment.Part)
			case segment.Compress:
				err = c.Seal(n, segment.Raw)
			case segment.Record:
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
