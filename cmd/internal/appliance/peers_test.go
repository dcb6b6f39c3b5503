package appliance

import (
	"crypto"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test/gateway"
	"canseal/internal/s3test/proxy"
)

// One card goes from mode low to medium to high, with versitygw as its store
// and nginx or haproxy in front. Every segment arrives and is proved over TLS in
// the end; a device on the server's list is shut out and loses nothing.
func TestOneCardGoesFromLowToHigh(t *testing.T) {
	for _, kind := range []string{proxy.Nginx, proxy.HAProxy} {
		t.Run(kind, func(t *testing.T) {
			f := &fleet{authority: testAuthority(t)}
			f.bundle = bundleOf(t, f.authority)
			store := gateway.Start(t, gateway.Options{Access: testAccess, Secret: testSecret, Buckets: []string{testBucket}})
			b := newBox(t, configFor("low", store.URL))
			b.state = t.TempDir()
			b.drive(t)

			writeFile(t, filepath.Join(b.root, bundleFile), f.bundle)
			open := proxy.Start(t, f.door(t, kind, store, false))
			writeFile(t, filepath.Join(b.root, configFile), configFor("medium", open.URL))
			b.drive(t)

			door := proxy.Start(t, f.door(t, kind, store, true))
			writeFile(t, filepath.Join(b.root, configFile), configFor("high", door.URL))
			f.identify(t, b, deviceLeaf(time.Hour))
			b.drive(t)

			stolen := f.identify(t, b, deviceLeaf(time.Hour))
			f.authority.Revoke(stolen, time.Now())
			if err := door.Revoke(f.list(t)); err != nil {
				t.Fatal(err)
			}
			b.start(t)
			b.sealed(t)
			b.await(t, "the refusal", told("identity", "this device's identity is refused"))
			before := objects(t, store)
			f.identify(t, b, deviceLeaf(time.Hour))
			b.Retry(false)
			b.await(t, "all proved over TLS", func(f Facts) bool {
				s := f.Log.Segments
				return f.Upload.Class == "" && f.Upload.Sent.Segments > 0 && s.Unsent == 0 && s.SentPlain == 0 && s.SentTLS >= 4
			})
			b.stop()
			sealed, err := filepath.Glob(filepath.Join(b.root, "LOG/*/*/*.MF4"))
			if after := objects(t, store); err != nil || after != len(sealed) || before >= after {
				t.Errorf("%d segments on the card, %d in the bucket, %d while the device was shut out: %v", len(sealed), after, before, err)
			}
		})
	}
}

// drive records and uploads one segment.
func (b *box) drive(t *testing.T) {
	t.Helper()
	b.start(t)
	b.sealed(t)
	b.await(t, "the segment sent", func(f Facts) bool { return f.Upload.Sent.Segments > 0 })
	b.stop()
}

// door is a proxy in front of a store, which wants certificates or does not.
func (f *fleet) door(t *testing.T, kind string, store *gateway.Gateway, wants bool) proxy.Options {
	t.Helper()
	server, err := f.authority.Issue(time.Now(), time.Hour, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := certs.EncodeKey(server.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	o := proxy.Options{Kind: kind, Upstream: strings.TrimPrefix(store.URL, "http://"), Cert: certs.EncodeCertificates(server.Leaf), Key: key}
	if wants {
		o.CA, o.List = certs.EncodeCertificates(f.authority.Certificate), f.list(t)
	}
	return o
}

// list is the authority's revocation list.
func (f *fleet) list(t *testing.T) []byte {
	t.Helper()
	der, err := f.authority.List(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return certs.EncodeList(der)
}

// objects counts the segments in the bucket.
func objects(t *testing.T, store *gateway.Gateway) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(store.Dir, testBucket), func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".MF4") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
