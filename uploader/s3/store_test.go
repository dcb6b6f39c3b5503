package s3_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/uploader"
	"canseal/uploader/s3"
)

const (
	access = "DEVICEKEY01"
	secret = "devicesecretdevicesecret"
	bucket = "trucks"
	key    = "A1B2C3D4/00000001/00000001-69F87A20.MF4"
)

// world is one store and what a client needs to reach it.
type world struct {
	url    string
	mode   string
	bundle *certs.Bundle
	server *s3test.Server // nil with a real one
}

// pki is an authority, a certificate for 127.0.0.1 and the bundle that trusts it.
type pki struct {
	bundle *certs.Bundle
	server tls.Certificate
}

func newPKI(t testing.TB) pki {
	t.Helper()
	a, err := certs.NewAuthority("test root", time.Now(), 90*24*time.Hour)
	must(t, err)
	server, err := a.Issue(time.Now(), 60*24*time.Hour, "127.0.0.1", "localhost")
	must(t, err)
	return pki{bundleOf(t, a.Certificate), server}
}

func bundleOf(t testing.TB, list ...*x509.Certificate) *certs.Bundle {
	t.Helper()
	file, err := certs.EncodeBundle(list)
	must(t, err)
	b, err := certs.LoadBundle(file, certs.BundleOptions{WarnDuplicateIssuer: true})
	must(t, err)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fake(t testing.TB, mode string) world {
	t.Helper()
	o := s3test.Options{Keys: map[string]string{access: secret}, Buckets: []string{bucket}}
	w := world{mode: mode}
	if mode == "medium" {
		p := newPKI(t)
		o.TLS, w.bundle = &tls.Config{Certificates: []tls.Certificate{p.server}}, p.bundle
	}
	s, err := s3test.New(o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	w.url, w.server = s.URL, s
	return w
}

func real(t testing.TB, mode string) world {
	t.Helper()
	o := gateway.Options{Access: access, Secret: secret, Buckets: []string{bucket}}
	w := world{mode: mode}
	if mode == "medium" {
		p := newPKI(t)
		o.Cert, o.Key = pemOf(t, p.server)
		w.bundle = p.bundle
	}
	w.url = gateway.Start(t, o).URL
	return w
}

func pemOf(t testing.TB, c tls.Certificate) (cert, key []byte) {
	t.Helper()
	for _, der := range c.Certificate {
		cert = append(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := certs.EncodeKey(c.PrivateKey.(crypto.Signer))
	must(t, err)
	return cert, key
}

func (w world) options() s3.Options {
	o := s3.Options{Endpoint: w.url, Bucket: bucket, PathStyle: true, AccessKey: access, SecretKey: secret, Mode: w.mode, Bundle: w.bundle}
	if w.mode == "medium" {
		o.TLS = certs.ClientTLS(w.bundle, certs.TLSOptions{ServerName: "127.0.0.1"})
	}
	return o
}

func (w world) client(t testing.TB, change ...func(*s3.Options)) *s3.Client {
	t.Helper()
	o := w.options()
	for _, f := range change {
		f(&o)
	}
	c, err := s3.New(o)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// everywhere runs a test in both modes against the double and the real store.
func everywhere(t *testing.T, test func(t *testing.T, w world)) {
	for _, mode := range []string{"low", "medium"} {
		t.Run(mode+"/s3test", func(t *testing.T) { test(t, fake(t, mode)) })
		t.Run(mode+"/versitygw", func(t *testing.T) { test(t, real(t, mode)) })
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func object(key string, content []byte) uploader.Object {
	return uploader.Object{Key: key, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content),
		Meta: map[string]string{"hw": "00.00", "sha256": fmt.Sprintf("%x", sha256.Sum256(content))}}
}

func wantClass(t testing.TB, err error, want uploader.Class) *uploader.Error {
	t.Helper()
	var e *uploader.Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *uploader.Error of class %s, found %v", want, err)
	}
	if e.Class != want {
		t.Fatalf("want class %s, found %v", want, err)
	}
	return e
}

// need skips a test, by name, where a peer program is absent.
func need(t testing.TB, absent error) {
	t.Helper()
	if absent == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("CANSEAL_REQUIRE"), ","), "peers") {
		t.Fatal(absent)
	}
	t.Skipf("SKIPPED: uploader/s3 %s is not run: %v", t.Name(), absent)
}

func TestObjectsArriveWholeAndOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c, ctx := w.client(t), t.Context()
		for _, n := range []int{1, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 5 << 20, 17 << 20} {
			key := fmt.Sprintf("A1B2C3D4/00000001/%08d-69F87A20.MF4", n)
			content := random(n)
			put, err := c.Create(ctx, object(key, content))
			must(t, err)
			want := uploader.Checksum{Algorithm: "SHA256", Type: "FULL_OBJECT", Value: base64sum(content)}
			if put.Checksum != want {
				t.Fatalf("%d bytes: the answer says %+v", n, put.Checksum)
			}
			stat, err := c.Stat(ctx, key)
			must(t, err)
			if stat.Checksum != want || stat.Size != int64(n) || stat.ETag != put.ETag {
				t.Fatalf("%d bytes: Stat says %+v, the put %+v", n, stat, put)
			}
			got, err := c.Get(ctx, key, int64(n))
			must(t, err)
			if !bytes.Equal(got, content) {
				t.Fatalf("%d bytes read back differ", n)
			}
		}
	})
}

