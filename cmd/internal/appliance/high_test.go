package appliance

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
	"canseal/internal/s3test"
)

// fleet is a store that verifies devices, and who issues their certificates.
type fleet struct {
	authority *certs.Authority
	store     *s3test.Server
	bundle    string
	revoked   atomic.Pointer[x509.Certificate]
}

func newFleet(t *testing.T, page bool) *fleet {
	t.Helper()
	f := &fleet{authority: testAuthority(t)}
	server, err := f.authority.Issue(time.Now(), time.Hour, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(f.authority.Certificate)
	f.bundle = bundleOf(t, f.authority)
	f.store = newTestStore(t, s3test.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{server}},
		Devices: &s3test.Devices{Authorities: pool, Page: page, Revoked: func(c *x509.Certificate) bool {
			bad := f.revoked.Load()
			return bad != nil && bad.Equal(c)
		}},
	})
	return f
}

// box is a box in mode high with everything but an identity. Its state folder
// is not on the card.
func (f *fleet) box(t *testing.T) *box {
	t.Helper()
	b := newBox(t, configFor("high", f.store.URL))
	b.state = t.TempDir()
	writeFile(t, filepath.Join(b.root, bundleFile), f.bundle)
	return b
}

// identify gives a box a key, where it has none, and a certificate.
func (f *fleet) identify(t *testing.T, b *box, l certs.Leaf) *x509.Certificate {
	t.Helper()
	state := durable.Dir(b.state)
	key, err := certs.LoadKey(state, certs.DeviceKey)
	if err != nil {
		if key, err = certs.MakeKey(state, certs.DeviceKey, certs.KeyP256); err != nil {
			t.Fatal(err)
		}
	}
	crt, err := f.authority.Sign(key.Public(), l, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(b.root, certs.DeviceCertificate), string(certs.EncodeCertificates(crt)))
	return crt
}

func deviceLeaf(life time.Duration) certs.Leaf {
	return certs.Leaf{Name: "A1B2C3D4", Client: true, Life: life}
}

// sealed waits for a segment with frames.
func (b *box) sealed(t *testing.T) {
	t.Helper()
	frames := b.collect().Log.Frames
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > frames+100 })
	if _, err := b.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

// A part of mode high that is missing stops uploads, says which one it is, and
// never makes the box do with mode medium; putting it there needs no restart.
func TestModeHighSaysWhichPartIsMissing(t *testing.T) {
	f := newFleet(t, false)
	b := f.box(t)
	b.start(t)
	b.await(t, "no certificate", told("identity", "no_certificate", "canseal certs csr"))
	writeFile(t, filepath.Join(b.root, certs.DeviceCertificate), f.bundle)
	b.Retry(false)
	b.await(t, "no key", told("identity", "no_key"))
	f.identify(t, b, certs.Leaf{Name: "A1B2C3D4", Server: true, Life: time.Hour})
	b.Retry(false)
	b.await(t, "a server's certificate", told("identity", "usage", "clientAuth"))
	f.identify(t, b, deviceLeaf(-time.Minute))
	b.Retry(false)
	b.await(t, "an expired one", func(f Facts) bool { // clock where nobody has set it
		return (f.Upload.Class == "identity" || f.Upload.Class == "clock") && strings.Contains(f.Upload.Reason, `expired "CN=A1B2C3D4"`)
	})
	writeFile(t, filepath.Join(b.state, certs.DeviceKey), "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
	b.Retry(false)
	b.await(t, "a damaged key", told("identity", "key_unread", "device.key"))
	if n := len(f.store.Requests()); n != 0 {
		t.Errorf("%d requests without an identity", n)
	}
	if err := os.Remove(filepath.Join(b.state, certs.DeviceKey)); err != nil {
		t.Fatal(err)
	}
	crt := f.identify(t, b, deviceLeaf(time.Hour))
	b.sealed(t)
	b.Retry(false)
	b.await(t, "a segment sent", func(f Facts) bool { return f.Upload.Sent.Segments > 0 && f.Upload.Class == "" })
	facts := b.collect()
	if d := facts.TLS.Device; d == nil || d.Subject != crt.Subject.String() || d.Key != certs.DeviceKey || !d.RenewDue {
		t.Errorf("device.json says %+v", d)
	}
	b.await(t, "the receipt counts as proved", func(f Facts) bool { return f.Log.Segments.SentTLS > 0 })
	if events, err := os.ReadFile(filepath.Join(b.root, eventsFile)); err != nil || !bytes.Contains(events, []byte(`"kind":"certificate"`)) {
		t.Errorf("no event about a certificate with an hour left: %v\n%s", err, events)
	}
}

// told wants a class, and words in the reason.
func told(class string, words ...string) func(Facts) bool {
	return func(f Facts) bool {
		for _, w := range words {
			if !strings.Contains(f.Upload.Reason, w) {
				return false
			}
		}
		return f.Upload.Class == class && f.Upload.State == "operator"
	}
}

// A device on the server's list is told so, loses nothing, and with a new
// certificate everything arrives.
func TestARevokedDeviceKeepsItsSegments(t *testing.T) {
	for name, page := range map[string]bool{"alert": false, "page": true} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, page)
			b := f.box(t)
			f.revoked.Store(f.identify(t, b, deviceLeaf(time.Hour)))
			b.start(t)
			b.sealed(t)
			b.await(t, "the refusal", told("identity", "this device's identity is refused", "A1B2C3D4"))
			b.sealed(t)
			if keys := f.store.Keys(testBucket, ""); len(keys) != 0 {
				t.Errorf("a revoked device has written %v", keys)
			}
			f.identify(t, b, deviceLeaf(time.Hour))
			b.Retry(false)
			b.await(t, "all segments sent", func(f Facts) bool { return f.Upload.Sent.Segments >= 2 && f.Upload.Class == "" })
		})
	}
}

