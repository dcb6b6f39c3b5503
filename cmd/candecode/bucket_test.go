package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/certs"
	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/mdf"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// recordings are objects: session 7 of a device has a segment for each of three
// days, another device has one, and there is what is no recording.
func recordings(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"fleet/A1B2C3D4/device.json": []byte(`{"id":"A1B2C3D4","type":"000C5EA1"}`),
		"fleet/A1B2C3D4X/x.MF4":      []byte("PK"),
		"fleetwide.MF4":              []byte("PK"),
	}
	for day := range 3 {
		at := time.Date(2026, 11, 20+day, 12, 0, 0, 0, time.UTC)
		for _, device := range []string{"A1B2C3D4", "0000000F"} {
			key := fmt.Sprintf("fleet/%s/00000007/%08d-%08X.MF4", device, day+1, at.Unix())
			all[key] = recording(t, device, uint32(day+1), at.UnixNano())
		}
	}
	return all
}

func recording(t *testing.T, device string, split uint32, begin int64) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := mdf.Create(segmentFile{f}, mdf.Header{Start: begin, Device: device, Session: 7, Split: split, Version: "0.1.0", BootID: "one"})
	if err != nil {
		t.Fatal(err)
	}
	clock := mdf.Clock{Time: begin, Wall: begin, Boot: 1e9 + begin%1e15, Synchronised: true}
	w.Append(clock)
	for i := range int64(10) {
		w.Append(&mdf.Frame{Event: can.Event{Time: begin + i*1e6, Bus: 1, Frame: can.Frame{ID: 0x100, DLC: 1, Len: 1, Data: [64]byte{byte(split)}}}})
	}
	if err := w.Finish(clock); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// fill puts objects into a bucket.
func fill(t *testing.T, o s3.Options, objects map[string][]byte) {
	t.Helper()
	client, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for key, content := range objects {
		put := uploader.Object{Key: key, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content)}
		if _, err := client.Create(context.Background(), put); err != nil {
			t.Fatal(err)
		}
	}
}

// shop is a store of one mode, and the flags that reach it.
type shop struct {
	*s3test.Server
	options s3.Options
	flags   []string
}

func openShop(t *testing.T, mode string) *shop {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	o := s3test.Options{Keys: map[string]string{"key": "secret"}, Buckets: []string{"bucket"}}
	s := &shop{options: s3.Options{Bucket: "bucket", PathStyle: true, AccessKey: "key", SecretKey: "secret", Mode: mode}}
	if mode != "low" {
		s.certify(t, dir, mode, &o)
	}
	server, err := s3test.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	s.Server, s.options.Endpoint = server, server.URL
	s.flags = append(s.flags, "--endpoint-url", server.URL, "--s3-mode", mode)
	if mode != "low" {
		u, _ := url.Parse(server.URL)
		s.options.TLS = certs.ClientTLS(s.options.Bundle, certs.TLSOptions{ServerName: u.Hostname()})
	}
	return s
}