func base64sum(content []byte) string {
	h := sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(h[:])
}

func TestATakenKeyIsComparedAndNeverOverwritten(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c, ctx := w.client(t), t.Context()
		for _, n := range []int{1, 64 << 10, 5 << 20} {
			key := fmt.Sprintf("A1B2C3D4/00000002/%08d-69F87A20.MF4", n)
			first, err := c.Create(ctx, object(key, random(n)))
			must(t, err)
			again, err := c.Create(ctx, object(key, random(n)))
			wantClass(t, err, uploader.Confirmed)
			if again.Checksum != first.Checksum || again.Size != first.Size {
				t.Fatalf("%d bytes: confirmed as %+v, put as %+v", n, again, first)
			}
			other := random(n)
			other[0]++
			_, err = c.Create(ctx, object(key, other))
			wantClass(t, err, uploader.KeyConflict)
			_, err = c.Create(ctx, object(key, random(n+1)))
			wantClass(t, err, uploader.KeyConflict)
			if got, err := c.Get(ctx, key, 1<<30); err != nil || !bytes.Equal(got, random(n)) {
				t.Fatalf("%d bytes: overwritten: %v", n, err)
			}
		}
	})
}

func TestReplaceTakesTheNewestContent(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c, ctx := w.client(t), t.Context()
		for _, text := range []string{`{"v":1}`, `{"v":1,"more":true}`} {
			_, err := c.Replace(ctx, object("A1B2C3D4/device.json", []byte(text)))
			must(t, err)
			got, err := c.Get(ctx, "A1B2C3D4/device.json", 1<<16)
			must(t, err)
			if string(got) != text {
				t.Fatalf("found %s, want %s", got, text)
			}
		}
	})
}

func TestAWrongChecksumIsRefusedAndStoresNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c, ctx := w.client(t), t.Context()
		o := object(key, random(100_000))
		o.SHA256[7] ^= 1
		_, err := c.Create(ctx, o)
		wantClass(t, err, uploader.Transfer)
		_, err = c.Stat(ctx, key)
		wantClass(t, err, uploader.NoneThere)
	})
}

func TestRefusalsOfRealStores(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		ctx := t.Context()
		write := func(change func(*s3.Options)) error {
			_, err := w.client(t, change).Create(ctx, object(key, random(10)))
			return err
		}
		wantClass(t, write(func(o *s3.Options) { o.AccessKey = "NOBODY" }), uploader.Credentials)
		wantClass(t, write(func(o *s3.Options) { o.SecretKey = "wrong" }), uploader.Credentials)
		wantClass(t, write(func(o *s3.Options) { o.Bucket = "no-such-bucket" }), uploader.Config)
		wantClass(t, write(func(o *s3.Options) { o.Region = "eu-west-9" }), uploader.Config)
	})
}

func TestListIsCompleteAndInOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c, ctx := w.client(t), t.Context()
		var want []string
		for i := range 25 {
			k := fmt.Sprintf("A1B2C3D4/00000003/%08d-69F87A20.MF4", i)
			_, err := c.Create(ctx, object(k, random(i+1)))
			must(t, err)
			want = append(want, k)
		}
		_, err := c.Create(ctx, object("B1B2C3D4/00000003/00000001-69F87A20.MF4", random(1)))
		must(t, err)
		var got []string
		for e, err := range c.List(ctx, "A1B2C3D4/") {
			must(t, err)
			if e.Size != int64(len(got)+1) || e.Modified.IsZero() {
				t.Errorf("%+v", e)
			}
			got = append(got, e.Key)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("listed %v", got)
		}
	})
}

