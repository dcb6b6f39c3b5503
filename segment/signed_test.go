package segment_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSignaturesAreOfALineAndAKey(t *testing.T) {
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{newKey(t), large} {
		line, err := sealed(3, hash).Signed(key)
		if err != nil {
			t.Fatal(err)
		}
		read, err := segment.ParseSeal(line.Encode())
		if err != nil || read.CheckSignature(key.Public()) != nil {
			t.Fatalf("read back: %v, %v", err, read.CheckSignature(key.Public()))
		}
		if err := read.CheckSignature(newKey(t).Public()); !errors.Is(err, segment.ErrSignature) {
			t.Errorf("another key: %v", err)
		}
		// Every other line of the same length is refused, by the form or by the key.
		text := line.Encode()
		for i := range text {
			altered := bytes.Clone(text)
			altered[i] ^= 1
			if s, err := segment.ParseSeal(altered); err == nil && s.CheckSignature(key.Public()) == nil && i < bytes.Index(text, []byte(`,"sig":`)) {
				t.Fatalf("the bit at %d may be changed: %s", i, altered)
			}
		}
		unsigned := sealed(3, hash)
		if err := unsigned.CheckSignature(key.Public()); !errors.Is(err, segment.ErrSignature) {
			t.Errorf("no signature: %v", err)
		}
	}
	if _, err := segment.KeyID(big.NewInt(1)); err == nil {
		t.Error("a number is a key")
	}
}

// evidence is a card whose four segments, of two sessions, are signed by the
// device; and others who have keys.
type evidence struct {
	*memfs.FS
	segment.Card
	device, stranger *ecdsa.PrivateKey
}

func signedCard(t testing.TB) *evidence {
	t.Helper()
	e := &evidence{FS: memfs.New(), device: newKey(t), stranger: newKey(t)}
	e.Card = card(e.FS)
	prev := segment.FirstPrev
	for _, n := range []segment.Name{name(1, 1), name(1, 2), name(1, 3), name(2, 1)} {
		prev = e.seal(t, n, prev, fmt.Sprintf("segment %s", n), e.device)
	}
	return e
}

