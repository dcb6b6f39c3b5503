package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signerLines make a signer as docs/operations.md has them.
const signerLines = `
openssl ecparam -name prime256v1 -genkey -noout -out ota.key
openssl req -x509 -new -key ota.key -sha256 -days 3650 -subj "/CN=canseal settings 1" -out ota.pem -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=codeSigning
printf '{"canseal_update":1}\n' > update.json
`

// signLine is the one that signs, and checkLine what anyone may check it with.
const (
	signLine  = `openssl cms -sign -binary -outform DER -md sha256 -nosmimecap -signer ota.pem -inkey ota.key -in update.json -out update.json.p7s`
	checkLine = `openssl cms -verify -binary -inform DER -in update.json.p7s -content update.json -certfile ota.pem -nointern -CAfile ota.pem -no-CApath -no-CAstore -purpose any -out /dev/null`
)

// shell runs lines in a folder; a line that fails ends the test.
func shell(t testing.TB, dir, lines string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-ec", lines)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, lines, out)
	}
}

func fileOf(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	must(t, err)
	return b
}

func signerOf(t testing.TB, dir string) *Signer {
	t.Helper()
	s, err := ParseSigner(fileOf(t, dir, "ota.pem"))
	must(t, err)
	return s
}

// What plain openssl signs counts, with each form of signature that is
// admitted; what it can be talked into besides does not.
func TestSignaturesOfOpenSSL(t *testing.T) {
	openssl(t, ".")
	dir := t.TempDir()
	shell(t, dir, signerLines+signLine+"\n"+checkLine+`
cp ota.pem ecdsa.pem; cp ota.key ecdsa.key
openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -sha256 -days 30 -subj "/CN=rsa" -out rsa.pem -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=codeSigning
openssl req -x509 -new -key ota.key -sha256 -days 30 -subj "/CN=another" -out other.pem -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=codeSigning
`)
	now := time.Now()
	for _, c := range []struct{ name, line, signer, want string }{
		{"the documented line", signLine, "ota.pem", ""},
		{"PEM", strings.Replace(signLine, "DER", "PEM", 1), "ota.pem", ""},
		{"SHA-384", strings.Replace(signLine, "sha256", "sha384", 1), "ota.pem", ""},
		{"without certificates", signLine + " -nocerts", "ota.pem", ""},
		{"RSA", strings.ReplaceAll(signLine, "ota.", "rsa."), "rsa.pem", ""},
		{"another signer", strings.ReplaceAll(signLine, "ota.pem", "other.pem"), "ota.pem", "another certificate"},
		{"two signers", signLine + " -signer rsa.pem -inkey rsa.key", "ota.pem", "2 signers"},
		{"SHA-1", strings.Replace(signLine, "sha256", "sha1", 1), "ota.pem", "digest"},
		{"SHA-1 with RSA", strings.ReplaceAll(strings.Replace(signLine, "sha256", "sha1", 1), "ota.", "rsa."), "rsa.pem", "digest"},
		{"no signed attributes", signLine + " -noattr", "ota.pem", "without signed attributes"},
		{"content inside", signLine + " -nodetach", "ota.pem", "content of its own"},
		{"another content type", signLine + " -econtent_type 1.2.3.4", "ota.pem", "content type"},
		{"RSA-PSS", strings.ReplaceAll(signLine, "ota.", "rsa.") + " -keyopt rsa_padding_mode:pss", "rsa.pem", "algorithm"},
		{"by key identifier", signLine + " -keyid", "ota.pem", "signer"},
	} {
		shell(t, dir, c.line)
		s, err := ParseSigner(fileOf(t, dir, c.signer))
		must(t, err)
		err = s.Verify(fileOf(t, dir, "update.json"), fileOf(t, dir, "update.json.p7s"), now, true)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, wanted %q", c.name, err, c.want)
		}
	}
}