// certify gives the store a certificate, and in mode high this side one too.
func (s *shop) certify(t *testing.T, dir, mode string, o *s3test.Options) {
	t.Helper()
	now := time.Now()
	authority, err := certs.NewAuthority("test", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue(now, time.Hour, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	bundle, err := certs.EncodeBundle([]*x509.Certificate{authority.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "certs_server.p7b"), bundle)
	if s.options.Bundle, err = certs.LoadBundle(bundle, certs.BundleOptions{}); err != nil {
		t.Fatal(err)
	}
	s.flags = append(s.flags, "--s3-trust", filepath.Join(dir, "certs_server.p7b"))
	if mode != "high" {
		return
	}
	device, err := authority.IssueLeaf(certs.Leaf{Name: "A1B2C3D4", Client: true, Life: time.Hour}, certs.KeyP256, now)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	o.Devices = &s3test.Devices{Authorities: pool}
	key, err := certs.EncodeKey(device.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(device.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "device.crt"), certs.EncodeCertificates(leaf))
	write(t, filepath.Join(dir, "device.key"), key)
	s.flags = append(s.flags, "--s3-identity", dir)
	s.options.Identity = func() (*certs.Identity, error) {
		return certs.OpenIdentity(durable.Dir(dir), durable.Dir(dir), certs.IdentityOptions{})
	}
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABucketIsReadInEachMode(t *testing.T) {
	objects := recordings(t)
	for _, mode := range []string{"low", "medium", "high"} {
		t.Run(mode, func(t *testing.T) {
			s := openShop(t, mode)
			fill(t, s.options, objects)
			temp := t.TempDir()
			out, summary := candecode(t, append(s.flags, "--temp", temp, "--format", "candump", "s3://bucket/fleet/A1B2C3D4")...)
			if n := strings.Count(out, "\n"); n != 30 || !strings.Contains(out, "(1795176000.000000) can0 100#01\n") {
				t.Errorf("%d frames: %s", n, out)
			}
			if !strings.Contains(summary, "read        30 frames of 3 files, 1 sessions") {
				t.Error(summary)
			}
			if left, _ := os.ReadDir(temp); len(left) > 0 {
				t.Errorf("%d files left behind", len(left))
			}
		})
	}
}

func TestWhatTheKeysExcludeIsNotFetched(t *testing.T) {
	s := openShop(t, "low")
	fill(t, s.options, recordings(t))
	before := s.Count()
	_, summary := candecode(t, append(s.flags, "--format", "candump", "--device", "a1b2c3d4", "--to", "2026-11-21", "s3://bucket/fleet/")...)
	var got []string
	for _, r := range s.Requests()[before:] {
		got = append(got, strings.TrimPrefix(r.Key, "fleet/A1B2C3D4/")) // a list has no key
	}
	slices.Sort(got)
	// The second segment may settle verdicts of the first; x.MF4 may be of the device.
	want := []string{"", "00000007/00000001-6B003640.MF4", "00000007/00000002-6B0187C0.MF4", "device.json", "fleet/A1B2C3D4X/x.MF4"}
	if !slices.Equal(got, want) {
		t.Errorf("asked for %q", got)
	}
	for _, line := range []string{"read        10 frames of 1 files", "outside     2 files", "left out    3 recordings of other devices", "left out    1 objects that are no recordings"} {
		if !strings.Contains(summary, line) {
			t.Errorf("no line %q:\n%s", line, summary)
		}
	}
	before = s.Count()
	if _, summary = candecode(t, append(s.flags, "--format", "candump", "--from", "2100-01-01", "s3://bucket/fleet/A1B2C3D4")...); s.Count() != before+1 {
		t.Errorf("%d requests for what is too old:\n%s", s.Count()-before, summary)
	}
}

func TestABucketInATableIsPassedOverWhenItIsFinished(t *testing.T) {
	s := openShop(t, "low")
	fill(t, s.options, recordings(t))
	dir := t.TempDir()
	dbc := filepath.Join(dir, "a.dbc")
	write(t, dbc, []byte("BO_ 256 M: 1 X\n SG_ Split : 0|8@1+ (1,0) [0|0] \"\" X\n"))
	args := append(s.flags, "--dbc", dbc, "-o", filepath.Join(dir, "out"), "s3://bucket/fleet/A1B2C3D4")
	candecode(t, args...)
	if !exists(filepath.Join(dir, "out/device=A1B2C3D4/message=M/date=2026-11-22/00000007_00000003.parquet")) {
		t.Error("no table of the third day")
	}
	before := s.Count()
	if _, summary := candecode(t, args...); s.Count() != before+1 || !strings.Contains(summary, "finished    1 sessions") {
		t.Errorf("%d requests: %s", s.Count()-before, summary)
	}
}

func TestABucketBehindASettingsFile(t *testing.T) {
	s := openShop(t, "medium")
	fill(t, s.options, recordings(t))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	folder := filepath.Dir(s.flags[1])
	text := fmt.Sprintf("version: 1\nbuses:\n  - interface: can0\nupload:\n  mode: medium\n  endpoint: %s\n  bucket: other\n  access_key: key\n  secret_key: stored\n", s.URL)
	write(t, filepath.Join(folder, "config.yaml"), []byte(text))
	if err := os.Mkdir(filepath.Join(folder, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "state", "s3.secret"), []byte("secret\n"))
	out, _ := candecode(t, "--s3-config", filepath.Join(folder, "config.yaml"), "--format", "candump", "s3://bucket/fleet/A1B2C3D4")
	if n := strings.Count(out, "\n"); n != 30 {
		t.Errorf("%d frames", n)
	}
}

func TestABucketOfAStoreOfOthers(t *testing.T) {
	g := gateway.Start(t, gateway.Options{Buckets: []string{"bucket"}})
	t.Setenv("AWS_ACCESS_KEY_ID", g.Access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", g.Secret)
	fill(t, s3.Options{Endpoint: g.URL, Bucket: "bucket", PathStyle: true, AccessKey: g.Access, SecretKey: g.Secret, Mode: "low"}, recordings(t))
	out, summary := candecode(t, "--endpoint-url", g.URL, "--s3-mode", "low", "--format", "candump", "--device", "A1B2C3D4", "s3://bucket/fleet")
	if n := strings.Count(out, "\n"); n != 30 {
		t.Errorf("%d frames:\n%s", n, summary)
	}
}

func TestABucketIsNotReadInAWeakerWayThanWasSaid(t *testing.T) {
	s := openShop(t, "medium")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"http without a word":     {[]string{"--endpoint-url", strings.Replace(s.URL, "https", "http", 1)}, exitUsage, "say --s3-mode low"},
		"http as mode medium":     {[]string{"--endpoint-url", strings.Replace(s.URL, "https", "http", 1), "--s3-mode", "medium"}, exitFailure, "https"},
		"a store nobody vouches":  {[]string{"--endpoint-url", s.URL}, exitFailure, "certificate"},
		"no identity":             {append(slices.Clone(s.flags[:2]), "--endpoint-url", s.URL, "--s3-mode", "high"), exitUsage, "--s3-identity"},
		"no endpoint":             {nil, exitUsage, "--endpoint-url"},
		"an identity that is not": {append(slices.Clone(s.flags[:2]), "--endpoint-url", s.URL, "--s3-mode", "high", "--s3-identity", t.TempDir()), exitFailure, "device.crt"},
	} {
		var out, errs strings.Builder
		code := run(append(c.args, "s3://bucket/fleet"), strings.NewReader(""), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d: %s", name, code, errs.String())
		}
	}
	if n := s.Count(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
