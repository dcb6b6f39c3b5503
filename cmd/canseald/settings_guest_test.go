//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"canseal/can"
	"canseal/certs"
	"canseal/cmd/internal/appliance"
	"canseal/config/ota"
	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// settingsText is a configuration that takes others from the bucket.
func settingsText(endpoint, log, secret string) string {
	return fmt.Sprintf(`version: 1
device: {id: %s}
log: {%s}
buses:
  - interface: vcan0
upload:
  mode: medium
  endpoint: %s
  bucket: %s
  access_key: guestkey
  secret_key: %s
ota: {policy: bucket, every: 1m}
`, roadDevice, log, endpoint, roadBucket, secret)
}

// offer puts an object where the device looks for it.
func offer(t *testing.T, store *s3test.Server, card, name string, content []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(card, "certs_server.p7b"))
	must(t, err)
	bundle, err := certs.LoadBundle(text, certs.BundleOptions{})
	must(t, err)
	c, err := s3.New(s3.Options{
		Endpoint: store.URL, Bucket: roadBucket, PathStyle: true, AccessKey: "guestkey", SecretKey: "guestsecret", Mode: "medium",
		TLS: certs.ClientTLS(bundle, certs.TLSOptions{}),
	})
	must(t, err)
	_, err = c.Replace(t.Context(), uploader.Object{
		Key: roadDevice + "/" + name, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content),
	})
	must(t, err)
}

// Settings change over the air and by the card while a bus is busy: no frame is
// lost by any of them, but for one that needs another recorder, where a gap says
// so, and one that needs another session.
func TestGuestSettingsChangeUnderLoad(t *testing.T) {
	dir := roadFolder(t)
	card := t.TempDir()
	store := guestStore(t, dir, card)
	write(t, filepath.Join(card, "config.yaml"), []byte(settingsText(store.URL, "flush: 100ms", "guestsecret")))
	air := settingsText(store.URL, "flush: 200ms, split_size: 1MB", "stored")
	offer(t, store, card, "config.yaml", []byte(air))

	fd := openBus(t, "vcan0")
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() { sent <- number(ctx, fd, 0) }()
	d := startDaemon(t, "/canseald", card)
	d.await(t, "settings over the air", func(f *appliance.Facts) bool {
		return f.Settings.Config.Source == ota.Unsigned && f.Settings.Config.State == "settled"
	})
	frames := func() (n uint64) {
		d.await(t, "recording", func(f *appliance.Facts) bool { n = f.Log.Frames; return f.Log.State == "recording" })
		return n
	}
	more := func() {
		before := frames()
		d.await(t, "more frames", func(f *appliance.Facts) bool { return f.Log.Frames > before+200 && f.Log.Lost.Sum() == 0 })
	}
	more()
	client, err := appliance.Dial(d.state)
	must(t, err)
	for n := range 5 {
		text := strings.Replace(air, "ota:", fmt.Sprintf("  heartbeat: %ds\nota:", 100+n), 1)
		text = strings.Replace(text, "200ms", fmt.Sprintf("%dms", 200+10*n), 1)
		write(t, filepath.Join(card, "config.yaml"), []byte(text))
		must(t, client.Reload(t.Context()))
		more()
	}
	changed := frames()
	write(t, filepath.Join(card, "config.yaml"), []byte(strings.Replace(air, "flush: 200ms", "flush: 200ms, error_frames: false", 1)))
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.await(t, "another recorder, and frames", func(f *appliance.Facts) bool {
		return f.Log.Lost.Reconfigured > 0 && f.Log.Frames > changed+500 && f.Log.State == "recording"
	})
	write(t, filepath.Join(card, "config.yaml"), []byte(strings.Replace(air, "device: {", "device: {alive_file: /tmp/alive, ", 1)))
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.await(t, "all of it built anew", func(f *appliance.Facts) bool {
		return f.Log.Session == 2 && f.Log.Frames > 500 && f.ResetCause == "orderly"
	})
	cancel()
	last := <-sent
	l := d.close(t)
	holes := 0
	for i, e := range l.frames[1] {
		if i > 0 && numberIn(e) != numberIn(l.frames[1][i-1])+1 {
			holes++
		}
	}
	gaps := 0
	for _, list := range l.gaps {
		for _, g := range list {
			gaps++
			if g.Reason != can.LostReconfigured {
				t.Errorf("gap %+v", g)
			}
		}
	}
	if holes > 2 || gaps != 1 || len(l.frames[1]) < 1500 {
		t.Errorf("%d holes, %d gaps in %d frames of %d", holes, gaps, len(l.frames[1]), last)
	}
	told(t, d, `"what":"settled"`, `"what":"changed on the card"`)
	fmt.Printf("SETTINGS %d frames, 8 changes of settings, %d holes: another recorder, another session\n", len(l.frames[1]), holes)
}

// A signed configuration that concerns recording proves itself by recording:
// while it is on trial everything is recorded, whatever its filter says, and it
// settles only when the bus delivers under it.
func TestGuestRecordingIsPartOfTheProof(t *testing.T) {
	dir := roadFolder(t)
	card := t.TempDir()
	store := guestStore(t, dir, card)
	text := strings.Replace(settingsText(store.URL, "flush: 100ms", "guestsecret"), "policy: bucket", "policy: signed, signer: "+filepath.Join(dir, "ota.der"), 1)
	write(t, filepath.Join(card, "config.yaml"), []byte(text))
	next := strings.NewReplacer("guestsecret", "stored", "flush: 100ms", "flush: 100ms, error_frames: false").Replace(text)
	next = strings.Replace(next, "vcan0\n", "vcan0\n    filter: [{match: \"11:0x123\", action: accept, every: {count: 10}}]\n", 1)
	statement := fmt.Appendf(nil, `{"canseal_update":1,"device":%q,"serial":1,"objects":{"config.yaml":"%x"}}`, roadDevice, sha256.Sum256([]byte(next)))
	for name, content := range map[string][]byte{ota.Config: []byte(next), ota.Update + ota.Signature: signedBy(t, filepath.Join(dir, "ota.der"), statement), ota.Update: statement} {
		offer(t, store, card, name, content)
	}
	fd := openBus(t, "vcan0")
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() { sent <- number(ctx, fd, 0) }()
	d := startDaemon(t, "/canseald", card)
	d.await(t, "a signed configuration in force", func(f *appliance.Facts) bool {
		return f.Settings.Config.Source == ota.Signed && f.Settings.Config.State == "settled" && f.Log.LeftOut.Prescaler > 1000
	})
	cancel()
	<-sent
	l := d.close(t)
	whole := 0 // frames that followed each other: before and during the trial
	for i, e := range l.frames[1] {
		if i > 0 && numberIn(e) == numberIn(l.frames[1][i-1])+1 {
			whole++
		}
	}
	if gaps := l.gaps[0]; whole < 100 || len(gaps) != 2 || gaps[0].Reason != can.LostReconfigured || gaps[1].Reason != can.LostReconfigured {
		t.Errorf("%d frames in a row, gaps %+v", whole, l.gaps)
	}
	told(t, d, `"what":"trying"`, `"what":"settled"`)
}

// signedBy signs content with a new key, whose certificate is at a path then.
func signedBy(t *testing.T, path string, content []byte) []byte {
	t.Helper()
	key, err := certs.NewKey(certs.KeyP256)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "settings"}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	write(t, path, der)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	signature, err := certs.SignDetached(content, leaf, key)
	must(t, err)
	return signature
}

func numberIn(e can.Event) uint32 { return binary.LittleEndian.Uint32(e.Frame.Data[:]) }
