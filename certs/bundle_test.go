package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// fixtures are files that an operator might name certs_server.p7b, made once
// by this package's own authority and by encoding/asn1.
type fixtures struct {
	now      time.Time
	a, b     *Authority // two roots
	leaf     *x509.Certificate
	key      []byte // PKCS#8 of a private key
	p7b      []byte // a and b, DER
	list     []byte // CRL of a that names leaf
	expired  *x509.Certificate
	requests []byte // a CSR
}

func newFixtures(t testing.TB) *fixtures {
	t.Helper()
	f := &fixtures{now: time.Now()}
	f.a = authority(t, "root A", f.now, 400*day)
	f.b = authority(t, "root B", f.now, 500*day)
	leaf, err := f.a.Issue(f.now, 100*day, "store.example")
	must(t, err)
	f.leaf = leaf.Leaf
	f.key, err = x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	must(t, err)
	f.p7b = encode(t, f.a.Certificate, f.b.Certificate)
	f.a.Revoke(f.leaf, f.now)
	f.list, err = f.a.List(f.now, 30*day)
	must(t, err)
	f.expired = authority(t, "old root", f.now.Add(-100*day), 50*day).Certificate
	f.requests, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, leaf.PrivateKey)
	must(t, err)
	return f
}

func authority(t testing.TB, name string, now time.Time, life time.Duration) *Authority {
	t.Helper()
	a, err := NewAuthority(name, now, life)
	must(t, err)
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func encode(t testing.TB, list ...*x509.Certificate) []byte {
	t.Helper()
	der, err := EncodeBundle(list)
	must(t, err)
	return der
}

func armour(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// wrap makes an element of tag around content.
func wrap(tag byte, content ...[]byte) []byte {
	body := cat(content...)
	der, err := asn1.Marshal(asn1.RawValue{Class: int(tag >> 6), Tag: int(tag & 0x1F), IsCompound: tag&0x20 != 0, Bytes: body})
	if err != nil {
		panic(err)
	}
	return der
}

// indefinite turns the outer levels of a PKCS#7 structure into BER with
// indefinite lengths, as `openssl cms -stream` writes them.
func indefinite(der []byte, levels int) []byte {
	if levels == 0 {
		return der
	}
	h, err := header(der, 0, 0)
	if err != nil || !h.constructed {
		return der
	}
	out := []byte{der[0], 0x80}
	for rest := der[h.content : h.content+h.length]; len(rest) > 0; {
		inner, _ := header(rest, 0, 0)
		end := inner.content + inner.length
		if inner.constructed && end == len(rest) {
			out = append(out, indefinite(rest[:end], levels-1)...)
		} else {
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	return append(out, 0, 0)
}

func pkcs7Of(kind byte, content []byte) []byte {
	oid := wrap(0x06, append(slices.Clone(signedData[:8]), kind))
	return wrap(0x30, oid, wrap(0xA0, content))
}

func TestFormsThatAreTaken(t *testing.T) {
	f := newFixtures(t)
	a, b := f.a.Certificate.Raw, f.b.Certificate.Raw
	pemA, pemB := armour("CERTIFICATE", a), armour("CERTIFICATE", b)
	crlf := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }
	both, one := encode(t, f.a.Certificate, f.b.Certificate), encode(t, f.a.Certificate)
	for name, row := range map[string]struct {
		file  []byte
		certs int
		note  string
	}{
		"p7b DER":                           {both, 2, ""},
		"p7b PEM, label PKCS7":              {armour("PKCS7", both), 2, ""},
		"p7b PEM, label CMS":                {armour("CMS", both), 2, ""},
		"p7b PEM with CRLF":                 {crlf(armour("PKCS7", both)), 2, ""},
		"one certificate, PEM, renamed":     {pemA, 1, ""},
		"one certificate, DER, renamed":     {a, 1, ""},
		"certificates one after another":    {cat(pemA, pemB), 2, ""},
		"the same with CRLF":                {crlf(cat(pemA, pemB)), 2, ""},
		"without a line end at the end":     {bytes.TrimSpace(pemA), 1, ""},
		"a byte order mark before PEM":      {cat(utf8BOM, pemA), 1, ""},
		"a byte order mark before DER":      {cat(utf8BOM, one), 1, ""},
		"white space around PEM":            {cat([]byte("\n \t\r\n"), pemA, []byte("\n\n ")), 1, ""},
		"bare base64 of DER":                {[]byte(base64.StdEncoding.EncodeToString(both) + "\n"), 2, ""},
		"base64 in lines":                   {pemBody(both), 2, ""},
		"base64 of PEM":                     {[]byte(base64.StdEncoding.EncodeToString(pemA)), 1, ""},
		"one level of indefinite length":    {indefinite(one, 1), 1, ""},
		"two levels of indefinite length":   {indefinite(both, 2), 2, ""},
		"three levels of indefinite length": {indefinite(both, 3), 2, ""},
		"text between blocks":               {cat([]byte("subject=CN = root A\n"), pemA, []byte("\nand\n"), pemB), 2, "text between"},
		"another label between blocks":      {cat(pemA, armour("DH PARAMETERS", wrap(0x30)), pemB), 2, `"DH PARAMETERS" at byte`},
		"p7b beside a certificate":          {cat(armour("PKCS7", one), pemB), 2, ""},
		"an exact duplicate":                {cat(pemA, pemB, pemA), 2, "is there twice"},
		"the same certificate in two forms": {cat(armour("PKCS7", one), pemA), 1, "is there twice"},
		"a revocation list beside":          {cat(pemA, armour("X509 CRL", f.list)), 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := LoadBundle(row.file, BundleOptions{})
			must(t, err)
			if len(got.Certificates) != row.certs || got.Cleared {
				t.Errorf("%d certificates, want %d", len(got.Certificates), row.certs)
			}
			if got.FileSHA256 != sum(row.file) {
				t.Error("the file's hash is not that of its bytes")
			}
			notes := strings.Join(got.Notes, "\n")
			if !strings.Contains(notes, row.note) || row.note == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, row.note)
			}
		})
	}
}

