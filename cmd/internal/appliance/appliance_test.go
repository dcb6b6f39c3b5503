package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"canseal/can/sim"
	"canseal/certs"
	"canseal/config"
	"canseal/internal/s3test"
	"canseal/uploader/s3"
)

const (
	testAccess = "testaccess"
	testSecret = "a-secret-that-nobody-may-see"
	testBucket = "trucks"
)

// box is an appliance under test: a card, simulated buses and a log.
type box struct {
	root  string
	state string // empty: on the card
	log   syncBuffer
	*Appliance
	power chan os.Signal
	stop  func()
}

// syncBuffer takes writes from several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func configFor(mode, endpoint string) string {
	return fmt.Sprintf(`version: 1
device: {id: A1B2C3D4, meta: test}
log: {flush: 100ms}
buses:
  - interface: sim0
  - interface: sim1
upload:
  mode: %s
  endpoint: %s
  bucket: %s
  access_key: %s
  secret_key: %s
`, mode, endpoint, testBucket, testAccess, testSecret)
}

func newBox(t *testing.T, text string) *box {
	t.Helper()
	b := &box{root: t.TempDir()}
	writeFile(t, filepath.Join(b.root, configFile), text)
	return b
}

// start runs the appliance on endless simulated buses until the test ends or
// stop is called.
func (b *box) start(t *testing.T) {
	t.Helper()
	if b.state == "" {
		b.state = filepath.Join(b.root, "state")
	}
	o := Options{Root: b.root, StateDir: b.state, Log: slog.New(slog.NewTextHandler(&b.log, nil))}
	o.Source, o.PowerFails = sim.New(sim.Options{Seed: 1, Rate: 2000, Pace: 1}), b.power
	a, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	b.Appliance = a
	ctx, cancel := context.WithCancel(context.Background())
	hurry, hurryNow := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, hurry) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		hurryNow()
		a.Close()
	})
	t.Cleanup(b.stop)
}

