package s3_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test/gateway"
	front "canseal/internal/s3test/proxy"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// needOpenSSL skips, by name, where the program is absent.
func needOpenSSL(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("openssl")
	need(t, err)
}

// Objects go through openssl to a store behind a server that knows DHE alone and
// verifies devices, and come back; whom the server refuses hears the same as over
// crypto/tls.
func TestHighModeOverDHE(t *testing.T) {
	needOpenSSL(t)
	now := time.Now()
	p, d := rsaPKI(t), newDevices(t, now)
	store := gateway.Start(t, gateway.Options{Access: access, Secret: secret, Buckets: []string{bucket}})
	cert, private := pemOf(t, p.server)
	door := front.Start(t, front.Options{
		Kind: front.HAProxy, Upstream: strings.TrimPrefix(store.URL, "http://"), Cert: cert, Key: private, TLS: "1.2",
		Ciphers: "DHE-RSA-AES128-GCM-SHA256", CA: certs.EncodeCertificates(d.authority.Certificate), List: d.list(t, now, 30*day),
	})
	for name, want := range map[string]uploader.Class{
		"good": uploader.Confirmed, "rsa": uploader.Confirmed, "revoked": uploader.IdentitySuspected, "wrong CA": uploader.IdentitySuspected, "none": uploader.IdentitySuspected,
	} {
		o := p.at(door.Address, "compat")
		o.LegacyDHE, o.Bandwidth = true, 200<<20
		if id := d.identity[name]; id != nil {
			o.Mode, o.Identity = "high", func() (*certs.Identity, error) { return id, nil }
		}
		c, err := s3.New(o)
		must(t, err)
		for _, size := range []int{100, 3 << 20} {
			content := bytes.Repeat([]byte("Q\nR\nk\n"), size/6) // words that s_client would obey
			_, err := c.Replace(t.Context(), object(key, content))
			if want != uploader.Confirmed {
				var refused *s3.RefusedError
				if uploader.ClassOf(err) != want || !errors.As(err, &refused) || !refused.Suspected {
					t.Errorf("%s: found %v, wanted %s", name, err, want)
				}
				break
			}
			must(t, err)
			back, err := c.Get(t.Context(), key, 8<<20)
			if err != nil || sha256.Sum256(back) != sha256.Sum256(content) {
				t.Errorf("%s: %d bytes came back, of %d: %v", name, len(back), len(content), err)
			}
		}
		if s := c.Status(); want == uploader.Confirmed && (s.Suite != "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256" || s.Attempt != "DHE" || s.DHE != "enabled") {
			t.Errorf("%s: status %+v", name, s)
		}
		c.Close()
	}
}

