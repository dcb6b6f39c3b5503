package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// shake runs a handshake over loopback (both sides of a pipe may write at
// once) and returns what the client makes of it.
func shake(t testing.TB, client, server *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	must(t, err)
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s, err := l.Accept(); err == nil {
			s.SetDeadline(time.Now().Add(5 * time.Second))
			io.Copy(io.Discard, s)
			s.Close()
		}
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	raw.SetDeadline(time.Now().Add(5 * time.Second))
	c := tls.Client(raw, client)
	err = c.Handshake()
	state := c.ConnectionState()
	raw.Close()
	<-done
	return state, err
}

func serving(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }

func issued(t testing.TB, a *Authority, hosts ...string) tls.Certificate {
	t.Helper()
	c, err := a.Issue(time.Now(), 30*day, hosts...)
	must(t, err)
	return c
}

func bundle(t testing.TB, parts ...[]byte) *Bundle {
	t.Helper()
	b, err := LoadBundle(cat(parts...), BundleOptions{WarnDuplicateIssuer: true, MinRSABits: 1024})
	must(t, err)
	return b
}

func block(c *x509.Certificate) []byte { return armour("CERTIFICATE", c.Raw) }

func TestWhoIsTrusted(t *testing.T) {
	now := time.Now()
	root := authority(t, "root", now, 400*day)
	middle, err := root.Intermediate("middle", now, 300*day)
	must(t, err)
	other := authority(t, "other", now, 400*day)
	byName, byIP, below := issued(t, root, "store.example"), issued(t, root, "10.0.0.7", "fd00::7"), issued(t, middle, "store.example")
	bare := below
	bare.Certificate = below.Certificate[:1] // the server leaves the intermediate out
	self, err := SelfSigned(now, day, "store.example")
	must(t, err)
	small, smaller := rsaServer(t, 1024, "store.example"), rsaServer(t, 1025, "store.example")
	pin, noPin := Pin(root.Certificate), sha256.Sum256(nil)
	at := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }

	for name, row := range map[string]struct {
		server tls.Certificate
		trust  []byte
		o      TLSOptions
		want   Fault
	}{
		"root in the bundle":                   {byName, block(root.Certificate), TLSOptions{ServerName: "store.example"}, ""},
		"chain of three":                       {below, block(root.Certificate), TLSOptions{ServerName: "store.example"}, ""},
		"intermediate alone":                   {below, block(middle.Certificate), TLSOptions{ServerName: "store.example"}, ""},
		"intermediate alone, a bare server":    {bare, block(middle.Certificate), TLSOptions{ServerName: "store.example"}, ""},
		"root alone, a bare server":            {bare, block(root.Certificate), TLSOptions{ServerName: "store.example"}, FaultUnknownAuthority},
		"root and intermediate, a bare server": {bare, cat(block(root.Certificate), block(middle.Certificate)), TLSOptions{ServerName: "store.example"}, ""},
		"the leaf itself":                      {byName, block(byName.Leaf), TLSOptions{ServerName: "store.example"}, ""},
		"self-signed":                          {self, block(self.Leaf), TLSOptions{ServerName: "store.example"}, ""},
		"self-signed, another name":            {self, block(self.Leaf), TLSOptions{ServerName: "other.example"}, FaultName},
		"another authority":                    {byName, block(other.Certificate), TLSOptions{ServerName: "store.example"}, FaultUnknownAuthority},
		"a name that is not in it":             {byName, block(root.Certificate), TLSOptions{ServerName: "example"}, FaultName},
		"an address":                           {byIP, block(root.Certificate), TLSOptions{ServerName: "10.0.0.7"}, ""},
		"an IPv6 address":                      {byIP, block(root.Certificate), TLSOptions{ServerName: "fd00::7"}, ""},
		"another address":                      {byIP, block(root.Certificate), TLSOptions{ServerName: "10.0.0.8"}, FaultName},
		"an address where there is a name":     {byName, block(root.Certificate), TLSOptions{ServerName: "10.0.0.7"}, FaultName},
		"nothing":                              {byName, nil, TLSOptions{ServerName: "store.example"}, FaultUnknownAuthority},
		"the system's roots instead":           {byName, block(root.Certificate), TLSOptions{ServerName: "store.example", System: true}, FaultUnknownAuthority},
		"leaf expired":                         {byName, block(root.Certificate), TLSOptions{ServerName: "store.example", Now: at(31 * day)}, FaultExpired},
		"intermediate expired":                 {below, cat(block(root.Certificate), block(middle.Certificate)), TLSOptions{ServerName: "store.example", Now: at(301 * day)}, FaultExpired},
		"a clock in the past":                  {byName, block(root.Certificate), TLSOptions{ServerName: "store.example", Now: at(-10 * day)}, FaultNotYetValid},
		"a pinned root":                        {byName, block(root.Certificate), TLSOptions{ServerName: "store.example", Pins: [][32]byte{noPin, pin}}, ""},
		"a pin that is not there":              {byName, block(root.Certificate), TLSOptions{ServerName: "store.example", Pins: [][32]byte{noPin}}, FaultPin},
		"a pin does not replace a name":        {byName, block(root.Certificate), TLSOptions{ServerName: "x", Pins: [][32]byte{pin}}, FaultName},
		"RSA 1024":                             {small, block(small.Leaf), TLSOptions{ServerName: "store.example"}, FaultSmallKey},
		"RSA 1024 by setting":                  {small, block(small.Leaf), TLSOptions{ServerName: "store.example", MinRSABits: 1024}, ""},
		"RSA 1025 for 1536":                    {smaller, block(smaller.Leaf), TLSOptions{ServerName: "store.example", MinRSABits: 1536}, FaultSmallKey},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, row.trust)
			_, err := shake(t, ClientTLS(b, row.o), serving(row.server))
			wantFault(t, err, row.o.Now, row.want)
		})
	}
}