func pemBody(der []byte) []byte {
	lines := strings.Split(strings.TrimSpace(string(armour("X", der))), "\n")
	return []byte(strings.Join(lines[1:len(lines)-1], "\r\n"))
}

func TestAnEmptyFileClears(t *testing.T) {
	for _, file := range [][]byte{nil, {}, []byte(" \r\n\t"), utf8BOM, cat(utf8BOM, []byte("\n"))} {
		b, err := LoadBundle(file, BundleOptions{})
		must(t, err)
		if !b.Cleared || len(b.Certificates) != 0 || b.DaysLeft(time.Now()) != 0 {
			t.Errorf("%q: %+v", file, b)
		}
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	f := newFixtures(t)
	pemA := armour("CERTIFICATE", f.a.Certificate.Raw)
	empty := pkcs7Of(2, wrap(0x30, []byte{2, 1, 1, 0x31, 0}, wrap(0x30, wrap(0x06, signedData[:8], []byte{1})), []byte{0x31, 0}))
	ec, err := x509.ParsePKCS8PrivateKey(f.key)
	must(t, err)
	for name, row := range map[string]struct {
		file   []byte
		reason Reason
		offset int
		says   string
	}{
		"EnvelopedData":                        {pkcs7Of(3, wrap(0x30)), ReasonNotSigned, 0, "EnvelopedData"},
		"a kind of PKCS#7 nobody knows":        {wrap(0x30, wrap(0x06, []byte{1, 2, 3})), ReasonNotSigned, 0, "unknown kind"},
		"SignedData without certificates":      {empty, ReasonNone, -1, "empty file"},
		"trailing bytes after DER":             {cat(f.p7b, []byte{0}), ReasonTrailing, len(f.p7b), ""},
		"a line end after DER":                 {cat(f.p7b, []byte("\n")), ReasonTrailing, len(f.p7b), ""},
		"two DER structures":                   {cat(f.p7b, f.p7b), ReasonTrailing, len(f.p7b), ""},
		"trailing bytes inside a PEM block":    {armour("PKCS7", cat(f.p7b, []byte{5, 0})), ReasonTrailing, len(f.p7b), "PKCS7"},
		"a private key after a certificate":    {cat(pemA, armour("PRIVATE KEY", f.key)), ReasonPrivateKey, len(pemA), "PRIVATE KEY"},
		"an EC private key first":              {cat(armour("EC PRIVATE KEY", ecDER(t, ec)), pemA), ReasonPrivateKey, 0, "EC PRIVATE KEY"},
		"an encrypted private key":             {armour("ENCRYPTED PRIVATE KEY", f.key), ReasonPrivateKey, 0, "ENCRYPTED PRIVATE KEY"},
		"a damaged private key":                {cat(pemA, []byte("  -----BEGIN RSA PRIVATE KEY-----\nMIIE")), ReasonPrivateKey, len(pemA) + 2, "RSA PRIVATE KEY"},
		"PKCS#8 in DER":                        {f.key, ReasonPrivateKey, 0, ""},
		"SEC 1 in DER":                         {ecDER(t, ec), ReasonPrivateKey, 0, ""},
		"PKCS#8 under another label":           {armour("CERTIFICATE", f.key), ReasonPrivateKey, 0, ""},
		"base64 of a private key":              {[]byte(base64.StdEncoding.EncodeToString(f.key)), ReasonPrivateKey, 0, ""},
		"base64 of a PEM private key":          {[]byte(base64.StdEncoding.EncodeToString(armour("PRIVATE KEY", f.key))), ReasonPrivateKey, 0, ""},
		"a certificate request":                {f.requests, ReasonForm, 0, "request"},
		"a certificate request in PEM":         {armour("CERTIFICATE REQUEST", f.requests), ReasonNone, -1, "CERTIFICATE REQUEST"},
		"a revocation list alone":              {f.list, ReasonForm, 0, "revocation list"},
		"a revocation list alone in PEM":       {armour("X509 CRL", f.list), ReasonNone, -1, "revocation list"},
		"a certificate cut short":              {f.a.Certificate.Raw[:200], ReasonTruncated, 200, ""},
		"a p7b cut short":                      {f.p7b[:len(f.p7b)-1], ReasonTruncated, len(f.p7b) - 1, ""},
		"a PEM block without an end":           {pemA[:len(pemA)-30], ReasonTruncated, 0, ""},
		"a damaged block before a good one":    {cat(pemA[:100], []byte("\n"), pemA), ReasonTruncated, 0, ""},
		"an empty indefinite element":          {[]byte{0x30, 0x80, 0, 0}, ReasonForm, 2, "DER"},
		"a primitive element without a length": {[]byte{0x30, 0x80, 0x04, 0x80, 0, 0, 0, 0}, ReasonForm, 2, ""},
		"random bytes":                         {[]byte("\x01\x02\x03\x04random"), ReasonForm, 0, "neither PEM"},
		"a sequence of nothing known":          {wrap(0x30, []byte{2, 1, 7}), ReasonForm, 0, "neither a certificate"},
		"an HTML page":                         {[]byte("<html>404</html>"), ReasonForm, 0, ""},
		"base64 of text":                       {[]byte(base64.StdEncoding.EncodeToString([]byte("hello"))), ReasonForm, 0, "base64 of"},
		"base64 of base64":                     {[]byte(base64.StdEncoding.EncodeToString(pemBody(f.p7b))), ReasonForm, 0, "base64 of"},
		"UTF-16":                               {[]byte("\xFF\xFE-\x00-\x00"), ReasonForm, 0, "UTF-16"},
		"more than 64 KiB":                     {bytes.Repeat([]byte(" "), 64<<10+1), ReasonTooLarge, -1, "65537"},
		"64 KiB of nested indefinite elements": {bytes.Repeat([]byte{0x30, 0x80}, 32<<10), ReasonTooDeep, 32, "16"},
		"nested definite elements":             {nested(17), ReasonTooDeep, -2, "16"},
		"many flat elements":                   {cat([]byte{0x30, 0x80}, bytes.Repeat([]byte{5, 0}, 5000), []byte{0, 0}), ReasonTooDeep, -2, "4096"},
		"many small blocks":                    {bytes.Repeat(armour("X509 CRL", nested(10)), 700), ReasonCRL, -2, ""},
		"text only":                            {[]byte("-----BEGIN \n"), ReasonTruncated, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := LoadBundle(row.file, BundleOptions{})
			var e *BundleError
			if !errors.As(err, &e) || b != nil {
				t.Fatalf("taken: %v, %v", b, err)
			}
			if e.Reason != row.reason || row.offset != -2 && e.Offset != row.offset || !strings.Contains(e.Error(), row.says) {
				t.Errorf("found %q, want %s at %d with %q", e, row.reason, row.offset, row.says)
			}
			if bytes.Contains([]byte(e.Error()), f.key[40:60]) || strings.Contains(e.Error(), base64.StdEncoding.EncodeToString(f.key)[60:90]) {
				t.Error("the key is shown")
			}
		})
	}
}

