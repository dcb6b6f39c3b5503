package appliance

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

func testAuthority(t *testing.T) *certs.Authority {
	t.Helper()
	authority, err := certs.NewAuthority("test", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// bundleOf is a trust bundle that holds one authority.
func bundleOf(t *testing.T, a *certs.Authority) string {
	t.Helper()
	bundle, err := certs.EncodeBundle([]*x509.Certificate{a.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	return string(bundle)
}

// testBundle is a trust bundle of an authority that nobody uses.
func testBundle(t *testing.T) string { return bundleOf(t, testAuthority(t)) }

// newSecureStore is a store over https, and the bundle that trusts it.
func newSecureStore(t *testing.T) (*s3test.Server, string) {
	t.Helper()
	authority := testAuthority(t)
	certificate, err := authority.Issue(time.Now(), time.Hour, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return newTestStore(t, s3test.Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}}), bundleOf(t, authority)
}

// put writes an object over a verified connection.
func put(t *testing.T, store *s3test.Server, bundle, key, text string) {
	t.Helper()
	trusted, err := certs.LoadBundle([]byte(bundle), certs.BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := s3.New(s3.Options{
		Endpoint: store.URL, Bucket: testBucket, PathStyle: true, AccessKey: testAccess, SecretKey: testSecret, Mode: "medium",
		TLS: certs.ClientTLS(trusted, certs.TLSOptions{ServerName: "127.0.0.1"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Replace(t.Context(), uploader.Object{
		Key: key, Body: bytes.NewReader([]byte(text)), Size: int64(len(text)), SHA256: sha256.Sum256([]byte(text)),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A box whose card and state folder were both lost goes on above the sessions
// that the bucket knows, and overwrites nothing.
func TestAWipedBoxGoesOnAboveTheSessionsOfTheBucket(t *testing.T) {
	store, bundle := newSecureStore(t)
	put(t, store, bundle, "A1B2C3D4/device.json", `{"id":"A1B2C3D4","log":{"session":57}}`)
	b := newBox(t, configFor("medium", store.URL))
	writeFile(t, filepath.Join(b.root, bundleFile), bundle)
	b.start(t)
	b.await(t, "session 58", func(f Facts) bool { return f.Log.Session == 58 && f.Log.Frames > 100 })
	if _, err := b.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	b.await(t, "a segment sent", func(f Facts) bool { return f.Upload.Sent.Segments > 0 })
	if keys := store.Keys(testBucket, "A1B2C3D4/000000"); len(keys) == 0 || !strings.HasPrefix(keys[0], "A1B2C3D4/00000058/00000001-") {
		t.Errorf("%v", keys)
	}
	session, err := durable.ReadFile(durable.Dir(filepath.Join(b.root, "state")), "session", 100)
	if err != nil || string(session) != "58\n" {
		t.Errorf("state/session holds %q, %v", session, err)
	}
}

// A bundle that trusts somebody else is corrected on the card: no restart.
func TestACorrectedBundleHealsATrustFault(t *testing.T) {
	store, bundle := newSecureStore(t)
	b := newBox(t, configFor("medium", store.URL))
	writeFile(t, filepath.Join(b.root, bundleFile), testBundle(t))
	b.start(t)
	b.await(t, "the server not trusted", func(f Facts) bool { return f.Upload.Class == "trust" })
	writeFile(t, filepath.Join(b.root, bundleFile), bundle)
	b.Retry(false)
	b.await(t, "the heartbeat in the bucket", func(f Facts) bool {
		return f.Upload.Class == "" && len(store.Keys(testBucket, "A1B2C3D4/device.json")) == 1
	})
}
