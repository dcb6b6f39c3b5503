package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"canseal/can"
	"canseal/certs"
	"canseal/internal/durable"
	securitymode "canseal/internal/mode"
	"canseal/internal/s3test"
	"canseal/mdf"
	"canseal/uploader/s3"
)

// Names of the embedded store.
const (
	demoBucket = "demo"
	demoRegion = "us-east-1"
	demoDevice = "DE300001"
	// demoLife is how long the demo's certificates are good.
	demoLife = 365 * 24 * time.Hour
)

// bucket is the embedded store of the demo, and how to reach it.
type bucket struct {
	mode           string
	access, secret string
	bundle         []byte // certs_server.p7b; nil in mode low
	authority      *certs.Authority
	server         *s3test.Server
	dir            string
}

// openBucket starts a store with a fresh key pair, its objects below
// dir/bucket. Modes medium and high give it a certificate of an authority made
// now; in mode high it wants one of whoever comes, too.
func openBucket(dir, mode string) (*bucket, error) {
	b := &bucket{mode: mode, access: "DEMO" + token(8), secret: token(20), dir: filepath.Join(dir, "bucket")}
	o := s3test.Options{
		Keys: map[string]string{b.access: b.secret}, Buckets: []string{demoBucket}, Region: demoRegion, Dir: b.dir,
	}
	row, _ := securitymode.Of(mode)
	var err error
	if row.Server {
		if o.TLS, err = b.certify(); err != nil {
			return nil, err
		}
	}
	if row.Device {
		o.Devices = &s3test.Devices{Authorities: x509.NewCertPool()}
		o.Devices.Authorities.AddCert(b.authority.Certificate)
	}
	b.server, err = s3test.New(o)
	return b, err
}

func token(n int) string {
	buf := make([]byte, n)
	rand.Read(buf)
	return strings.ToUpper(hex.EncodeToString(buf))
}

// certify makes a small authority, a certificate of it for this machine's
// loopback address, and the trust bundle that holds the authority.
func (b *bucket) certify() (*tls.Config, error) {
	authority, err := certs.NewAuthority("canseal demo", time.Now(), demoLife)
	if err != nil {
		return nil, err
	}
	b.authority = authority
	certificate, err := authority.Issue(time.Now(), demoLife, "127.0.0.1", "localhost")
	if err != nil {
		return nil, err
	}
	if b.bundle, err = certs.EncodeBundle([]*x509.Certificate{authority.Certificate}); err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, nil
}

// prepareIdentity gives the device of the demo a key and a certificate, as mode
// high wants it.
func (b *bucket) prepareIdentity(card, stateDir string) error {
	if row, _ := securitymode.Of(b.mode); !row.Device {
		return nil
	}
	key, err := certs.MakeKey(durable.Dir(stateDir), certs.DeviceKey, certs.KeyP256)
	if err != nil {
		return err
	}
	crt, err := b.authority.Sign(key.Public(), certs.Leaf{Name: demoDevice, Client: true, Life: demoLife}, time.Now())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(card, certs.DeviceCertificate), certs.EncodeCertificates(crt), 0o644)
}

// reader is who reads the bucket back, with a certificate of its own.
func (b *bucket) reader() (*certs.Identity, error) {
	c, err := b.authority.IssueLeaf(certs.Leaf{Name: "demo reader", Client: true, Life: demoLife}, certs.KeyP256, time.Now())
	if err != nil {
		return nil, err
	}
	key := certs.Key{Name: certs.DeviceKey, Signer: c.PrivateKey.(crypto.Signer)}
	return certs.NewIdentity(certs.EncodeCertificates(c.Leaf), []certs.Key{key}, certs.IdentityOptions{})
}

func (b *bucket) Close() error { return b.server.Close() }

// objects counts the segments that have arrived.
func (b *bucket) objects() int {
	n := 0
	for _, key := range b.server.Keys(demoBucket, "") {
		if strings.HasSuffix(key, ".MF4") {
			n++
		}
	}
	return n
}

// prepareCard writes the configuration and the trust bundle of the demo: so many
// busy buses, and behind them one whose group section cancrypt describes. The
// secret stands in it by value, as an operator would type it: the appliance
// moves it away.
func (b *bucket) prepareCard(card string, buses int, cancrypt string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "version: 1\ndevice:\n  id: %s\n  meta: demo\nlog:\n  flush: 200ms\nbuses:\n", demoDevice)
	for i := range buses {
		fmt.Fprintf(&text, "  - interface: sim%d\n", i)
	}
	fmt.Fprintf(&text, "  - {interface: sim%d, cancrypt: {role: judge}}\n%s", buses, cancrypt)
	fmt.Fprintf(&text, "upload:\n  mode: %s\n  endpoint: %s\n  bucket: %s\n  region: %s\n  access_key: %s\n  secret_key: %s\n",
		b.mode, b.server.URL, demoBucket, demoRegion, b.access, b.secret)
	if err := os.MkdirAll(card, 0o755); err != nil {
		return err
	}
	if b.bundle != nil {
		if err := os.WriteFile(filepath.Join(card, "certs_server.p7b"), b.bundle, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(card, "config.yaml"), []byte(text.String()), 0o600)
}

// client reads the bucket as anyone with the keys would.
func (b *bucket) client() (*s3.Client, error) {
	o := s3.Options{
		Endpoint: b.server.URL, Bucket: demoBucket, Region: demoRegion, PathStyle: true,
		AccessKey: b.access, SecretKey: b.secret, Mode: b.mode, Identity: b.reader,
	}
	if b.bundle != nil {
		bundle, err := certs.LoadBundle(b.bundle, certs.BundleOptions{})
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(b.server.URL)
		if err != nil {
			return nil, err
		}
		o.Bundle, o.TLS = bundle, certs.ClientTLS(bundle, certs.TLSOptions{ServerName: u.Hostname()})
	}
	return s3.New(o)
}

// maxSegment bounds an object that is read back.
const maxSegment = 1 << 30

// compare reads every segment of the bucket and holds its frames against
// those that were sent; their verdicts go to v.
func (b *bucket) compare(ctx context.Context, sent []can.Event, v *verdictLog) (*report, error) {
	client, err := b.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	r := &report{Sent: len(sent)}
	var got []can.Event
	for entry, err := range client.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		if !strings.HasSuffix(entry.Key, ".MF4") {
			continue
		}
		content, err := client.Get(ctx, entry.Key, maxSegment)
		if err != nil {
			return nil, fmt.Errorf("read %s back: %w", entry.Key, err)
		}
		if got, err = appendFrames(got, content, v); err != nil {
			return nil, fmt.Errorf("read %s back: %w", entry.Key, err)
		}
		r.Segments++
		r.Bytes += int64(len(content))
	}
	tls := client.Status()
	r.Version, r.Suite = tls.Version, tls.Suite
	r.hold(sent, got)
	return r, nil
}

func appendFrames(to []can.Event, content []byte, v *verdictLog) ([]can.Event, error) {
	reader, err := mdf.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	if !reader.Finished() {
		return nil, errors.New("the segment is not finished")
	}
	for record, err := range reader.Records() {
		if err != nil {
			return nil, err
		}
		v.take(record)
		if f, ok := record.(*mdf.Frame); ok {
			to = append(to, f.Event)
		}
	}
	return to, nil
}