func ecDER(t testing.TB, key any) []byte {
	t.Helper()
	// PKCS#8 carries SEC 1 in its last octet string.
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	var p struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	_, err = asn1.Unmarshal(der, &p)
	must(t, err)
	return p.Key
}

func nested(levels int) []byte {
	b := []byte{5, 0}
	for range levels {
		b = wrap(0x30, b)
	}
	return b
}

func TestRulesOnContent(t *testing.T) {
	f := newFixtures(t)
	roots := make([]*x509.Certificate, 11)
	for i := range roots {
		roots[i] = authority(t, fmt.Sprintf("root %d", i), f.now, 100*day).Certificate
	}
	later := authority(t, "tomorrow", f.now.Add(2*day), 100*day).Certificate
	soon := authority(t, "soon gone", f.now, 10*day).Certificate
	twin := authority(t, "root A", f.now, 400*day).Certificate
	load := func(c ...*x509.Certificate) (*Bundle, error) { return LoadBundle(encode(t, c...), BundleOptions{}) }

	if b, err := load(roots[:10]...); err != nil || len(b.Certificates) != 10 {
		t.Errorf("ten certificates: %v", err)
	}
	_, err := load(roots...)
	wantReason(t, err, ReasonTooMany, "11")
	_, err = load(f.a.Certificate, twin)
	wantReason(t, err, ReasonDuplicateIssuer, "root A")
	_, err = load(f.a.Certificate, f.leaf)
	wantReason(t, err, ReasonDuplicateIssuer, "store.example")
	b, err := LoadBundle(encode(t, f.a.Certificate, f.leaf), BundleOptions{WarnDuplicateIssuer: true})
	if err != nil || len(b.Certificates) != 2 || !strings.Contains(strings.Join(b.Notes, ""), "same issuer") {
		t.Errorf("with warn: %v, %+v", err, b)
	}

	b, err = load(f.expired, later, f.a.Certificate)
	must(t, err)
	for i, want := range []string{FlagExpired, FlagNotYetValid, ""} {
		if got := strings.Join(b.Certificates[i].Flags, " "); got != want {
			t.Errorf("%s: flags %q, want %q", b.Certificates[i].Subject, got, want)
		}
	}
	if n := b.DaysLeft(f.now); n != 399 && n != 400 {
		t.Errorf("%d days left", n)
	}
	b, err = load(soon, f.expired)
	if err != nil || !strings.Contains(strings.Join(b.Notes, ""), "expires in 9 days") {
		t.Errorf("%v, %v", err, b.Notes)
	}
}