// A server that does not ask who the device is gets nothing in mode high.
func TestAServerThatDoesNotAskGetsNothing(t *testing.T) {
	f := newFleet(t, false)
	store, bundle := newSecureStore(t)
	b := f.box(t)
	writeFile(t, filepath.Join(b.root, configFile), configFor("high", store.URL))
	writeFile(t, filepath.Join(b.root, bundleFile), bundle)
	f.identify(t, b, deviceLeaf(time.Hour))
	b.start(t)
	b.await(t, "the server named", told("config", "did not ask"))
	if n := len(store.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A card image after work in mode high holds no secret, and neither does
// anything else that leaves the box: S3 secret and device key, raw, in hex and
// in base64.
func TestACardImageOfModeHighHoldsNoSecret(t *testing.T) {
	f := newFleet(t, false)
	b := f.box(t)
	f.identify(t, b, deviceLeaf(time.Hour))
	b.start(t)
	for range 3 {
		b.sealed(t)
	}
	b.await(t, "segments sent", func(f Facts) bool { return f.Upload.Sent.Segments >= 3 })
	status := b.StatusJSON()
	b.stop()
	look := func(where string, content []byte) {
		for what, secret := range b.secrets(t) {
			if bytes.Contains(content, secret) {
				t.Errorf("%s holds %s", where, what)
			}
		}
	}
	look("the log", []byte(b.log.String()))
	look("status", status)
	for _, key := range f.store.Keys(testBucket, "") {
		look("object "+key, stored(t, f.store, key))
	}
	files := 0
	err := filepath.WalkDir(b.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		look(name, content)
		files++
		return err
	})
	if err != nil || files < 8 {
		t.Errorf("looked into %d files: %v", files, err)
	}
	for _, name := range []string{secretFile, certs.DeviceKey} {
		if info, err := os.Stat(filepath.Join(b.state, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

// secrets are the forms in which a secret of the box could be found.
func (b *box) secrets(t *testing.T) map[string][]byte {
	t.Helper()
	key, err := certs.LoadKey(durable.Dir(b.state), certs.DeviceKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(b.state, certs.DeviceKey))
	block, _ := pem.Decode(file)
	if err != nil || !bytes.Equal(block.Bytes, der) {
		t.Fatal(errors.Join(err, errors.New("the key file is not the key")))
	}
	scalar := der[36:68] // of a P-256 key in PKCS#8
	forms := make(map[string][]byte)
	for what, raw := range map[string][]byte{"the S3 secret": []byte(testSecret), "the device key": scalar} {
		forms[what] = raw
		forms[what+" in hex"] = []byte(hex.EncodeToString(raw))
		forms[what+" in HEX"] = []byte(strings.ToUpper(hex.EncodeToString(raw)))
		for shift := range 3 { // base64 in the middle of something
			text := base64.StdEncoding.EncodeToString(raw[(3-shift)%3:])
			forms[what+" in base64, shifted by "+string(rune('0'+shift))] = []byte(text[:len(text)/4*4-4])
		}
	}
	forms["the device key in DER"] = der[:len(der)-1]
	forms["the key file"] = bytes.Join(bytes.Fields(file)[3:4], nil)
	return forms
}