// The rules of trust are the same as over crypto/tls, and no byte of HTTP leaves
// to whom they refuse.
func TestTrustOverDHE(t *testing.T) {
	needOpenSSL(t)
	now := time.Now()
	root, err := certs.NewAuthority("root", now.Add(-100*day), 900*day)
	must(t, err)
	good := rsaServer(t, root, "127.0.0.1")
	stranger, err := certs.NewAuthority("root", now, day)
	must(t, err)
	pin, wrong := certs.Pin(good.Leaf), sha256.Sum256(nil)
	withList := func() *certs.Bundle {
		root.Revoke(good.Leaf, now)
		der, err := root.List(now, day)
		must(t, err)
		b, err := certs.LoadBundle(append(certs.EncodeCertificates(root.Certificate), certs.EncodeList(der)...), certs.BundleOptions{})
		must(t, err)
		return b
	}
	for name, row := range map[string]struct {
		cert   tls.Certificate
		bundle *certs.Bundle
		rules  certs.TLSOptions
		fault  certs.Fault // empty: trusted
	}{
		"trusted":            {good, bundleOf(t, root.Certificate), certs.TLSOptions{}, ""},
		"the leaf itself":    {good, bundleOf(t, good.Leaf), certs.TLSOptions{}, ""},
		"pinned":             {good, bundleOf(t, root.Certificate), certs.TLSOptions{Pins: [][32]byte{wrong, pin}}, ""},
		"another pin":        {good, bundleOf(t, root.Certificate), certs.TLSOptions{Pins: [][32]byte{wrong}}, certs.FaultPin},
		"another authority":  {good, bundleOf(t, stranger.Certificate), certs.TLSOptions{}, certs.FaultUnknownAuthority},
		"another name":       {rsaServer(t, root, "127.0.0.2"), bundleOf(t, root.Certificate), certs.TLSOptions{}, certs.FaultName},
		"expired":            {good, bundleOf(t, root.Certificate), certs.TLSOptions{Now: func() time.Time { return now.Add(61 * day) }}, certs.FaultExpired},
		"not yet valid":      {good, bundleOf(t, root.Certificate), certs.TLSOptions{Now: func() time.Time { return now.Add(-2 * day) }}, certs.FaultNotYetValid},
		"a key too small":    {good, bundleOf(t, root.Certificate), certs.TLSOptions{MinRSABits: 3072}, certs.FaultSmallKey},
		"revoked":            {good, withList(), certs.TLSOptions{}, certs.FaultRevoked},
		"a common name only": {named(t), bundleOf(t, root.Certificate), certs.TLSOptions{}, certs.FaultName},
	} {
		t.Run(name, func(t *testing.T) {
			server := openssl(t, row.cert, "-tls1_2", "-cipher", "DHE-RSA-AES128-SHA256")
			o := pki{bundle: row.bundle}.at(server.address, "compat")
			row.rules.ServerName = "127.0.0.1"
			o.TLS, o.LegacyDHE = certs.ClientTLS(row.bundle, row.rules), true
			if row.rules.Now != nil {
				o.Now = row.rules.Now
			}
			c, err := s3.New(o)
			must(t, err)
			defer c.Close()
			if row.fault == "" {
				go c.Create(t.Context(), object(key, random(10)))
				if !server.wait("Authorization: AWS4-HMAC-SHA256") {
					t.Fatalf("no request arrived:\n%s", server.printed())
				}
				return
			}
			report, err := c.Check(t.Context(), key, random(10))
			wantClass(t, err, uploader.Trust)
			if report.Fault != row.fault || len(report.Chain) == 0 {
				t.Errorf("found %v, wanted %s; chain %v", err, row.fault, report.Chain)
			}
			if strings.Contains(server.printed(), "HTTP/1.1") || strings.Contains(server.printed(), "AWS4") {
				t.Errorf("the server saw a request:\n%s", server.printed())
			}
		})
	}
}

// spoiler changes the last byte of the server's signature over its DH share.
type spoiler struct {
	net.Conn
	rest bytes.Buffer
	did  *atomic.Bool
}

func (s *spoiler) Read(p []byte) (int, error) {
	if s.rest.Len() == 0 {
		head := make([]byte, 5)
		if _, err := io.ReadFull(s.Conn, head); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(s.Conn, body); err != nil {
			return 0, err
		}
		const serverKeyExchange = 12
		if head[0] == 22 && body[0] == serverKeyExchange {
			body[len(body)-1]++
			s.did.Store(true)
		}
		s.rest.Write(append(head, body...))
	}
	return s.rest.Read(p)
}

// The chain alone is no proof: who shows the server's certificate, and has not its
// key, gets a hello.
func TestAPublicCertificateIsNotEnoughOverDHE(t *testing.T) {
	needOpenSSL(t)
	p := rsaPKI(t)
	server := openssl(t, p.server, "-tls1_2", "-cipher", "DHE-RSA-AES128-SHA", "-msg")
	var dials atomic.Int32
	var did atomic.Bool
	o := p.at(server.address, "compat")
	o.LegacyDHE, o.Dial = true, counted(&dials, func(_ int32, c net.Conn) net.Conn { return &spoiler{Conn: c, did: &did} })
	_, err := s3.Handshake(t.Context(), o)
	if wantClass(t, err, uploader.Network); !did.Load() {
		t.Fatalf("nothing was spoiled: %v", err)
	}
	if server.wait("ServerHelloDone"); strings.Contains(server.printed(), "ClientKeyExchange") {
		t.Errorf("the client went on:\n%s", server.printed())
	}
}