func wantReason(t *testing.T, err error, want Reason, says string) *BundleError {
	t.Helper()
	var e *BundleError
	if !errors.As(err, &e) || e.Reason != want || !strings.Contains(e.Error(), says) {
		t.Fatalf("found %v, want %s with %q", err, want, says)
	}
	return e
}

// A bundle that only its dates make useless is one that the right time may
// make good: its owner must be able to tell.
func TestABundleWithoutAUsableCertificate(t *testing.T) {
	f := newFixtures(t)
	b, err := LoadBundle(encode(t, f.a.Certificate), BundleOptions{Now: f.now.Add(-1000 * day)})
	if e := wantReason(t, err, ReasonUnusable, FlagNotYetValid); !e.Dates || b == nil || len(b.Certificates) != 1 {
		t.Errorf("%+v, %+v", e, b)
	}
	_, err = LoadBundle(encode(t, f.a.Certificate), BundleOptions{Now: f.now.Add(1000 * day)})
	wantReason(t, err, ReasonUnusable, FlagExpired)
}

func TestHashesOfABundle(t *testing.T) {
	f := newFixtures(t)
	one, err := LoadBundle(encode(t, f.a.Certificate, f.b.Certificate), BundleOptions{})
	must(t, err)
	two, err := LoadBundle(cat(armour("CERTIFICATE", f.b.Certificate.Raw), armour("CERTIFICATE", f.a.Certificate.Raw)), BundleOptions{})
	must(t, err)
	if one.SetSHA256 != two.SetSHA256 || one.FileSHA256 == two.FileSHA256 {
		t.Error("the set's hash must not depend on the encoding, the file's must")
	}
	if list := one.SHA256(); len(list) != 2 || list[0] != sum(f.a.Certificate.Raw) {
		t.Errorf("%v", list)
	}
}

