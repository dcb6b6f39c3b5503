package appliance

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"canseal/certs"
	"canseal/segment"
)

// freePort is a port that nobody listens on.
func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const testToken = "a token for tests, of 36 characters"

// linked is a box with neighbours.
func linked(t *testing.T, link string) *box {
	t.Helper()
	b := newBox(t, strings.Replace(configFor("low", "http://127.0.0.1:1"), "mode: low", "mode: off", 1)+"link:\n"+link)
	return b
}

func tokenIn(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "auth-token")
	if err := os.WriteFile(file, []byte(testToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// remote connects as soon as the box listens.
func remoteTo(t *testing.T, address string) (c *Client) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := DialRemote(t.Context(), address, testToken)
		if err == nil {
			return c
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestRemoteControlReadsAndDoesWhatIsPermitted(t *testing.T) {
	address := freePort(t, "tcp")
	b := linked(t, fmt.Sprintf("  control: {listen: %q, token: {file: %s}, commands: [rotate]}\n", address, tokenIn(t)))
	b.start(t)
	c := remoteTo(t, address)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
	status, err := c.Status(t.Context())
	if err != nil || !bytes.Contains(status, []byte(`"id":"A1B2C3D4"`)) && !bytes.Contains(status, []byte(`"id": "A1B2C3D4"`)) {
		t.Errorf("status %.200s (%v)", status, err)
	}
	name, err := c.Rotate(t.Context(), false)
	if err != nil || name == "" {
		t.Errorf("rotate: %q, %v", name, err)
	}
	rows, err := c.Segments(t.Context())
	if err != nil || len(rows) < 2 {
		t.Errorf("segments: %+v, %v", rows, err)
	}
	settings, err := c.Settings(t.Context())
	shown := fmt.Sprint(settings)
	if err != nil || !strings.Contains(shown, "link.control.commands") || strings.Contains(shown, testSecret) || strings.Contains(shown, testToken) {
		t.Errorf("settings: %s, %v", shown, err)
	}
	if check, err := c.CheckConfig(t.Context()); err != nil || len(check.Problems) > 0 {
		t.Errorf("check: %+v, %v", check, err)
	}
	if keys, err := c.Keys(t.Context()); err != nil || len(keys) > 0 {
		t.Errorf("keys: %+v, %v", keys, err)
	}
	for what, err := range map[string]error{
		"keep":      c.Keep(t.Context(), segment.Name{Session: 1, Split: 1}, true),
		"retry":     c.Retry(t.Context(), true),
		"reload":    c.Reload(t.Context()),
		"rollback":  c.Rollback(t.Context(), "config.yaml", true),
		"key erase": second(c.EraseKey(t.Context(), "", 0, 3)),
	} {
		if err == nil || !strings.Contains(err.Error(), "not permitted from afar") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := DialRemote(t.Context(), address, testToken+"!"); err == nil {
		t.Error("another token is taken")
	}
}

func second[T any](_ T, err error) error { return err }

func TestTailShowsFramesAsTheyAreRecorded(t *testing.T) {
	address := freePort(t, "tcp")
	b := linked(t, fmt.Sprintf("  control: {listen: %q, token: {file: %s}}\n", address, tokenIn(t)))
	b.start(t)
	c := remoteTo(t, address)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lines := &lineCount{want: 50, done: stop}
	if err := c.Tail(ctx, lines, "sim0", "", false); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines.text.String()) {
		if strings.HasSuffix(line, "\n") && !strings.Contains(line, ") sim0 ") {
			t.Fatalf("found %q, wanted a frame of sim0", line)
		}
	}
	if err := c.Tail(t.Context(), io.Discard, "nowhere", "", false); err == nil || !strings.Contains(err.Error(), "wanted a name") {
		t.Errorf("%v", err)
	}
}

type lineCount struct {
	text bytes.Buffer
	want int
	done func()
}

func (l *lineCount) Write(p []byte) (int, error) {
	if l.text.Write(p); bytes.Count(l.text.Bytes(), []byte("\n")) >= l.want {
		l.done()
	}
	return len(p), nil
}

// Whatever is done to a neighbour, every frame is recorded.
func TestNeighboursDoNotDisturbTheRecording(t *testing.T) {
	dir := t.TempDir()
	root, err := certs.NewAuthority("root", time.Now().Add(-time.Hour), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.IssueLeaf(certs.Leaf{Name: "logger", Names: []string{"logger"}, Server: true, Life: time.Hour}, certs.KeyP256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"root.crt": {Type: "CERTIFICATE", Bytes: root.Certificate.Raw}, "logger.crt": {Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}, "logger.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	far, near := freePort(t, "tcp"), freePort(t, "udp")
	broker, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	text := fmt.Sprintf(`  control: {listen: %q, token: {file: %s}}
  mqtt: {broker: "mqtts://%s", trust: %[4]s/root.crt, buffer: 64KiB}
  probe: {listen: %[5]q, trust: %[4]s/root.crt, certificate: %[4]s/logger.crt, key: %[4]s/logger.key}
`, far, tokenIn(t), broker.Addr(), dir, near)
	b := newBox(t, strings.Replace(strings.Replace(configFor("low", "http://127.0.0.1:1"), "mode: low", "mode: off", 1), "  - interface: sim1", "  - interface: \"probe:roof\"", 1)+"link:\n"+text)
	b.start(t)
	remoteTo(t, far)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
	ctx, stop := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	for range 2 {
		attackers.Go(func() { flood(ctx, "tcp", far) })
		attackers.Go(func() { flood(ctx, "udp", near) })
	}
	before := b.collect().Log.Frames
	b.await(t, "10000 frames more", func(f Facts) bool { return f.Log.Frames > before+10_000 })
	stop()
	attackers.Wait()
	f := b.collect()
	if n := f.Log.Lost.Sum(); n > 0 {
		t.Errorf("%d frames lost: %+v", n, f.Log.Lost)
	}
	if f.Link == nil || f.Link.Control == nil || f.Link.MQTT == nil || len(f.Link.Probes) != 1 {
		t.Fatalf("link: %+v", f.Link)
	}
	if c := f.Link.Control; c.Refused+c.Ignored == 0 {
		t.Errorf("control: %+v, wanted attacks", c)
	}
	if m := f.Link.MQTT; m.Connected || m.Dropped == 0 {
		t.Errorf("mqtt: %+v, wanted messages that were dropped", m)
	}
}

// flood sends what nobody wants, as fast as it goes.
func flood(ctx context.Context, network, address string) {
	garbage := append([]byte{0, 48}, bytes.Repeat([]byte{0x16, 0xFE, 0xFD, 0, 1}, 20)...)
	for ctx.Err() == nil {
		c, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			continue
		}
		for range 20 {
			if _, err := c.Write(garbage); err != nil {
				break
			}
		}
		c.Close()
	}
}