// seal writes a segment and its line; nil: unsigned.
func (e *evidence) seal(t testing.TB, n segment.Name, prev, content string, key crypto.Signer) string {
	t.Helper()
	e.MkdirAll(e.Folder(n.Session), 0o755)
	if err := durable.WriteFile(e.FS, e.Path(n, segment.Sealed), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	line := e.line(t, n, prev, content, key)
	if err := e.AppendSeal(n.Session, line); err != nil {
		t.Fatal(err)
	}
	return line.Hash()
}

func (e *evidence) line(t testing.TB, n segment.Name, prev, content string, key crypto.Signer) segment.SealLine {
	t.Helper()
	s := sealed(n.Split, prev)
	sum := sha256.Sum256([]byte(content))
	s.Session, s.SHA256, s.Size = n.Session, hex.EncodeToString(sum[:]), int64(len(content))
	if key != nil {
		var err error
		if s, err = s.Signed(key); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// lines reads a seal.log as text, rewrite puts another in its place.
func (e *evidence) lines(session uint32) []string {
	data, _ := durable.ReadFile(e.FS, e.SealPath(session), 1<<20)
	return strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
}

func (e *evidence) rewrite(session uint32, lines ...string) {
	text := ""
	for _, l := range lines {
		text += strings.TrimSuffix(l, "\n") + "\n"
	}
	durable.WriteFile(e.FS, e.SealPath(session), []byte(text), 0o644)
}

func (e *evidence) parse(t testing.TB, line string) segment.SealLine {
	t.Helper()
	s, err := segment.ParseSeal([]byte(strings.TrimSuffix(line, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// standings is the findings as words, in order.
func standings(v segment.Verification) string {
	var got []string
	for _, f := range v.Findings {
		text := string(f.Standing)
		if f.Remarks != nil {
			text += " (" + strings.Join(f.Remarks, ", ") + ")"
		}
		got = append(got, text)
	}
	return strings.Join(got, "; ")
}

// Whoever has the card and no key of the device: what he does, and what the
// verdict is for him who demands signatures.
func TestNoAttackOnACardStaysSigned(t *testing.T) {
	for _, row := range []struct {
		name   string
		attack func(*testing.T, *evidence)
		want   string // of 1/1 1/2 1/3 2/1 and more
		ok     bool
	}{
		{"none", func(*testing.T, *evidence) {}, "signed; signed; signed; signed", true},
		{"a byte of a segment", func(t *testing.T, e *evidence) {
			f, _ := e.Edit(e.Path(name(1, 2), segment.Sealed))
			f.WriteAt([]byte("x"), 3)
		}, "signed; altered; signed; signed", false},
		{"a field of a line", func(t *testing.T, e *evidence) {
			l := e.lines(1)
			e.rewrite(1, l[0], strings.Replace(l[1], `"lost":12`, `"lost":10`, 1), l[2])
		}, "signed; altered (the signature is wrong); signed (chain broken before it); signed", false},
		{"another segment with a line for it, the signature kept", func(t *testing.T, e *evidence) {
			l := e.lines(1)
			old := e.parse(t, l[1])
			durable.WriteFile(e.FS, e.Path(name(1, 2), segment.Sealed), []byte("forged"), 0o644)
			s := e.line(t, name(1, 2), old.Prev, "forged", nil)
			s.Key, s.Sig = old.Key, old.Sig
			e.rewrite(1, l[0], string(s.Encode()), l[2])
		}, "signed; altered (the signature is wrong); signed (chain broken before it); signed", false},
		{"all of a session forged, without signatures", func(t *testing.T, e *evidence) {
			prev := e.parse(t, e.lines(1)[0]).Prev
			e.Card.Remove(name(1, 3))
			e.FS.Remove(e.SealPath(1))
			for split := uint32(1); split <= 2; split++ {
				prev = e.seal(t, name(1, split), prev, fmt.Sprint("forged", split), nil)
			}
		}, "consistent; consistent; signed", false},
		{"all of a session forged, signed by a stranger", func(t *testing.T, e *evidence) {
			prev := e.parse(t, e.lines(1)[0]).Prev
			e.Card.Remove(name(1, 3))
			e.FS.Remove(e.SealPath(1))
			for split := uint32(1); split <= 2; split++ {
				prev = e.seal(t, name(1, split), prev, fmt.Sprint("forged", split), e.stranger)
			}
		}, "consistent (signed by a key that is not known here); consistent (signed by a key that is not known here); signed", false},
		{"a stranger's signature under the device's key", func(t *testing.T, e *evidence) {
			l := e.lines(2)
			s := e.line(t, name(2, 1), e.parse(t, l[0]).Prev, "segment "+name(2, 1).String(), e.stranger)
			s.Key = e.parse(t, l[0]).Key
			e.rewrite(2, string(s.Encode()))
		}, "signed; signed; signed; altered (the signature is wrong)", false},
		{"signatures taken away", func(t *testing.T, e *evidence) {
			l := e.lines(2)
			s := e.parse(t, l[0])
			s.Raw, s.Key, s.Sig = nil, "", ""
			e.rewrite(2, string(s.Encode()))
		}, "signed; signed; signed; consistent (not signed, and the line before it is)", false},
		{"two lines exchanged", func(t *testing.T, e *evidence) {
			l := e.lines(1)
			e.rewrite(1, l[1], l[0], l[2])
		}, "extra; signed; signed; signed", false}, // the log has a line in the wrong place
		{"two segments exchanged", func(t *testing.T, e *evidence) {
			e.FS.Rename(e.Path(name(1, 1), segment.Sealed), "x")
			e.FS.Rename(e.Path(name(1, 2), segment.Sealed), e.Path(name(1, 1), segment.Sealed))
			e.FS.Rename("x", e.Path(name(1, 2), segment.Sealed))
		}, "altered (sealed as split 2); altered (sealed as split 1); signed; signed", false},
		{"segments exchanged with their lines' numbers", func(t *testing.T, e *evidence) {
			l := e.lines(1)
			e.rewrite(1, strings.Replace(l[0], `"split":1`, `"split":2`, 1), strings.Replace(l[1], `"split":2`, `"split":1`, 1), l[2])
			e.FS.Rename(e.Path(name(1, 1), segment.Sealed), "x")
			e.FS.Rename(e.Path(name(1, 2), segment.Sealed), e.Path(name(1, 1), segment.Sealed))
			e.FS.Rename("x", e.Path(name(1, 2), segment.Sealed))
		}, "extra; altered (the signature is wrong); signed (chain broken before it); signed", false},
		{"an old segment put there again", func(t *testing.T, e *evidence) {
			durable.WriteFile(e.FS, e.Path(name(2, 2), segment.Sealed), []byte("segment "+name(1, 2).String()), 0o644)
			e.rewrite(2, e.lines(2)[0], e.lines(1)[1])
		}, "signed; signed; signed; signed; extra", false},
		{"an old session put there again", func(t *testing.T, e *evidence) {
			e.MkdirAll(e.Folder(9), 0o755)
			for split := uint32(1); split <= 3; split++ {
				durable.WriteFile(e.FS, e.Path(name(9, split), segment.Sealed), []byte("segment "+name(1, split).String()), 0o644)
			}
			e.rewrite(9, e.lines(1)...)
		}, "signed; signed; signed; signed; extra (renumbered, the line of 00000001/00000001); extra (renumbered, the line of 00000001/00000002); extra (renumbered, the line of 00000001/00000003)", false},
		{"a second line for a segment", func(t *testing.T, e *evidence) {
			l := e.lines(1)
			durable.WriteFile(e.FS, e.Path(name(1, 2), segment.Sealed), []byte("forged"), 0o644)
			s := e.line(t, name(1, 2), e.parse(t, l[2]).Hash(), "forged", nil)
			e.rewrite(1, append(l, string(s.Encode()))...)
		}, "signed; altered; signed; signed", false},
		{"a segment and its line taken out of the middle", func(t *testing.T, e *evidence) {
			e.FS.Remove(e.Path(name(1, 2), segment.Sealed))
			l := e.lines(1)
			e.rewrite(1, l[0], l[2])
		}, "signed; signed (chain broken before it); signed", false},
		{"a segment taken out of the middle", func(t *testing.T, e *evidence) {
			e.FS.Remove(e.Path(name(1, 2), segment.Sealed))
		}, "signed; missing; signed; signed", true},
		{"the last line cut", func(t *testing.T, e *evidence) {
			l := e.lines(1)
			e.rewrite(1, l[0], l[1])
		}, "signed; signed; extra; signed", false},
		{"half of the last line cut", func(t *testing.T, e *evidence) {
			l := e.lines(2)
			e.rewrite(2, l[0][:len(l[0])-40])
		}, "signed; signed; signed; extra", false},
	} {
		e := signedCard(t)
		row.attack(t, e)
		key := segment.SealKey{Public: e.device.Public(), Owner: "device"}
		v, err := e.Verify(segment.Trust{Keys: []segment.SealKey{key}, Required: true})
		if got := standings(v); got != row.want || v.OK() != row.ok || err != nil {
			t.Errorf("%s: found %s, ok %v, breaks %q, notes %q, %v\nwanted %s, ok %v", row.name, got, v.OK(), v.Breaks, v.Notes, err, row.want, row.ok)
		}
	}
}

// What is cut off behind, segment and line, only the device's own word betrays.
func TestACutTailIsTold(t *testing.T) {
	e := signedCard(t)
	head := e.parse(t, e.lines(2)[0]).Hash()
	before := e.parse(t, e.lines(1)[2]).Hash()
	told := func(head string) bool {
		v, err := e.Verify(segment.Trust{Head: head})
		if err != nil || !v.OK() {
			t.Fatalf("%+v, %v", v, err)
		}
		return strings.Contains(strings.Join(v.Notes, " "), "the last line that the device tells of is not here")
	}
	if told(head) || told(before) || told("") {
		t.Error("told although the line is here")
	}
	if err := e.Card.Remove(name(2, 1)); err != nil {
		t.Fatal(err)
	}
	if !told(head) {
		t.Error("not told")
	}
}

// A key that is renewed leaves what the one before has signed as it is.
func TestKeysThatChange(t *testing.T) {
	e := signedCard(t)
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e.seal(t, name(2, 2), e.parse(t, e.lines(2)[0]).Hash(), "of the next key", next)
	old, now := segment.SealKey{Public: e.device.Public()}, segment.SealKey{Public: next.Public(), From: time.Date(2026, 5, 4, 10, 0, 1, 0, time.UTC)}
	doubted := old
	doubted.Doubt = "not checked"
	for what, c := range map[string]struct {
		trust segment.Trust
		want  string
		ok    bool
	}{
		"both":             {segment.Trust{Required: true, Keys: []segment.SealKey{old, now}}, "signed; signed; signed; signed; signed (outside the dates of the certificate)", true},
		"the doubted too":  {segment.Trust{Required: true, Keys: []segment.SealKey{doubted, old, doubted}}, "signed; signed; signed; signed; consistent (signed by a key that is not known here)", false},
		"in doubt":         {segment.Trust{Keys: []segment.SealKey{doubted}}, "signed; signed; signed; signed; consistent (signed by a key that is not known here)", true},
		"in doubt, wanted": {segment.Trust{Required: true, Keys: []segment.SealKey{doubted, now}}, strings.Repeat("consistent (signed by a key that does not count); ", 4) + "signed (outside the dates of the certificate)", false},
		"nobody":           {segment.Trust{}, strings.Repeat("consistent (signed by a key that is not known here); ", 4) + "consistent (signed by a key that is not known here)", true},
	} {
		v, err := e.Verify(c.trust)
		if got := standings(v); got != c.want || v.OK() != c.ok || err != nil {
			t.Errorf("%s: found %s, ok %v, breaks %q, %v\nwanted %s", what, got, v.OK(), v.Breaks, err, c.want)
		}
		if f := v.Findings[0]; what == "in doubt" && f.By != ", not checked" {
			t.Errorf("by %q", f.By)
		}
	}
}

// The line of the largest key goes with its object: as base64 it leaves room for
// what else stands in the metadata, of which a store takes 2 kB.
func TestALineOfAnyKeyFitsIntoMetadata(t *testing.T) {
	s := sealed(99_999, hash)
	s.Session, s.Size, s.Frames, s.Gaps, s.Lost, s.Clock, s.Dropped = 99_999, 99_999_999_999, 9_999_999_999, 9_999, 99_999_999, "unsynchronised", 99_999
	s.Key, s.Sig = hash, base64.StdEncoding.EncodeToString(make([]byte, 4096/8))
	if n := base64.StdEncoding.EncodedLen(len(s.Encode()) - 1); n > 1868 {
		t.Errorf("%d bytes", n)
	}
}