func TestASignatureIsOverTheBytes(t *testing.T) {
	openssl(t, ".")
	dir := t.TempDir()
	shell(t, dir, signerLines+signLine)
	s, content, signature := signerOf(t, dir), fileOf(t, dir, "update.json"), fileOf(t, dir, "update.json.p7s")
	now := time.Now()
	must(t, s.Verify(content, signature, now, true))
	for name, changed := range map[string][]byte{
		"a byte": cat([]byte("["), content[1:]), "CRLF": []byte(strings.ReplaceAll(string(content), "\n", "\r\n")), "nothing": nil,
	} {
		if s.Verify(changed, signature, now, true) == nil {
			t.Errorf("%s changed, and the signature counts", name)
		}
	}
	for name, changed := range map[string][]byte{
		"trailing bytes": cat(signature, []byte{0}), "cut": signature[:len(signature)-1], "empty": nil,
		"too large": cat(signature, make([]byte, maxFile)), "nested": bytes.Repeat([]byte{0x30, 0x80}, 2000),
	} {
		if s.Verify(content, changed, now, true) == nil {
			t.Errorf("%s: the signature counts", name)
		}
	}
}

// Dates stand against a signature only until the clock is right.
func TestDatesOfASignatureWait(t *testing.T) {
	openssl(t, ".")
	dir := t.TempDir()
	shell(t, dir, signerLines+signLine)
	s, content, signature := signerOf(t, dir), fileOf(t, dir, "update.json"), fileOf(t, dir, "update.json.p7s")
	for _, c := range []struct {
		name   string
		at     time.Time
		synced bool
		waits  bool
	}{
		{"now", time.Now(), true, false},
		{"1970", time.Unix(0, 0), false, true},
		{"2099", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), true, true},
	} {
		err := s.Verify(content, signature, c.at, c.synced)
		var e *SignatureError
		if waits := errors.As(err, &e) && e.Dates; waits != c.waits || !waits && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWhoMaySign(t *testing.T) {
	a, err := NewAuthority("an authority", time.Now(), time.Hour)
	must(t, err)
	server, err := SelfSigned(time.Now(), time.Hour, "host")
	must(t, err)
	for name, cert := range map[string]*x509.Certificate{"an authority": a.Certificate, "a server": server.Leaf} {
		if _, err := ParseSigner(cert.Raw); err == nil {
			t.Errorf("%s may sign settings", name)
		}
	}
	if _, err := ParseSigner(cat(armour("CERTIFICATE", a.Certificate.Raw), armour("CERTIFICATE", server.Leaf.Raw))); err == nil {
		t.Error("two certificates are one signer")
	}
}

func FuzzSignature(f *testing.F) {
	dir := f.TempDir()
	if _, err := exec.LookPath("openssl"); err == nil {
		shell(f, dir, signerLines+signLine)
		f.Add(fileOf(f, dir, "update.json.p7s"))
	}
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 40))
	a, err := SelfSigned(time.Now(), time.Hour, "host")
	must(f, err)
	s := &Signer{a.Leaf}
	f.Fuzz(func(t *testing.T, file []byte) {
		if err := s.Verify([]byte("content"), file, time.Now(), true); err == nil {
			t.Error("a signature by nobody counts")
		}
	})
}

// Going back is going back to trust: of certificates that a bundle no longer
// holds, and of those that its lists name.
func TestWhatABundleHasWithdrawn(t *testing.T) {
	now := time.Now()
	a, err := NewAuthority("a", now, time.Hour)
	must(t, err)
	b, err := NewAuthority("b", now, time.Hour)
	must(t, err)
	server, err := a.Issue(now, time.Hour, "host")
	must(t, err)
	before := bundle(t, a.Certificate.Raw)
	both := bundle(t, armour("CERTIFICATE", a.Certificate.Raw), armour("CERTIFICATE", b.Certificate.Raw))
	a.Revoke(server.Leaf, now)
	list, err := a.List(now, time.Hour)
	must(t, err)
	with := bundle(t, armour("CERTIFICATE", a.Certificate.Raw), armour("X509 CRL", list))
	for _, c := range []struct {
		name         string
		present, old *Bundle
		want         int
	}{{"the same", before, before, 0}, {"one more", both, before, 0}, {"one less", before, both, 1}, {"a list", with, before, 1}, {"the list gone", before, with, 0}} {
		if got := c.present.Withdrawn(c.old); len(got) != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// The library's other ways to verify check no trust, or believe the signer's own
// time.
func TestOnlyOneWayToVerifyIsUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range files {
		text := string(fileOf(t, name))
		if strings.HasSuffix(name, "_test.go") || !strings.Contains(text, "pkcs7") {
			continue
		}
		if strings.Contains(text, ".VerifyWithChain(") || strings.Contains(text, ".Verify()") {
			t.Errorf("%s verifies without trust, or at the signer's time", name)
		}
	}
}
