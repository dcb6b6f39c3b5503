package appliance

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/config/ota"
	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// operator writes the bucket.
type operator struct {
	t *testing.T
	*s3.Client
}

func newOperator(t *testing.T, endpoint, bundle string) *operator {
	t.Helper()
	b, err := certs.LoadBundle([]byte(bundle), certs.BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.New(s3.Options{
		Endpoint: endpoint, Bucket: testBucket, PathStyle: true, AccessKey: testAccess, SecretKey: testSecret, Mode: "medium",
		TLS: certs.ClientTLS(b, certs.TLSOptions{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &operator{t, c}
}

// put puts an object where the device looks for it.
func (o *operator) put(name string, content []byte) {
	o.t.Helper()
	_, err := o.Replace(context.Background(), uploader.Object{
		Key: "A1B2C3D4/" + name, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content),
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// airBox is a box in mode medium whose settings may change over the air.
func airBox(t *testing.T, policy, signer string) (*box, *operator, *s3test.Server) {
	t.Helper()
	store, bundle := newSecureStore(t)
	text := configFor("medium", store.URL) + fmt.Sprintf("ota: {policy: %s, every: 1m, signer: %q}\n", policy, signer)
	b := newBox(t, text)
	writeFile(t, filepath.Join(b.root, bundleFile), bundle)
	return b, newOperator(t, store.URL, bundle), store
}

// next is the configuration of a box, changed: as an operator would read it from
// the card, with the secret stored.
func (b *box) next(t *testing.T, old, new string) []byte {
	t.Helper()
	text := strings.Replace(b.file(t, configFile), testSecret, "stored", 1)
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in %s", old, text)
	}
	return []byte(strings.Replace(text, old, new, 1))
}

func (b *box) file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// another authority, of another name: no two certificates of a bundle have one issuer.
func another(t *testing.T) *certs.Authority {
	t.Helper()
	a, err := certs.NewAuthority("another", time.Now(), 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func settledOn(content []byte, source string) func(Facts) bool {
	sum := sha256.Sum256(content)
	return func(f Facts) bool {
		return f.Settings.Config.SHA256 == hex.EncodeToString(sum[:]) && f.Settings.Config.Source == source && f.Settings.Config.State == "settled"
	}
}

// Settings that come over the air work without a start, and no frame is lost:
// the recorder goes on in a new segment that names them.
func TestSettingsOverTheAir(t *testing.T) {
	b, o, _ := airBox(t, "bucket", "")
	next := b.next(t, "flush: 100ms", "flush: 200ms, split_size: 2MB")
	next = bytes.Replace(next, []byte("ota:"), []byte("  heartbeat: 120s\nota:"), 1)
	o.put(ota.Config, next)
	b.start(t)
	b.await(t, "new settings in force", func(f Facts) bool {
		got := b.live()
		return settledOn(next, ota.Unsigned)(f) && got.settings.Upload.Heartbeat == 2*time.Minute && got.recorded.Log.SplitSize == 2e6
	})
	if b.file(t, configFile) != string(next) {
		t.Errorf("%s", b.file(t, configFile))
	}
	frames := b.collect().Log.Frames
	b.await(t, "frames, and none lost", func(f Facts) bool { return f.Log.Frames > frames+100 && f.Log.Lost.Sum() == 0 && f.Log.Split == 2 })
	b.sealed(t)
	b.await(t, "an upload by the new settings", func(f Facts) bool { return f.Upload.Sent.Segments > 0 })
	if events := b.file(t, eventsFile); !strings.Contains(events, `"kind":"settings","what":"settled"`) || !strings.Contains(events, `"kind":"settings","what":"trying"`) {
		t.Errorf("%s", events)
	}
}

// What an unsigned object may not change stays, and device.json says what it was.
func TestOneFieldAboveItsScopeRefusesTheWholeObject(t *testing.T) {
	b, o, _ := airBox(t, "bucket", "")
	was := b.next(t, "meta: test", "meta: test")
	o.put(ota.Config, bytes.Replace(b.next(t, "flush: 100ms", "flush: 200ms"), []byte("meta: test"), []byte("meta: other"), 1))
	b.start(t)
	b.await(t, "the refusal", func(f Facts) bool { return len(f.Settings.Refused) == 1 })
	if b.file(t, configFile) != string(was) || !strings.Contains(b.file(t, eventsFile), "device.meta (signed)") {
		t.Errorf("%s\n%s", b.file(t, configFile), b.file(t, eventsFile))
	}
}

// Each setting stands against each source as its scope says.
func TestScopes(t *testing.T) {
	for _, c := range []struct {
		old, new         string
		signed, unsigned bool
	}{
		{"flush: 100ms", "flush: 200ms", true, true},
		{"mode: medium", "mode: medium\n  heartbeat: 2m\n  bandwidth: 1MiB\n  order: newest\n  workers: 2", true, true},
		{"every: 1m", "every: 2m", true, true},
		{"meta: test", "meta: other", true, false},
		{"bucket: trucks", "bucket: vans", true, false},
		{"interface: sim1", "interface: sim2", true, false},
		{"policy: bucket", "policy: signed, signer: /a", false, false},
		{"id: A1B2C3D4", "id: A1B2C3D5", false, false},
		{"mode: medium", "mode: medium\n  stall: 2s", false, false},
		{"mode: medium", "mode: high", true, false},
		{"ota:", "tls: {profile: compat}\nota:", false, false},
		{"ota:", "tls: {min_rsa_bits: 1024}\nota:", false, false},
		{"ota:", "tls: {min_rsa_bits: 3072}\nota:", true, false},
		{"ota:", "tls: {trust: system}\nota:", false, false},
		{"secret_key: stored", "secret_key: a-new-one", false, false},
		{"access_key: " + testAccess, "access_key: another", false, false},
	} {
		text := strings.Replace(configFor("medium", "https://h"), testSecret, "stored", 1) + "ota: {policy: bucket, every: 1m}\n"
		now, problems := config.Parse([]byte(text))
		next, more := config.Parse([]byte(strings.Replace(text, c.old, c.new, 1)))
		if len(problems)+len(more) > 0 || !strings.Contains(text, c.old) {
			t.Fatal(c.new, problems, more)
		}
		for source, want := range map[string]bool{ota.Signed: c.signed, ota.Unsigned: c.unsigned} {
			if err := inScope(now, next, source); (err == nil) != want {
				t.Errorf("%s from %s: %v", c.new, source, err)
			}
		}
		if err := inScope(next, next, ota.Unsigned); err != nil && !strings.Contains(c.new, "a-new-one") {
			t.Errorf("%s again: %v", c.new, err)
		}
	}
}

// The lines of docs/operations.md, run: a signer, a statement over both objects,
// its signature, and the check that anyone can make.
func TestAStatementMadeByOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("CANSEAL_REQUIRE"), ","), "peers") {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: statements by openssl are not tried: %v", err)
	}
	dir := t.TempDir()
	b, o, _ := airBox(t, "signed", filepath.Join(dir, "ota.pem"))
	other := another(t)
	both, err := certs.LoadBundle([]byte(b.file(t, bundleFile)), certs.BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p7b, err := certs.EncodeBundle([]*x509.Certificate{both.Certificates[0].X509, other.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	next := b.next(t, "meta: test", "meta: signed")
	writeFile(t, filepath.Join(dir, ota.Config), string(next))
	writeFile(t, filepath.Join(dir, ota.Bundle), string(p7b))
	run := documented(t, "### Make a signer") + "\n" + documented(t, "### Sign a change")
	cmd := exec.Command("/bin/sh", "-ec", run)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, run, out)
	}
	for _, name := range []string{ota.Config, ota.Bundle, ota.Update, ota.Update + ota.Signature} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		o.put(name, text)
	}
	b.start(t)
	b.await(t, "both settled", func(f Facts) bool {
		return settledOn(next, ota.Signed)(f) && f.Settings.Bundle.Source == ota.Signed && len(f.CertsServer) == 2 && f.LogMeta == "signed"
	})
	if b.file(t, bundleFile) != string(p7b) || b.collect().Settings.Config.Serial != 17 {
		t.Errorf("%+v", b.collect().Settings)
	}
}

// A configuration on trial is what the recorder works by, also after a start;
// uploads go by what is current all the while, so a dead endpoint cuts nobody off.
func TestATrialGoesOnAfterAStart(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skipf("SKIPPED: trials of signed settings over a start are not tried: %v", err)
	}
	dir := t.TempDir()
	b, o, store := airBox(t, "signed", filepath.Join(dir, "ota.pem"))
	next := bytes.Replace(b.next(t, store.URL, "https://127.0.0.1:1"), []byte("flush: 100ms"), []byte("flush: 300ms"), 1)
	writeFile(t, filepath.Join(dir, ota.Config), string(next))
	writeFile(t, filepath.Join(dir, ota.Bundle), b.file(t, bundleFile))
	cmd := exec.Command("/bin/sh", "-ec", documented(t, "### Make a signer")+"\n"+documented(t, "### Sign a change"))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{ota.Config, ota.Bundle, ota.Update, ota.Update + ota.Signature} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		o.put(name, text)
	}
	for start := range 2 {
		b.start(t)
		b.await(t, "the candidate on trial and in force", func(f Facts) bool {
			return f.Settings.Config.State == "trying" && f.Settings.Config.Boots == 3-start && b.live().recorded.Log.Flush == 300*time.Millisecond
		})
		b.sealed(t)
		b.await(t, "uploads by what is current", func(f Facts) bool { return f.Upload.Sent.Segments > 0 && f.Upload.Endpoint == store.URL })
		b.stop()
	}
	if !strings.Contains(b.file(t, configFile), store.URL) {
		t.Errorf("%s", b.file(t, configFile))
	}
}

// The power failed while a configuration was copied to the card, and left a torn
// one: the start mends it before it reads it.
func TestATornConfigurationIsMendedBeforeItIsRead(t *testing.T) {
	text := strings.Replace(configFor("low", "http://127.0.0.1:1"), testSecret, "stored", 1)
	b := newBox(t, "version: 1\ndevi")
	b.state = t.TempDir()
	writeFile(t, filepath.Join(b.state, "config.candidate"), text)
	sum := sha256.Sum256([]byte(text))
	writeFile(t, filepath.Join(b.state, ota.File), fmt.Sprintf(
		`{"v":1,"current":{"config.yaml":{"sha256":"old","source":"card"}},"settings":{"state":"settling","source":"signed","force":true,"objects":[{"name":"config.yaml","old":"old","new":"%x"}]},"identity":{"state":"settled"}}`, sum))
	b.start(t)
	b.await(t, "frames by the new configuration", func(f Facts) bool { return f.Log.Frames > 100 && settledOn([]byte(text), ota.Signed)(f) })
	if b.file(t, configFile) != text || !strings.Contains(b.file(t, eventsFile), `"what":"settled"`) {
		t.Errorf("%s\n%s", b.file(t, configFile), b.file(t, eventsFile))
	}
}

// A book that cannot be read costs what was on trial, never the recording.
func TestABrokenBookDoesNotStopTheRecording(t *testing.T) {
	b := newBox(t, configFor("low", "http://127.0.0.1:1"))
	b.state = t.TempDir()
	writeFile(t, filepath.Join(b.state, ota.File), "{")
	b.start(t)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 && f.Settings.Config.State == "settled" })
}

// documented are the first shell lines below a heading of docs/operations.md.
func documented(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+heading)
	_, rest, begins := strings.Cut(rest, "\n```\n")
	lines, _, ends := strings.Cut(rest, "\n```\n")
	if !found || !begins || !ends {
		t.Fatalf("docs/operations.md has no lines below %q", heading)
	}
	return lines
}