func TestGetIsBounded(t *testing.T) {
	w := fake(t, "low")
	c := w.client(t)
	_, err := c.Create(t.Context(), object(key, random(1000)))
	must(t, err)
	_, err = c.Get(t.Context(), key, 999)
	wantClass(t, err, uploader.TooLarge)
	_, err = c.Get(t.Context(), "A1B2C3D4/none", 999)
	wantClass(t, err, uploader.NoneThere)
}

// What goes on the wire is the mode's form and no other.
func TestWireForms(t *testing.T) {
	for mode, want := range map[string]string{"low": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "medium": "UNSIGNED-PAYLOAD"} {
		t.Run(mode, func(t *testing.T) {
			w := fake(t, mode)
			content := random(2 << 20)
			_, err := w.client(t).Create(t.Context(), object(key, content))
			must(t, err)
			reqs := w.server.Requests()
			if len(reqs) != 1 {
				t.Fatalf("%d requests for one object", len(reqs))
			}
			h := reqs[0].Header
			for name, want := range map[string]string{
				"X-Amz-Content-Sha256": want, "X-Amz-Checksum-Sha256": base64sum(content), "If-None-Match": "*",
				"X-Amz-Meta-Hw": "00.00", "X-Amz-Trailer": "", "X-Amz-Sdk-Checksum-Algorithm": "", "Expect": "100-continue",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if signed := bytes.Contains(reqs[0].Head, []byte(";chunk-signature=")); signed != (mode == "low") {
				t.Errorf("body begins with %q", reqs[0].Head[:80])
			}
		})
	}
}

func TestAKeyOrObjectNotOursIsNotSent(t *testing.T) {
	w := fake(t, "low")
	c := w.client(t)
	for _, k := range []string{"", "/a", "a//b", "../x", "a/..", "a b", "a/ü", "a\n", strings.Repeat("a", 600)} {
		_, err := c.Create(t.Context(), object(k, random(1)))
		wantClass(t, err, uploader.Config)
	}
	_, err := c.Create(t.Context(), object(key, nil))
	wantClass(t, err, uploader.Transfer)
	if n := len(w.server.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestNewRefusesWhatContradictsTheMode(t *testing.T) {
	good := s3.Options{Endpoint: "https://h:9000", Bucket: bucket, AccessKey: "a", SecretKey: "b", Mode: "medium", TLS: &tls.Config{}}
	if _, err := s3.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*s3.Options){
		"https in low":          func(o *s3.Options) { o.Mode = "low" },
		"http in medium":        func(o *s3.Options) { o.Endpoint = "http://h:9000" },
		"no scheme":             func(o *s3.Options) { o.Endpoint = "h:9000" },
		"a path":                func(o *s3.Options) { o.Endpoint = "https://h/x" },
		"a user":                func(o *s3.Options) { o.Endpoint = "https://u:p@h" },
		"high, not built":       func(o *s3.Options) { o.Mode = "high" },
		"off":                   func(o *s3.Options) { o.Mode = "off" },
		"no trust":              func(o *s3.Options) { o.TLS = nil },
		"no verification":       func(o *s3.Options) { o.TLS = unverified() },
		"no secret":             func(o *s3.Options) { o.SecretKey = "" },
		"a strange bucket":      func(o *s3.Options) { o.Bucket = "Trucks/x" },
		"a metadata service":    func(o *s3.Options) { o.Endpoint = "https://169.254.169.254" },
		"its IPv6 sister":       func(o *s3.Options) { o.Endpoint = "https://[fd00:ec2::254]" },
		"link-local":            func(o *s3.Options) { o.Endpoint = "https://[fe80::1]:9000" },
		"unspecified":           func(o *s3.Options) { o.Endpoint = "https://0.0.0.0" },
		"a proxy with https":    func(o *s3.Options) { o.Proxy = "https://p:1" },
		"a proxy with password": func(o *s3.Options) { o.Proxy = "http://u:p@p:1" },
	} {
		o := good
		change(&o)
		if c, err := s3.New(o); err == nil || c != nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func unverified() *tls.Config {
	c := &tls.Config{}
	c.InsecureSkipVerify = true
	return c
}

var _ uploader.Store = (*s3.Client)(nil)

// pipeTo dials pipes whose other end is served by with.
func pipeTo(with func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			with(server)
		}()
		return client, nil
	}
}