// await waits until device.json says what is wanted.
func (b *box) await(t *testing.T, what string, good func(Facts) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if good(b.collect()) {
			return
		}
	}
	t.Fatalf("waited in vain for: %s\n%s\n%s", what, b.StatusJSON(), b.log.String())
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newTestStore(t *testing.T, o s3test.Options) *s3test.Server {
	t.Helper()
	if o.Keys == nil {
		o.Keys = map[string]string{testAccess: testSecret}
	}
	if o.Buckets == nil {
		o.Buckets = []string{testBucket}
	}
	s, err := s3test.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// stored reads an object of the test's bucket.
func stored(t *testing.T, s *s3test.Server, key string) []byte {
	t.Helper()
	object, err := s.Object(testBucket, key)
	if err != nil {
		t.Fatal(err)
	}
	body, err := object.Body()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Whatever stands between the box and its bucket, recording goes on, every
// segment stays on the card, and device.json names the reason.
func TestABadStoreStopsUploadsAndNothingElse(t *testing.T) {
	good := newTestStore(t, s3test.Options{})
	for _, c := range []struct {
		name, config, class, state string
		prepare                    func(t *testing.T, root string)
	}{
		{"nobody there", configFor("low", "http://127.0.0.1:1"), "network", "retry", nil},
		{"no such bucket", strings.Replace(configFor("low", good.URL), "bucket: trucks", "bucket: lorries", 1), "config", "operator", nil},
		{"wrong secret", strings.Replace(configFor("low", good.URL), testSecret, "wrong", 1), "credentials", "operator", nil},
		{"no bundle", configFor("medium", "https://127.0.0.1:1"), "trust", "operator", nil},
		{"a bundle of garbage", configFor("medium", "https://127.0.0.1:1"), "trust", "operator", func(t *testing.T, root string) {
			writeFile(t, filepath.Join(root, bundleFile), "garbage")
		}},
		{"a cleared bundle", configFor("medium", "https://127.0.0.1:1"), "trust", "operator", func(t *testing.T, root string) {
			writeFile(t, filepath.Join(root, bundleFile), "")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(t, c.config)
			if c.prepare != nil {
				c.prepare(t, b.root)
			}
			b.start(t)
			b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
			if _, err := b.Rotate(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			b.await(t, c.state+" "+c.class, func(f Facts) bool {
				return f.Upload.State == c.state && f.Upload.Class == c.class && f.Upload.Reason != ""
			})
			frames := b.collect().Log.Frames
			b.await(t, "more frames", func(f Facts) bool { return f.Log.Frames > frames+100 && f.Log.Lost.Sum() == 0 })
			sent, err := filepath.Glob(filepath.Join(b.root, "LOG/*/*/*.sent"))
			if err != nil || len(sent) != 0 {
				t.Errorf("receipts without a store: %v %v", sent, err)
			}
		})
	}
}

func TestUploadsBeginWhenTheBundleArrives(t *testing.T) {
	b := newBox(t, configFor("medium", "https://127.0.0.1:1"))
	b.start(t)
	b.await(t, "the missing bundle named", func(f Facts) bool { return f.Upload.Class == "trust" && strings.Contains(f.Upload.Reason, bundleFile) })
	writeFile(t, filepath.Join(b.root, bundleFile), testBundle(t))
	b.Retry(false)
	b.await(t, "the next obstacle", func(f Facts) bool { return f.Upload.Class == "network" && len(f.CertsServer) == 1 })
}

func TestTheSecretIsNowhereButInTheStateFolder(t *testing.T) {
	store := newTestStore(t, s3test.Options{})
	b := newBox(t, configFor("low", store.URL))
	b.start(t)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
	if _, err := b.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	b.await(t, "a segment sent, and counted as sent", func(f Facts) bool { return f.Upload.Sent.Segments > 0 && f.Log.Segments.SentPlain > 0 })
	b.stop()
	for _, key := range store.Keys(testBucket, "") {
		if bytes.Contains(stored(t, store, key), []byte(testSecret)) {
			t.Errorf("object %s holds the secret", key)
		}
	}
	if strings.Contains(b.log.String(), testSecret) {
		t.Error("the secret is in the log")
	}
	err := filepath.WalkDir(b.root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == filepath.Join(b.root, "state", secretFile) {
			return err
		}
		content, err := os.ReadFile(name)
		if bytes.Contains(content, []byte(testSecret)) {
			t.Errorf("%s holds the secret", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(b.root, "state", secretFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestASecondDaemonIsRefused(t *testing.T) {
	b := newBox(t, strings.Replace(configFor("low", "http://127.0.0.1:1"), "mode: low", "mode: off", 1))
	b.start(t)
	_, err := Build(t.Context(), Options{Root: b.root, StateDir: filepath.Join(b.root, "state"), Source: sim.New(sim.Options{})})
	if ExitCode(err) != ExitLocked {
		t.Errorf("exit code %d, %v", ExitCode(err), err)
	}
}

// Recovery repairs what is open on a card. A second daemon, with a state folder
// of its own, must not do so to the segment that the first one is writing.
func TestASecondDaemonWithAnotherStateFolderIsRefused(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("cmd/internal/appliance: locks are taken on Linux only")
	}
	b := newBox(t, strings.Replace(configFor("low", "http://127.0.0.1:1"), "mode: low", "mode: off", 1))
	b.start(t)
	for range 2 {
		b.await(t, "a segment that is being written", func(Facts) bool { return running(b.root, b.device) != "" })
		_, err := Build(t.Context(), Options{Root: b.root, StateDir: t.TempDir(), Source: sim.New(sim.Options{})})
		if ExitCode(err) != ExitLocked || !strings.Contains(err.Error(), ".MF4.part") {
			t.Fatalf("exit code %d, %v", ExitCode(err), err)
		}
		if _, err := b.Rotate(t.Context(), false); err != nil {
			t.Fatalf("the first one cannot seal its segment: %v", err)
		}
	}
}

func TestWithoutAConfigurationNothingIsWritten(t *testing.T) {
	root := t.TempDir()
	_, err := Build(t.Context(), Options{Root: root})
	if ExitCode(err) != ExitConfig || !strings.Contains(err.Error(), "canseal config init") {
		t.Errorf("exit code %d, %v", ExitCode(err), err)
	}
	entries, readErr := os.ReadDir(root)
	if readErr != nil || len(entries) != 0 {
		t.Errorf("%v %v", entries, readErr)
	}
}

// device.json is one struct for the card, the bucket and the socket; tools of
// the CANedge read its first fields.
func TestDeviceJSONHasTheFieldsOfTheCANedge(t *testing.T) {
	store := newTestStore(t, s3test.Options{})
	b := newBox(t, configFor("low", store.URL))
	b.start(t)
	b.await(t, "the heartbeat in the bucket", func(Facts) bool { return len(store.Keys(testBucket, "A1B2C3D4/device.json")) == 1 })
	var facts map[string]json.RawMessage
	if err := json.Unmarshal(stored(t, store, "A1B2C3D4/device.json"), &facts); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{
		"id", "type", "kpub", "fw_ver", "hw_ver", "cfg_ver", "cfg_name", "cfg_crc32", "sch_name", "log_meta", "space_used_mb", "sd_info",
		"sd_used_lifespan", "reset_cause", "certs_server_sha256", "v", "time", "time_state",
		"device", "clock", "log", "buses", "cancrypt", "upload", "tls", "settings", "system",
	} {
		if _, ok := facts[field]; !ok {
			t.Errorf("device.json has no %s", field)
		}
	}
	if string(facts["type"]) != `"000C5EA1"` || string(facts["fw_ver"]) != `"00.01.00"` || string(facts["log_meta"]) != `"test"` {
		t.Errorf("%s %s %s", facts["type"], facts["fw_ver"], facts["log_meta"])
	}
}

// The table of what is not built must name settings that exist, and refuse
// each of them.
func TestEveryUnbuiltSettingExistsAndIsRefused(t *testing.T) {
	fields := map[string]bool{}
	for _, f := range config.Fields() {
		fields[f.Path] = true
	}
	for _, row := range unbuilt {
		known := fields[row.field]
		for path := range fields {
			known = known || strings.HasSuffix(row.field, ".") && strings.HasPrefix(path, row.field)
		}
		if !known {
			t.Errorf("%s is no setting", row.field)
		}
	}
	for _, row := range unbuilt {
		values := row.values
		if values == nil {
			continue
		}
		section, key, _ := strings.Cut(row.field, ".")
		_, problems := CheckConfig([]byte(configFor("medium", "https://127.0.0.1:1") + "\n" + section + ": {" + key + ": " + values[0] + "}\n"))
		if len(problems) != 1 || !strings.Contains(problems[0].Hint, "not in this version") {
			t.Errorf("%s: %s: %v", row.field, values[0], problems)
		}
	}
	example := regexp.MustCompile(`(?m)^( +)#`).ReplaceAll(config.Reference(), []byte("$1"))
	if _, problems := CheckConfig(example); len(problems) != 0 {
		t.Errorf("the reference with all its examples: %v", problems)
	}
}

// A state folder that cannot be written costs counters, never the recording.
func TestAStateFolderThatCannotBeMadeDoesNotStopTheRecording(t *testing.T) {
	b := newBox(t, strings.Replace(configFor("low", "http://127.0.0.1:1"), "mode: low", "mode: off", 1))
	writeFile(t, filepath.Join(b.root, "state"), "a file where the folder should be")
	b.start(t)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
}

// device.json has a bound that no certificate can break.
func TestDeviceJSONIsBounded(t *testing.T) {
	var f Facts
	f.TLS.Bundle = &s3.BundleStatus{}
	for range 10 {
		f.TLS.Bundle.Certificates = append(f.TLS.Bundle.Certificates, certs.Certificate{Subject: strings.Repeat("<", 20_000), SHA256: "hash"})
	}
	b := f.encode()
	if len(b) > maxFacts || !bytes.Contains(b, []byte(`"sha256":"hash"`)) {
		t.Errorf("%d bytes", len(b))
	}
}
