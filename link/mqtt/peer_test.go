package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"canseal/certs"
)

// issue makes a certificate of a server with hosts, else of a client.
func issue(a *certs.Authority, name string, hosts []string) (tls.Certificate, error) {
	return a.IssueLeaf(certs.Leaf{Name: name, Names: hosts, Server: hosts != nil, Client: hosts == nil, Life: time.Hour}, certs.KeyP256, time.Now())
}

// mosquitto is a real broker: TLS, clients by certificate, and each may write
// only below its own name.
type mosquitto struct {
	t         *testing.T
	dir, port string
	authority *certs.Authority
	process   *exec.Cmd
}

func peers(t *testing.T) (mosquitto, sub string) {
	t.Helper()
	var found []string
	for _, name := range []string{"mosquitto", "mosquitto_sub"} {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name)
		}
		if err != nil {
			if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
				t.Fatal(err)
			}
			t.Skipf("%s is absent (make peers): NOT RUN: publishing to a real broker", name)
		}
		found = append(found, path)
	}
	return found[0], found[1]
}

func newMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	authority, err := certs.NewAuthority("test broker", time.Now().Add(-time.Hour), 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	m := &mosquitto{t: t, dir: t.TempDir(), port: port, authority: authority}
	m.certificate("server", "127.0.0.1", "localhost")
	m.write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate.Raw}))
	m.write("acl", []byte("pattern write can/%u/#\nuser reader\ntopic read #\n"))
	m.write("mosquitto.conf", fmt.Appendf(nil, `listener %s 127.0.0.1
cafile %[2]s/ca.crt
certfile %[2]s/server.crt
keyfile %[2]s/server.key
require_certificate true
use_identity_as_username true
acl_file %[2]s/acl
allow_anonymous false
`, port, m.dir))
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *mosquitto) write(name string, b []byte) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), b, 0o644); err != nil { // mosquitto leaves root behind
		m.t.Fatal(err)
	}
}

// certificate makes NAME.crt and NAME.key; with hosts of a server, else of a
// client of that name.
func (m *mosquitto) certificate(name string, hosts ...string) tls.Certificate {
	m.t.Helper()
	pair, err := issue(m.authority, name, hosts)
	if err != nil {
		m.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	m.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return pair
}

func (m *mosquitto) start() {
	m.t.Helper()
	program, _ := peers(m.t)
	if err := os.Chmod(m.dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	for dir := m.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	m.process = exec.Command(program, "-c", filepath.Join(m.dir, "mosquitto.conf"))
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	within(m.t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+m.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (m *mosquitto) kill() {
	if m.process != nil {
		_ = m.process.Process.Kill()
		_ = m.process.Wait()
		m.process = nil
	}
}

// listen collects what a real client hears below a topic.
func (m *mosquitto) listen(topic string) *heard {
	m.t.Helper()
	_, program := peers(m.t)
	m.certificate("reader")
	h := &heard{payloads: map[string]int{}}
	cmd := exec.Command("stdbuf", "-oL", program, "-h", "127.0.0.1", "-p", m.port, "--cafile", m.dir+"/ca.crt", "--cert", m.dir+"/reader.crt", "--key", m.dir+"/reader.key",
		"-V", "mqttv5", "-q", "1", "-i", "reader", "-c", "-x", "1000", "-t", topic, "-F", "%t %p", "-d")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.line(lines.Text())
		}
	}()
	within(m.t, "mosquitto_sub listens", func() bool { h.lock.Lock(); defer h.lock.Unlock(); return h.ready })
	return h
}

type heard struct {
	lock     sync.Mutex
	payloads map[string]int
	ready    bool
}

func (h *heard) line(text string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.ready = h.ready || strings.Contains(text, "SUBACK") || strings.HasPrefix(text, "Subscribed")
	if strings.HasPrefix(text, "can/") {
		h.payloads[text]++
	}
}

func (h *heard) has(text string) bool {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.payloads[text] > 0
}

func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// output publishes to a broker as a device does.
func (m *mosquitto) output(change func(*tls.Config)) (out *Output, told func() string) {
	m.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(m.authority.Certificate)
	conf := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{m.certificate("A1B2C3D4")}}
	if change != nil {
		change(conf)
	}
	out = New(Options{
		ClientID: "A1B2C3D4", Will: Will("can", "A1B2C3D4"),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", "127.0.0.1:"+m.port)
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = out.Run(ctx) }()
	m.t.Cleanup(func() { stop(); <-done })
	return out, func() string { return out.Status().Error }
}

func TestARealBrokerHasWhatWasPublished(t *testing.T) {
	m := newMosquitto(t)
	heard := m.listen("can/#")
	out, _ := m.output(nil)
	const n = 300
	for i := range n {
		out.Offer(Message{Topic: "can/A1B2C3D4/can0/frames", Payload: fmt.Appendf(nil, "%d", i)})
	}
	for i := range n {
		text := fmt.Sprintf("can/A1B2C3D4/can0/frames %d", i)
		within(t, text, func() bool { return heard.has(text) })
	}
	out.Offer(Message{Topic: "can/OTHER/can0/frames", Payload: []byte("x")})
	within(t, "a foreign topic is refused", func() bool { return strings.Contains(out.Status().Error, "reason 135") })
	out.Offer(Message{Topic: "can/A1B2C3D4/can0/frames", Payload: []byte("after it")})
	within(t, "the next message", func() bool { return heard.has("can/A1B2C3D4/can0/frames after it") })
}

// What the broker had not acknowledged when it died goes to the next one.
func TestARealBrokerMayDieUnderLoad(t *testing.T) {
	m := newMosquitto(t)
	out, _ := m.output(nil)
	const n = 5000
	for i := range n {
		out.Offer(Message{Topic: "can/A1B2C3D4/can0/frames", Payload: fmt.Appendf(make([]byte, 0, 512), "%0500d", i)})
	}
	within(t, "some are acknowledged", func() bool { return out.Status().Sent > 100 })
	m.kill()
	within(t, "the broker is missed", func() bool { return !out.Status().Connected })
	if s := out.Status(); s.Waiting == 0 || s.Sent+uint64(s.Waiting) != n {
		t.Errorf("%d sent and %d waiting, wanted %d together", s.Sent, s.Waiting, n)
	}
	m.start()
	within(t, "it is back", func() bool { return out.Status().Connected })
	begun, before := time.Now(), out.Status().Sent
	within(t, "all are acknowledged", func() bool { return out.Status().Sent == n })
	t.Logf("%.0f messages of 500 bytes a second", float64(n-before)/time.Since(begun).Seconds())
}

func TestARealBrokerIsVerifiedAndVerifies(t *testing.T) {
	m := newMosquitto(t)
	stranger, err := certs.NewAuthority("stranger", time.Now().Add(-time.Hour), 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := issue(stranger, "A1B2C3D4", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*tls.Config){
		"another name":           func(c *tls.Config) { c.ServerName = "other.example" },
		"unknown authority":      func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
		"no client certificate":  func(c *tls.Config) { c.Certificates = nil },
		"a stranger's signature": func(c *tls.Config) { c.Certificates = []tls.Certificate{foreign} },
	} {
		t.Run(name, func(t *testing.T) {
			out, told := m.output(change)
			out.Offer(Message{Topic: "can/A1B2C3D4/can0/frames", Payload: []byte("never")})
			within(t, "an error", func() bool { return told() != "" })
			if s := out.Status(); s.Sent != 0 || s.Waiting != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}