// The same against a store that this project did not write: absent objects are
// no news, a renewed bundle settles and the old authority is dropped, and a
// configuration after it.
func TestSettingsOverTheAirFromVersitygw(t *testing.T) {
	authority, other := testAuthority(t), another(t)
	server, err := authority.Issue(time.Now(), time.Hour, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := certs.EncodeKey(server.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	store := gateway.Start(t, gateway.Options{
		Access: testAccess, Secret: testSecret, Buckets: []string{testBucket}, Cert: certs.EncodeCertificates(server.Leaf), Key: key,
	})
	b := newBox(t, configFor("medium", store.URL)+"ota: {policy: bucket, every: 1m}\n")
	b.state = t.TempDir()
	writeFile(t, filepath.Join(b.root, bundleFile), string(holding(t, authority, other)))
	o := newOperator(t, store.URL, bundleOf(t, authority))
	b.start(t)
	b.await(t, "nothing new in the bucket", func(f Facts) bool { return f.Upload.State == "idle" && f.Settings.Reason == "" && f.Log.Frames > 100 })
	b.stop()
	renewed := holding(t, authority)
	o.put(ota.Bundle, renewed)
	b.start(t)
	b.await(t, "the renewed bundle", func(f Facts) bool { return f.Settings.Bundle.Source == ota.Unsigned && len(f.CertsServer) == 1 })
	b.stop()
	next := b.next(t, "flush: 100ms", "flush: 200ms")
	o.put(ota.Config, next)
	b.start(t)
	b.await(t, "the configuration", settledOn(next, ota.Unsigned))
	b.sealed(t)
	b.await(t, "an upload", func(f Facts) bool { return f.Upload.Sent.Segments > 0 })
}

// A bundle that does not trust the store leaves the device connected, and goes
// nowhere; one without any certificate is not even tried.
func TestABadBundleLeavesTheDeviceConnected(t *testing.T) {
	b, o, _ := airBox(t, "bucket", "")
	before := b.file(t, bundleFile)
	o.put(ota.Bundle, []byte(testBundle(t)))
	b.start(t)
	b.await(t, "a failure that counts", func(f Facts) bool { return f.Settings.Bundle.State == "trying" && f.Settings.Bundle.Failures == 1 })
	b.sealed(t)
	b.await(t, "uploads going on", func(f Facts) bool { return f.Upload.Sent.Segments > 0 && f.Settings.Bundle.State == "trying" })
	if b.file(t, bundleFile) != before {
		t.Error("the bundle on the card is another one")
	}
	b.stop()

	for name, content := range map[string]string{"white space": "\n \n", "no certificate": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"} {
		b, o, _ := airBox(t, "bucket", "")
		before := b.file(t, bundleFile)
		o.put(ota.Bundle, []byte(content))
		b.start(t)
		b.await(t, name+" refused", func(f Facts) bool { return len(f.Settings.Refused) == 1 && f.Settings.Bundle.State == "settled" })
		if b.file(t, bundleFile) != before {
			t.Errorf("%s: the bundle on the card is another one", name)
		}
		b.stop()
	}
}

// A device renews its certificate over the air: the key never leaves it, and the
// old one works until the new one has.
func TestADeviceCertificateIsRenewedOverTheAir(t *testing.T) {
	f := newFleet(t, false)
	b := f.box(t)
	text := b.file(t, configFile) + "tls: {renew_before: 30d}\nota: {policy: bucket, every: 1m}\n"
	writeFile(t, filepath.Join(b.root, configFile), text)
	old := f.identify(t, b, deviceLeaf(10*24*time.Hour))
	b.start(t)
	key := "A1B2C3D4/device.csr"
	b.await(t, "a request in the bucket", func(Facts) bool {
		device := b.collect().TLS.Device
		return len(f.store.Keys(testBucket, key)) == 2 && device != nil && device.RequestSHA256 != ""
	})
	request, err := certs.ParseRequest(stored(t, f.store, key))
	if err != nil {
		t.Fatal(err)
	}
	signer := &certs.Signer{Certificate: old}
	if err := signer.Verify(stored(t, f.store, key), stored(t, f.store, key+".p7s"), time.Now(), true); err != nil {
		t.Errorf("the request is not signed by the present key: %v", err)
	}
	crt, err := f.authority.Sign(request.PublicKey, deviceLeaf(365*24*time.Hour), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.stop()
	// The operator answers; the store takes whoever shows a certificate of the fleet.
	putAsDevice(t, f, b, ota.Identity, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: crt.Raw}))
	b.start(t)
	b.await(t, "the new certificate", func(f Facts) bool {
		return f.Settings.Identity.Source == ota.Unsigned && f.TLS.Device != nil && f.TLS.Device.DaysLeft > 300
	})
	f.revoked.Store(old) // the old one is not needed any more
	b.sealed(t)
	b.await(t, "uploads with the new one", func(f Facts) bool { return f.Upload.Sent.Segments > 0 })
}

// putAsDevice writes the bucket with a device's identity.
func putAsDevice(t *testing.T, f *fleet, b *box, name string, content []byte) {
	t.Helper()
	state := b.state
	o, _, err := s3Options(b.live().settings, b.card, durable.Dir(state), b.clock)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	(&operator{t, c}).put(name, content)
}

// A changed file on the card wins, and says so; what does not concern recording
// costs no frame, and what concerns everything begins anew.
func TestReloadTakesTheCard(t *testing.T) {
	b, _, _ := airBox(t, "off", "")
	b.start(t)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
	next := b.next(t, "meta: test", "meta: driver two")
	writeFile(t, filepath.Join(b.root, configFile), "version: 1\n")
	if err := b.Reload(t.Context()); err == nil {
		t.Error("a file with problems was taken")
	}
	writeFile(t, filepath.Join(b.root, configFile), string(next))
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.await(t, "the card's", func(f Facts) bool { return settledOn(next, ota.Card)(f) && f.LogMeta == "driver two" })
	frames := b.collect().Log.Frames
	b.await(t, "frames, and none lost", func(f Facts) bool { return f.Log.Frames > frames+100 && f.Log.Lost.Sum() == 0 && f.Log.Split == 2 })
	if !strings.Contains(b.file(t, eventsFile), `"what":"changed on the card"`) {
		t.Errorf("%s", b.file(t, eventsFile))
	}
}

func TestRollbackOnTheCard(t *testing.T) {
	b, o, _ := airBox(t, "bucket", "")
	was := b.next(t, "flush: 100ms", "flush: 100ms")
	next := b.next(t, "flush: 100ms", "flush: 200ms")
	o.put(ota.Config, next)
	b.start(t)
	b.await(t, "new settings", settledOn(next, ota.Unsigned))
	if err := b.Rollback(t.Context(), ota.Config, false); err != nil {
		t.Fatal(err)
	}
	b.await(t, "the old ones", settledOn(was, ota.Rollback))
	b.stop()
	if err := RollbackCard(t.Context(), Options{Root: b.root, StateDir: b.state}, ota.Config, false); err != nil {
		t.Fatal(err)
	}
	if b.file(t, configFile) != string(next) {
		t.Errorf("%s", b.file(t, configFile))
	}
}

// Going back to trust that was withdrawn wants a second word.
func TestRollbackToWithdrawnTrustWantsASecondWord(t *testing.T) {
	b, o, _ := airBox(t, "bucket", "")
	now := b.file(t, bundleFile)
	store, err := certs.LoadBundle([]byte(now), certs.BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	withdrawn := another(t)
	wide, err := certs.EncodeBundle([]*x509.Certificate{store.Certificates[0].X509, withdrawn.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(b.root, bundleFile), string(wide))
	o.put(ota.Bundle, []byte(now))
	b.start(t)
	b.await(t, "trust withdrawn", func(f Facts) bool { return f.Settings.Bundle.Source == ota.Unsigned && len(f.CertsServer) == 1 })
	err = b.Rollback(t.Context(), ota.Bundle, false)
	if err == nil || !strings.Contains(err.Error(), "does not") {
		t.Errorf("%v", err)
	}
	if err := b.Rollback(t.Context(), ota.Bundle, true); err != nil {
		t.Fatal(err)
	}
	b.await(t, "the wide one", func(f Facts) bool { return f.Settings.Bundle.Source == ota.Rollback })
}
