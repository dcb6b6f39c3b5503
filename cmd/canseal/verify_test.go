package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// issuer is an authority with devices, their files in a folder.
type issuer struct {
	dir       string
	authority *certs.Authority
}

func newIssuer(t *testing.T, name string) *issuer {
	t.Helper()
	a, err := certs.NewAuthority(name, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w := &issuer{t.TempDir(), a}
	w.write(t, "ca.pem", certs.EncodeCertificates(a.Certificate))
	return w
}

func (w *issuer) file(name string) string { return filepath.Join(w.dir, name) }

func (w *issuer) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(w.file(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// device makes a key, and its certificate as a file.
func (w *issuer) device(t *testing.T, cn, file string) (crypto.Signer, []byte) {
	t.Helper()
	key, err := certs.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	crt, err := w.authority.Sign(key.Public(), certs.Leaf{Name: cn, Client: true, Life: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, file, certs.EncodeCertificates(crt))
	return key, certs.EncodeCertificates(crt)
}

// fleetBucket is a store of segments, and the flags that reach it.
type fleetBucket struct {
	client *s3.Client
	flags  []string
}

func newFleetBucket(t *testing.T, url, access, secret string) *fleetBucket {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	c, err := s3.New(s3.Options{Endpoint: url, Bucket: "trucks", PathStyle: true, AccessKey: access, SecretKey: secret, Mode: "low"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &fleetBucket{c, []string{"verify", "--endpoint-url", url, "--s3-mode", "low"}}
}

func (b *fleetBucket) put(t *testing.T, key string, content []byte, line string) {
	t.Helper()
	o := uploader.Object{Key: key, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content)}
	if line != "" {
		o.Meta = map[string]string{"seal": base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(line, "\n")))}
	}
	if _, err := b.client.Replace(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

// segments puts three segments of a device there, unsigned if key is nil.
func (b *fleetBucket) segments(t *testing.T, folder string, d segment.Device, key crypto.Signer) (objects []string) {
	t.Helper()
	prev := segment.FirstPrev
	for split := uint32(1); split <= 3; split++ {
		content := fmt.Appendf(nil, "segment %d of %s", split, d)
		sum := sha256.Sum256(content)
		at := time.Now().Truncate(time.Second).UTC()
		line, err := segment.SealLine{
			Device: d, Session: 7, Split: split, Start: at, First: at, Last: at, Form: "raw", Size: int64(len(content)),
			SHA256: hex.EncodeToString(sum[:]), Frames: 10, End: "orderly", Clock: "synchronised", Config: segment.FirstPrev, Prev: prev,
		}, error(nil)
		if key != nil {
			line, err = line.Signed(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		object := segment.Key(folder, d, segment.Name{Session: 7, Split: split}, at)
		b.put(t, object, content, string(line.Encode()))
		objects, prev = append(objects, object), line.Hash()
	}
	return objects
}

func (b *fleetBucket) verify(t *testing.T, code int, args ...string) string {
	t.Helper()
	return printed(t, code, append(b.flags, args...)...)
}

func TestABucketIsVerified(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *fleetBucket{
		"s3test": func(t *testing.T) *fleetBucket {
			s, err := s3test.New(s3test.Options{Keys: map[string]string{"key": "secret"}, Buckets: []string{"trucks"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return newFleetBucket(t, s.URL, "key", "secret")
		},
		"versitygw": func(t *testing.T) *fleetBucket {
			g := gateway.Start(t, gateway.Options{Buckets: []string{"trucks"}})
			return newFleetBucket(t, g.URL, g.Access, g.Secret)
		},
	} {
		t.Run(name, func(t *testing.T) { verifyBuckets(t, open(t)) })
	}
}

func verifyBuckets(t *testing.T, b *fleetBucket) {
	w, stranger := newIssuer(t, "fleet"), newIssuer(t, "stranger")
	key, crt := w.device(t, "A1B2C3D4", "device.crt")
	otherKey, otherCrt := w.device(t, "0000000F", "other.crt")
	stranger.device(t, "A1B2C3D4", "device.crt")
	objects := b.segments(t, "fleet", "A1B2C3D4", key)
	b.segments(t, "fleet", "0000000F", otherKey)
	b.put(t, "fleet/A1B2C3D4/device.crt", crt, "")
	b.put(t, "fleet/0000000F/device.crt", otherCrt, "")
	b.put(t, "fleetwide/A1B2C3D4/00000007/00000001-00000000.MF4", []byte("of another folder"), "")

	// The same segments, and who is asked about them.
	for _, row := range []struct {
		code int
		want []string
		args []string
	}{
		{0, []string{"device 0000000F", "3 signed: whole", `"CN=A1B2C3D4" of device.crt, not checked against anything`}, nil},
		{0, []string{"3 signed: whole, in order, unchanged since they were sealed, signed by their device", "for which " + w.file("ca.pem") + " vouches"}, []string{"--ca", w.file("ca.pem")}},
		{1, []string{"3 consistent: NOT all signed by whom you trust", "does not vouch"}, []string{"--ca", stranger.file("ca.pem")}},
		{0, []string{"signed by their device"}, []string{"--device-cert", w.file("device.crt"), "--device-cert", w.file("other.crt")}},
		{1, []string{"3 consistent: NOT all signed by whom you trust"}, []string{"--device-cert", stranger.file("device.crt")}},
	} {
		out := b.verify(t, row.code, append(row.args, "s3://trucks/fleet")...)
		for _, want := range row.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: no %q\n%s", row.args, want, out)
			}
		}
	}
	ca := []string{"--ca", w.file("ca.pem"), "s3://trucks/fleet/A1B2C3D4"}
	if out := b.verify(t, 0, append([]string{"--json"}, ca...)...); strings.Count(out, `"standing": "signed"`) != 3 || !strings.Contains(out, `"required": true`) {
		t.Errorf("JSON:\n%s", out)
	}

	// Another device of the fleet signs in this one's name.
	b.segments(t, "posing", "A1B2C3D4", otherKey)
	b.put(t, "posing/A1B2C3D4/device.crt", otherCrt, "")
	if out := b.verify(t, 1, "--ca", w.file("ca.pem"), "s3://trucks/posing"); !strings.Contains(out, "not issued to A1B2C3D4") || !strings.Contains(out, "3 consistent: NOT all signed") {
		t.Errorf("another device:\n%s", out)
	}

	// Segments of a time before the key.
	b.segments(t, "early", "A1B2C3D4", nil)
	if out := b.verify(t, 1, "--ca", w.file("ca.pem"), "s3://trucks/early"); !strings.Contains(out, "not signed: 3, as are those that a device seals before it has its key") {
		t.Errorf("no signatures:\n%s", out)
	}

	// Bytes are exchanged, the metadata is not.
	log := b.lines(t, objects)
	b.put(t, objects[1], []byte("forged"), log[1])
	if out := b.verify(t, 1, ca...); !strings.Contains(out, "00000007/00000002  altered") || !strings.Contains(out, "2 signed, 1 altered: NOT as they were sealed") {
		t.Errorf("altered:\n%s", out)
	}
	b.put(t, objects[1], []byte("segment 2 of A1B2C3D4"), "")
	if out := b.verify(t, 1, ca...); !strings.Contains(out, "no seal line in its metadata") {
		t.Errorf("no line:\n%s", out)
	}
	for _, i := range []int{0, 2} {
		b.put(t, strings.Replace(objects[i], "fleet", "rest", 1), fmt.Appendf(nil, "segment %d of A1B2C3D4", i+1), log[i])
	}
	if out := b.verify(t, 0, "--device-cert", w.file("device.crt"), "s3://trucks/rest"); !strings.Contains(out, "00000007/00000002  missing") || !strings.Contains(out, "what is here is whole") {
		t.Errorf("missing:\n%s", out)
	}
	if out := b.verify(t, 0, "s3://trucks/nothing"); !strings.Contains(out, "no segments") {
		t.Errorf("nothing:\n%s", out)
	}
}

// lines reads the seal lines of objects back.
func (b *fleetBucket) lines(t *testing.T, keys []string) (lines []string) {
	t.Helper()
	for _, key := range keys {
		var content bytes.Buffer
		got, err := b.client.FetchAll(context.Background(), key, &content, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		line, err := base64.StdEncoding.DecodeString(got.Meta["seal"])
		if err != nil || len(line) == 0 || got.Size != int64(content.Len()) {
			t.Fatalf("%s: %v, %q", key, err, got.Meta)
		}
		lines = append(lines, string(line))
	}
	return lines
}

func TestABucketOutOfReachIsNoVerdict(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	for want, c := range map[string]struct {
		code int
		args []string
	}{
		"say --s3-mode low":     {2, []string{"--endpoint-url", "http://127.0.0.1:1", "s3://trucks"}},
		"wanted --endpoint-url": {2, []string{"s3://trucks"}},
		"wanted s3://BUCKET":    {2, []string{"s3://"}},
		"refused":               {1, []string{"--endpoint-url", "http://127.0.0.1:1", "--s3-mode", "low", "s3://trucks"}},
		"no such file":          {1, []string{"--ca", "nowhere.pem", "s3://trucks"}},
	} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"verify"}, c.args...), &out, &errs); code != c.code || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%q: exit code %d, %s%s; wanted %d, %q", c.args, code, out.String(), errs.String(), c.code, want)
		}
	}
}
