package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"
)

func listWith(t testing.TB, a *Authority, id asn1.ObjectIdentifier, value []byte) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(day),
		ExtraExtensions: []pkix.Extension{{Id: id, Critical: true, Value: value}},
	}, a.Certificate, a.key)
	must(t, err)
	return der
}

// The work of the loader is bounded, whatever the bytes, and what it takes it
// can write again.
func FuzzLoadBundle(f *testing.F) {
	x := newFixtures(f)
	pemA := armour("CERTIFICATE", x.a.Certificate.Raw)
	for _, seed := range [][]byte{
		nil, x.p7b, pemA, x.a.Certificate.Raw, x.list, x.key, x.requests, indefinite(x.p7b, 3), armour("PKCS7", x.p7b),
		cat(pemA, armour("X509 CRL", x.list)), []byte(base64.StdEncoding.EncodeToString(x.p7b)), cat(utf8BOM, pemA),
		bytes.Repeat([]byte{0x30, 0x80}, 40), nested(20), []byte{0x30, 0x80, 0, 0}, pkcs7Of(3, nil), []byte("-----BEGIN "),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := collect(file)
		if err == nil && c.guard.elements > maxElements {
			t.Fatalf("%d elements were walked", c.guard.elements)
		}
		b, err := LoadBundle(file, BundleOptions{Now: x.now, WarnDuplicateIssuer: true})
		if err != nil || b.Cleared {
			return
		}
		var list []*x509.Certificate
		for _, c := range b.Certificates {
			list = append(list, c.X509)
		}
		again, err := LoadBundle(encode(t, list...), BundleOptions{Now: x.now, WarnDuplicateIssuer: true})
		if err != nil || again.SetSHA256 != b.SetSHA256 {
			t.Fatalf("written again: %v", err)
		}
	})
}

// guard and the parser behind it agree on what is whole: what the guard
// takes, the parser takes apart without trouble.
func FuzzGuard(f *testing.F) {
	x := newFixtures(f)
	for _, seed := range [][]byte{x.p7b, indefinite(x.p7b, 3), nested(16), {0x30, 0x80, 5, 0, 0, 0}, {0x1F, 0x81, 1, 0}, {0x30, 0x84, 0, 0, 0, 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxFile {
			return
		}
		var g guard
		if err := g.check(b, 0); err != nil {
			return
		}
		if g.elements > len(b) {
			t.Fatalf("%d elements in %d bytes", g.elements, len(b))
		}
		if _, err := parsePKCS7(b); err != nil && strings.Contains(err.Error(), "the parser broke") {
			t.Fatal(err)
		}
	})
}

func TestTheGuardCountsDepthAndElements(t *testing.T) {
	for _, row := range []struct {
		b        []byte
		elements int
		ok       bool
	}{
		{nested(16), 17, true},
		{nested(17), 17, false},
		{bytes.Repeat([]byte{0x30, 0x80}, 16), 16, false},
		{cat(bytes.Repeat([]byte{0x30, 0x80}, 16), []byte{5, 0}, bytes.Repeat([]byte{0, 0}, 16)), 17, true},
		{[]byte{0x30, 0}, 1, true},
		{[]byte{5, 0}, 1, true},
		{[]byte{0x30, 3, 0x30, 2, 5}, 1, false},       // the inner element reaches beyond the outer
		{[]byte{0x30, 0x85, 1, 1, 1, 1, 1}, 0, false}, // length of 5 bytes
		{[]byte{0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, 0, false},
		{nil, 0, false},
	} {
		var g guard
		if err := g.check(row.b, 0); (err == nil) != row.ok || g.elements != row.elements {
			t.Errorf("% x: %d elements, %v", row.b[:min(len(row.b), 20)], g.elements, err)
		}
	}
}

// The ceiling is 100 ms for any 64 KiB; the worst known shapes are here.
func BenchmarkLoadBundle(b *testing.B) {
	x := newFixtures(b)
	for name, file := range map[string][]byte{
		"two certificates": x.p7b,
		"flat":             cat([]byte{0x30, 0x80}, bytes.Repeat([]byte{5, 0}, 4000), []byte{0, 0}),
		"long flat":        cat([]byte{0x30, 0x80}, bytes.Repeat(cat([]byte{4, 13}, bytes.Repeat([]byte{1}, 13)), 4000), []byte{0, 0}),
		"nested":           bytes.Repeat([]byte{0x30, 0x80}, 32<<10),
		"begins":           bytes.Repeat([]byte("-----BEGIN A-----\n"), 3600),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				LoadBundle(file, BundleOptions{})
			}
		})
	}
}