// bundle(load(x)) loads to the same set.
func TestEncodeBundleIsTheInverse(t *testing.T) {
	f := newFixtures(t)
	list := []*x509.Certificate{f.b.Certificate, f.a.Certificate, f.expired}
	first, err := LoadBundle(encode(t, list...), BundleOptions{})
	must(t, err)
	var again []*x509.Certificate
	for _, c := range first.Certificates {
		again = append(again, c.X509)
	}
	second, err := LoadBundle(encode(t, again...), BundleOptions{})
	must(t, err)
	if first.SetSHA256 != second.SetSHA256 || len(second.Certificates) != 3 || first.FileSHA256 != second.FileSHA256 {
		t.Errorf("%+v\n%+v", first, second)
	}
	if b, err := EncodeBundle(nil); err == nil || b != nil {
		t.Error("an empty bundle was made")
	}
}

func TestRevocationListsInABundle(t *testing.T) {
	f := newFixtures(t)
	file := func(list []byte, c ...*x509.Certificate) []byte {
		return cat(armour("PKCS7", encode(t, c...)), armour("X509 CRL", list))
	}
	b, err := LoadBundle(file(f.list, f.a.Certificate), BundleOptions{})
	must(t, err)
	if b.Revocations() != 1 || !b.revoked(f.leaf) || b.revoked(f.a.Certificate) {
		t.Error("the list is not honoured")
	}
	_, err = LoadBundle(file(f.list, f.b.Certificate), BundleOptions{})
	wantReason(t, err, ReasonCRL, "not signed")
	twin := authority(t, "root A", f.now, 400*day)
	_, err = LoadBundle(file(f.list, twin.Certificate), BundleOptions{})
	wantReason(t, err, ReasonCRL, "not signed")

	old, err := f.a.List(f.now.Add(-50*day), 10*day)
	must(t, err)
	b, err = LoadBundle(file(old, f.a.Certificate), BundleOptions{})
	if err != nil || !b.revoked(f.leaf) || !strings.Contains(strings.Join(b.Notes, ""), "out of date") {
		t.Errorf("a list past its date must go on denying: %v", err)
	}
	for name, e := range map[string]struct {
		id    asn1.ObjectIdentifier
		value []byte
		ok    bool
	}{
		"delta":             {oidDelta, []byte{2, 1, 1}, false},
		"indirect":          {oidPoint, wrap(0x30, []byte{0x84, 1, 0xFF}), false},
		"for servers only":  {oidPoint, wrap(0x30, []byte{0x81, 1, 0xFF}), true},
		"unreadable point":  {oidPoint, []byte{5, 0}, false},
		"unknown, critical": {asn1.ObjectIdentifier{1, 2, 3, 4}, []byte{5, 0}, false},
	} {
		if _, err := LoadBundle(file(listWith(t, f.a, e.id, e.value), f.a.Certificate), BundleOptions{}); (err == nil) != e.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The tables once more, with files made by the program that operators use.
func TestFilesMadeByOpenSSL(t *testing.T) {
	dir := t.TempDir()
	run := openssl(t, dir)
	ext := "basicConstraints=critical,CA:TRUE"
	run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "a.key", "-out", "a.pem", "-days", "30", "-subj", "/CN=a", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "b.key", "-out", "b.pem", "-days", "90", "-subj", "/CN=b", "-addext", ext)
	run("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "c.key", "-out", "c.pem", "-days", "90", "-subj", "/CN=c")
	run("req", "-x509", "-newkey", "rsa:512", "-nodes", "-keyout", "d.key", "-out", "d.pem", "-days", "90", "-subj", "/CN=d")
	run("dsaparam", "-genkey", "-out", "e.key", "1024")
	run("req", "-x509", "-new", "-key", "e.key", "-out", "e.pem", "-days", "90", "-subj", "/CN=e")
	run("req", "-x509", "-sha1", "-key", "b.key", "-out", "f.pem", "-days", "90", "-subj", "/CN=f")
	run("x509", "-in", "a.pem", "-outform", "DER", "-out", "a.der")
	run("crl2pkcs7", "-nocrl", "-certfile", "a.pem", "-certfile", "b.pem", "-out", "ab.p7b")
	run("crl2pkcs7", "-nocrl", "-certfile", "a.pem", "-certfile", "b.pem", "-outform", "DER", "-out", "ab.der.p7b")
	run("crl2pkcs7", "-nocrl", "-certfile", "e.pem", "-certfile", "a.pem", "-out", "ae.p7b")
	run("pkcs12", "-export", "-inkey", "a.key", "-in", "a.pem", "-passout", "pass:x", "-out", "a.p12")
	run("pkcs8", "-topk8", "-in", "a.key", "-outform", "DER", "-passout", "pass:x", "-out", "a.p8")
	run("rsa", "-in", "a.key", "-traditional", "-outform", "DER", "-out", "a.rsa")
	run("req", "-new", "-key", "a.key", "-subj", "/CN=a", "-outform", "DER", "-out", "a.csr")
	must(t, os.WriteFile(filepath.Join(dir, "plain.txt"), []byte("hello"), 0o600))
	run("cms", "-encrypt", "-in", "plain.txt", "-outform", "DER", "-out", "enveloped.p7m", "a.pem")
	run("cms", "-sign", "-in", "plain.txt", "-signer", "a.pem", "-inkey", "a.key", "-outform", "DER", "-stream", "-nodetach", "-out", "streamed.p7m")
	must(t, os.WriteFile(filepath.Join(dir, "index.txt"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "ca.cnf"), []byte("[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\ncrlnumber=crlnumber\ncrl_extensions=y\n[y]\nauthorityKeyIdentifier=keyid\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "crlnumber"), []byte("01\n"), 0o600))
	run("ca", "-gencrl", "-config", "ca.cnf", "-cert", "a.pem", "-keyfile", "a.key", "-out", "a.crl")
	run("crl2pkcs7", "-in", "a.crl", "-certfile", "a.pem", "-out", "crl.p7b")

	for name, row := range map[string]struct {
		keys   string // of the certificates, in order, with their flags
		reason Reason
	}{
		"a.pem":         {"RSA 2048", ""},
		"a.der":         {"RSA 2048", ""},
		"ab.p7b":        {"RSA 2048; EC P-256", ""},
		"ab.der.p7b":    {"RSA 2048; EC P-256", ""},
		"ae.p7b":        {"DSA dsa; RSA 2048", ""},
		"f.pem":         {"EC P-256 weak_hash", ""},
		"streamed.p7m":  {"RSA 2048", ""},
		"crl.p7b":       {"RSA 2048", ""},
		"c.pem":         {"RSA 1024 key_small", ReasonUnusable},
		"d.pem":         {"RSA 512 key_refused", ReasonUnusable},
		"e.pem":         {"DSA dsa", ReasonUnusable},
		"a.p12":         {"", ReasonForm},
		"a.p8":          {"", ReasonPrivateKey},
		"a.rsa":         {"", ReasonPrivateKey},
		"a.key":         {"", ReasonPrivateKey},
		"a.csr":         {"", ReasonForm},
		"a.crl":         {"", ReasonNone},
		"enveloped.p7m": {"", ReasonNotSigned},
	} {
		file, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		b, err := LoadBundle(file, BundleOptions{})
		var e *BundleError
		if errors.As(err, &e); err != nil && e.Reason != row.reason || err == nil && row.reason != "" {
			t.Errorf("%s: %v, want %q", name, err, row.reason)
		}
		if got := describe(b); got != row.keys {
			t.Errorf("%s: %s, want %s", name, got, row.keys)
		}
	}
	small, err := os.ReadFile(filepath.Join(dir, "c.pem"))
	must(t, err)
	if _, err := LoadBundle(small, BundleOptions{MinRSABits: 1024}); err != nil {
		t.Errorf("RSA 1024 by setting: %v", err)
	}
}

func describe(b *Bundle) string {
	if b == nil {
		return ""
	}
	list := make([]string, len(b.Certificates))
	for i, c := range b.Certificates {
		list[i] = strings.TrimSpace(c.Key + " " + strings.Join(c.Flags, " "))
	}
	return strings.Join(list, "; ")
}

func TestOpenSSLReadsOurBundle(t *testing.T) {
	f := newFixtures(t)
	dir := t.TempDir()
	run := openssl(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, "ours.p7b"), f.p7b, 0o600))
	out := run("pkcs7", "-inform", "DER", "-in", "ours.p7b", "-print_certs", "-noout")
	if !strings.Contains(out, "CN = root A") || !strings.Contains(out, "CN = root B") {
		t.Errorf("openssl reads: %s", out)
	}
}

// openssl returns a function that runs the program in dir.
func openssl(t *testing.T, dir string) func(args ...string) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("CANSEAL_REQUIRE"), ","), "peers") {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: certs %s is not run: %v", t.Name(), err)
	}
	return func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}