func wantFault(t *testing.T, err error, now func() time.Time, want Fault) {
	t.Helper()
	at := time.Now()
	if now != nil {
		at = now()
	}
	e := Explain(err, at)
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if e == nil || e.Fault != want || e.Subject == "" && want != FaultUnknownAuthority {
		t.Fatalf("found %v (%v), want %s", e, err, want)
	}
	if e.Dates() != (want == FaultExpired || want == FaultNotYetValid) {
		t.Errorf("%s: a question of time: %v", want, e.Dates())
	}
}

func rsaServer(t *testing.T, bits int, host string) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return selfSignedBy(t, key, host)
}

func selfSignedBy(t *testing.T, key crypto.Signer, host string) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(day)}
	c.Subject.CommonName = host
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// A small key anywhere in the verified chain counts.
func TestASmallKeyAboveTheServerIsRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	top, err := template("small root", time.Now(), 100*day)
	must(t, err)
	top.IsCA, top.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, top, top, key.Public(), key)
	must(t, err)
	root, err := x509.ParseCertificate(der)
	must(t, err)
	leaf, err := template("store", time.Now(), day)
	must(t, err)
	leaf.DNSNames = []string{"store.example"}
	self := issued(t, authority(t, "x", time.Now(), day), "store.example")
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, self.Leaf.PublicKey, key)
	must(t, err)
	self.Certificate = [][]byte{der}
	_, err = shake(t, ClientTLS(bundle(t, block(root)), TLSOptions{ServerName: "store.example"}), serving(self))
	wantFault(t, err, nil, FaultSmallKey)
}

func TestRevokedAtAnyDepth(t *testing.T) {
	now := time.Now()
	root := authority(t, "root", now, 400*day)
	middle, err := root.Intermediate("middle", now, 300*day)
	must(t, err)
	leaf := issued(t, middle, "store.example")
	list := func(a *Authority, c *x509.Certificate) []byte {
		copied := *a
		if c != nil {
			copied.Revoke(c, now)
		}
		der, err := copied.List(now, day)
		must(t, err)
		return armour("X509 CRL", der)
	}
	roots := cat(block(root.Certificate), block(middle.Certificate))
	for name, row := range map[string]struct {
		trust []byte
		want  Fault
	}{
		"an empty list":                          {cat(roots, list(root, nil)), ""},
		"the leaf":                               {cat(roots, list(middle, leaf.Leaf)), FaultRevoked},
		"the intermediate":                       {cat(roots, list(root, middle.Certificate)), FaultRevoked},
		"the intermediate, as root of itself":    {cat(block(middle.Certificate), block(root.Certificate), list(root, middle.Certificate)), FaultRevoked},
		"the same serial of another authority":   {cat(roots, list(root, leaf.Leaf)), ""},
		"another certificate of the same issuer": {cat(roots, list(middle, issued(t, middle, "x").Leaf)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := LoadBundle(row.trust, BundleOptions{WarnDuplicateIssuer: true})
			must(t, err)
			_, err = shake(t, ClientTLS(b, TLSOptions{ServerName: "store.example"}), serving(leaf))
			wantFault(t, err, nil, row.want)
		})
	}
}

