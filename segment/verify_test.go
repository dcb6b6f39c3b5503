package segment_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// sealedCard holds two sessions of two segments each, with their lines.
func sealedCard(t *testing.T) (*memfs.FS, segment.Card) {
	t.Helper()
	f := memfs.New()
	c := card(f)
	prev := segment.FirstPrev
	for _, n := range []segment.Name{name(1, 1), name(1, 2), name(2, 1), name(2, 2)} {
		touch(t, f, c.Path(n, segment.Sealed))
		s := sealed(n.Split, prev)
		s.Session = n.Session
		sum := sha256.Sum256([]byte(c.Path(n, segment.Sealed)))
		s.SHA256, s.Size = hex.EncodeToString(sum[:]), int64(len(c.Path(n, segment.Sealed)))
		if err := c.AppendSeal(n.Session, s); err != nil {
			t.Fatal(err)
		}
		prev = s.Hash()
	}
	return f, c
}

func TestVerify(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(*memfs.FS, segment.Card)
		want  string // of 1/1 1/2 2/1 2/2 and more
		ok    bool
	}{
		{"a whole card", func(*memfs.FS, segment.Card) {}, "consistent consistent consistent consistent", true},
		{"a byte is changed", func(f *memfs.FS, c segment.Card) {
			file, _ := f.Edit(c.Path(name(1, 2), segment.Sealed))
			file.WriteAt([]byte("x"), 3)
		}, "consistent altered consistent consistent", false},
		{"a segment was deleted", func(f *memfs.FS, c segment.Card) {
			c.Remove(name(1, 1))
		}, "missing consistent consistent consistent", true},
		{"a whole session was deleted", func(f *memfs.FS, c segment.Card) {
			c.Remove(name(1, 1))
			c.Remove(name(1, 2))
		}, "consistent consistent", true},
		{"a session in the middle was deleted", func(f *memfs.FS, c segment.Card) {
			s := sealed(1, hash)
			s.Session = 3
			touch(t, f, c.Path(name(3, 1), segment.Part))
			c.AppendSeal(3, s)
		}, "consistent consistent consistent consistent unsealed", true},
		{"a segment was put there", func(f *memfs.FS, c segment.Card) {
			touch(t, f, c.Path(name(2, 3), segment.Sealed))
		}, "consistent consistent consistent consistent extra", false},
		{"two segments changed places", func(f *memfs.FS, c segment.Card) {
			f.Rename(c.Path(name(1, 1), segment.Sealed), "x")
			f.Rename(c.Path(name(1, 2), segment.Sealed), c.Path(name(1, 1), segment.Sealed))
			f.Rename("x", c.Path(name(1, 2), segment.Sealed))
		}, "altered: sealed as split 2 altered: sealed as split 1 consistent consistent", false},
		{"a line was taken out", func(f *memfs.FS, c segment.Card) {
			data, _ := durable.ReadFile(f, c.SealPath(1), 1<<20)
			f.Remove(c.SealPath(1))
			lines := strings.SplitAfter(string(data), "\n")
			durable.WriteFile(f, c.SealPath(1), []byte(lines[1]), 0o644)
		}, "extra consistent consistent consistent", false},
		{"a line was changed", func(f *memfs.FS, c segment.Card) {
			data, _ := durable.ReadFile(f, c.SealPath(1), 1<<20)
			durable.WriteFile(f, c.SealPath(1), []byte(strings.Replace(string(data), `"lost":12`, `"lost":10`, 1)), 0o644)
		}, "consistent consistent: chain broken before it consistent consistent", false},
		{"the folder has a new number", func(f *memfs.FS, c segment.Card) {
			f.Rename(c.Folder(2), c.Folder(7))
		}, "consistent consistent consistent: renumbered consistent: renumbered", true},
	} {
		f, c := sealedCard(t)
		row.spoil(f, c)
		v, err := c.Verify(segment.Trust{})
		var got []string
		for _, finding := range v.Findings {
			text := string(finding.Standing)
			if finding.Remarks != nil {
				text += ": " + strings.Join(finding.Remarks, ", ")
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != row.want || v.OK() != row.ok || err != nil {
			t.Errorf("%s: found %s, ok %v, breaks %q, notes %q, %v\nwanted %s, ok %v", row.name, strings.Join(got, " "), v.OK(), v.Breaks, v.Notes, err, row.want, row.ok)
		}
	}
}

func TestDevicesOfACard(t *testing.T) {
	f, c := sealedCard(t)
	f.MkdirAll("LOG/FFFFFFFF", 0o755)
	f.MkdirAll("LOG/nobody", 0o755)
	if found, err := segment.Devices(c); fmt.Sprint(found, err) != "[A1B2C3D4 FFFFFFFF] <nil>" {
		t.Errorf("found %v, %v", found, err)
	}
}