// named is a self-signed certificate with a common name alone.
func named(t *testing.T) tls.Certificate {
	key, err := certs.NewKey(certs.KeyRSA2048)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(day)}
	c.Subject.CommonName = "127.0.0.1"
	der, err := x509.CreateCertificate(nil, c, c, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// In mode high a server that does not ask who we are gets nothing, a key that
// cannot leave its place is told, and so is an openssl that is not there.
func TestWhatTheConnectorRefuses(t *testing.T) {
	needOpenSSL(t)
	p, d := rsaPKI(t), newDevices(t, time.Now())
	server := openssl(t, p.server, "-tls1_2", "-cipher", "DHE-RSA-AES128-SHA")
	high := func(id *certs.Identity) s3.Options {
		o := p.at(server.address, "compat")
		o.LegacyDHE, o.Mode, o.Identity = true, "high", func() (*certs.Identity, error) { return id, nil }
		return o
	}
	_, err := s3.Handshake(t.Context(), high(d.identity["good"]))
	if e := wantClass(t, err, uploader.Config); !strings.Contains(e.Error(), "did not ask") {
		t.Errorf("found %v", e)
	}
	chip := *d.identity["good"]
	chip.Signer = inAChip{chip.Signer}
	_, err = s3.Handshake(t.Context(), high(&chip))
	if e := wantClass(t, err, uploader.Identity); !strings.Contains(e.Error(), "cannot leave its place") {
		t.Errorf("found %v", e)
	}
	o := p.at(server.address, "compat")
	o.LegacyDHE, o.OpenSSL = true, filepath.Join(t.TempDir(), "none")
	r, err := s3.Handshake(t.Context(), o)
	if wantClass(t, err, uploader.Config); !strings.HasSuffix(r.Groups, "through openssl: missing") || !strings.Contains(err.Error(), o.OpenSSL) {
		t.Errorf("%s, %v", r.Groups, err)
	}
	o.Bundle = nil
	if _, err := s3.Handshake(t.Context(), o); err == nil || !strings.Contains(err.Error(), "trust bundle") {
		t.Errorf("the machine's roots: %v", err)
	}
}

// inAChip signs, and does not show its key.
type inAChip struct{ signer crypto.Signer }

func (c inAChip) Public() crypto.PublicKey { return c.signer.Public() }
func (c inAChip) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return c.signer.Sign(r, digest, o)
}

// While a connection stands, neither the list of processes nor a file shows the
// device's key.
func TestTheKeyIsSeenNowhere(t *testing.T) {
	needOpenSSL(t)
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("SKIPPED: no /proc")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	p, d := rsaPKI(t), newDevices(t, time.Now())
	server := openssl(t, p.server, "-tls1_2", "-cipher", "DHE-RSA-AES128-SHA", "-Verify", "2")
	o := p.at(server.address, "compat")
	o.LegacyDHE, o.Mode, o.Identity = true, "high", func() (*certs.Identity, error) { return d.identity["good"], nil }
	c, err := s3.New(o)
	must(t, err)
	defer c.Close()
	go c.Create(t.Context(), object(key, random(10)))
	if !server.wait("AWS4-HMAC-SHA256") {
		t.Fatalf("no request arrived:\n%s", server.printed())
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	ours := 0
	for _, name := range lines {
		text, _ := os.ReadFile(name)
		if bytes.Contains(text, []byte(tmp)) {
			ours++
			if bytes.Contains(text, []byte("device.key")) || bytes.Contains(text, []byte("PRIVATE")) {
				t.Errorf("%q", text)
			}
		}
	}
	if ours == 0 {
		t.Error("no child was seen")
	}
	must(t, filepath.WalkDir(tmp, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			t.Errorf("a file: %s", path)
		}
		return nil
	}))
}