func TestProfileModern(t *testing.T) {
	root := authority(t, "root", time.Now(), 100*day)
	leaf := issued(t, root, "store.example", "10.0.0.7")
	b := bundle(t, block(root.Certificate))
	client := ClientTLS(b, TLSOptions{ServerName: "store.example"})
	suites := map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: true,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          false, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: false,
	}
	for suite, want := range suites {
		server := serving(leaf)
		server.MaxVersion, server.CipherSuites = tls.VersionTLS12, []uint16{suite}
		if s, err := shake(t, client, server); (err == nil) != want || want && s.CipherSuite != suite {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
		}
	}
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		server := serving(leaf)
		server.MinVersion, server.MaxVersion = version, version
		if _, err := shake(t, client, server); (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	for host, want := range map[string]string{"store.example": "store.example", "10.0.0.7": ""} {
		server := serving(leaf)
		got := "not asked"
		server.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			got = h.ServerName
			return nil, nil
		}
		_, err := shake(t, ClientTLS(b, TLSOptions{ServerName: host}), server)
		must(t, err)
		if got != want {
			t.Errorf("%s: SNI %q, want %q", host, got, want)
		}
	}
}

// Whoever stands in the way chooses what his certificate says, and the text
// of the error goes to the log, the status and a terminal.
func TestWordsOfACertificateAreQuoted(t *testing.T) {
	self, err := SelfSigned(time.Now(), day, "store.example")
	must(t, err)
	evil := "\x1b[2J\x07\r\nall is well \u009b\u202e" + strings.Repeat("long", 1000)
	for host, want := range map[string]Fault{"store.example": FaultUnknownAuthority, "elsewhere": FaultName} {
		key := self.PrivateKey.(crypto.Signer)
		c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"store.example", "a\x1b[31mb" + strings.Repeat("long", 1000)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(day)}
		c.Subject.CommonName = evil
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		must(t, err)
		leaf, err := x509.ParseCertificate(der)
		must(t, err)
		trusted := self.Leaf
		if want == FaultName {
			trusted = leaf
		}
		_, err = shake(t, ClientTLS(bundle(t, block(trusted)), TLSOptions{ServerName: host}), serving(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}))
		wantFault(t, err, nil, want)
		text := Explain(err, time.Now()).Error()
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || len(text) > 2048 || !strings.Contains(text, `all is well`) {
			t.Errorf("%s: %q", want, text)
		}
		if want == FaultName && !strings.Contains(text, `"x509: certificate is valid for`) {
			t.Errorf("the reason is not told: %s", text)
		}
	}
}

func TestExplainIsSilentOnOtherErrors(t *testing.T) {
	for _, err := range []error{nil, io.EOF, net.ErrClosed} {
		if e := Explain(err, time.Now()); e != nil {
			t.Errorf("%v: %v", err, e)
		}
	}
}

// The one switch that turns a library's verification off appears where package
// certs does the whole check itself, where package s3 wants that, and where
// link/probe checks by a clock that may not be known yet.
func TestVerificationIsNeverTurnedOff(t *testing.T) {
	const word = "InsecureSkipVerify"
	allowed := []string{"c." + word + " = true", "if !c." + word + " {", "case m.Server && o.TLS." + word + " && o.TLS.VerifyConnection == nil:",
		"dtls.With" + word + "(true),"}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // gone meanwhile
		}
		for n, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, word) && !slices.Contains(allowed, strings.TrimSpace(line)) {
				t.Errorf("%s:%d: %s", path, n+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	must(t, err)
}

func TestAuthorityNeedsAHost(t *testing.T) {
	if _, err := authority(t, "x", time.Now(), day).Issue(time.Now(), day); err == nil {
		t.Error("a certificate for nobody was issued")
	}
}
