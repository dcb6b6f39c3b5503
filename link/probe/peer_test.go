package probe

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tool finds a foreign program.
func tool(t *testing.T, name, what string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
			t.Fatal(err)
		}
		t.Skipf("%s is absent (make peers): NOT RUN: %s", name, what)
	}
	return path
}

// files writes an identity for programs.
func files(t *testing.T, f *fleet, name string, server bool) (cert, key, root string) {
	t.Helper()
	dir := t.TempDir()
	c := f.leaf(t, name, server, !server)
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("leaf.crt", "CERTIFICATE", c.Certificate[0]), write("leaf.key", "PRIVATE KEY", der), write("root.crt", "CERTIFICATE", f.root.Certificate.Raw)
}

// Programs that share no code with the library get through its handshake with a
// good certificate, and do not with others.
func TestForeignClients(t *testing.T) {
	openssl, gnutls := tool(t, "openssl", "OpenSSL as a probe"), tool(t, "gnutls-cli", "GnuTLS as a probe")
	l := newLink(t, nil)
	at := l.listen()
	_, port, _ := net.SplitHostPort(at.LocalAddr().String())
	stranger := newFleet(t)
	for name, row := range map[string]struct {
		fleet *fleet
		good  bool
		args  func(cert, key, root string) []string
	}{
		"OpenSSL": {l.fleet, true, func(cert, key, root string) []string {
			return []string{openssl, "s_client", "-dtls1_2", "-connect", "127.0.0.1:" + port, "-cert", cert, "-key", key, "-CAfile", root, "-mtu", "1200"}
		}},
		"OpenSSL, AES-256": {l.fleet, true, func(cert, key, root string) []string {
			return []string{openssl, "s_client", "-dtls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "-connect", "127.0.0.1:" + port, "-cert", cert, "-key", key, "-CAfile", root}
		}},
		"OpenSSL of a stranger": {stranger, false, func(cert, key, root string) []string {
			return []string{openssl, "s_client", "-dtls1_2", "-connect", "127.0.0.1:" + port, "-cert", cert, "-key", key}
		}},
		"OpenSSL without a certificate": {l.fleet, false, func(string, string, string) []string {
			return []string{openssl, "s_client", "-dtls1_2", "-connect", "127.0.0.1:" + port}
		}},
		"OpenSSL without extended master secret": {l.fleet, false, func(cert, key, root string) []string {
			return []string{openssl, "s_client", "-dtls1_2", "-no_ems", "-connect", "127.0.0.1:" + port, "-cert", cert, "-key", key}
		}},
		"OpenSSL with CBC": {l.fleet, false, func(cert, key, root string) []string {
			return []string{openssl, "s_client", "-dtls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", "-connect", "127.0.0.1:" + port, "-cert", cert, "-key", key}
		}},
		"GnuTLS": {l.fleet, true, func(cert, key, root string) []string {
			return []string{gnutls, "--udp", "--x509certfile", cert, "--x509keyfile", key, "--x509cafile", root, "--sni-hostname", "logger", "--verify-hostname", "logger", "-p", port, "127.0.0.1"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key, root := files(t, row.fleet, "roof", false)
			args := row.args(cert, key, root)
			ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
			defer stop()
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			bad := l.status().Bad
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if row.good {
				within(t, "a message of "+name, func() bool { _, _ = in.Write([]byte("\xffhello\n")); return l.status().Bad > bad })
			} else {
				ended := make(chan struct{})
				go func() { _ = cmd.Wait(); close(ended) }()
				select {
				case <-ended:
				case <-time.After(5 * time.Second): // some wait for input behind the refusal
				}
				if l.status().Bad > bad || l.association() != nil {
					t.Errorf("taken: %s", said.String())
				}
			}
			in.Close()
			_ = cmd.Process.Kill()
			if row.good {
				_ = cmd.Wait()
			}
			l.server.lock.Lock()
			if a := l.server.remotes["roof"].at; a != nil {
				go a.conn.Close()
			}
			l.server.lock.Unlock()
			within(t, "the end of it", func() bool { return l.association() == nil })
		})
	}
}

// The probe's side gets through the handshake of OpenSSL's server, and verifies
// it.
func TestOpenSSLAsTheLogger(t *testing.T) {
	openssl := tool(t, "openssl", "OpenSSL as the logger")
	f := newFleet(t)
	for name, row := range map[string]struct {
		fleet *fleet
		good  bool
	}{"its root": {f, true}, "another root": {newFleet(t), false}} {
		t.Run(name, func(t *testing.T) {
			cert, key, _ := files(t, row.fleet, "logger", true)
			_, _, root := files(t, f, "x", true)
			c := udp(t)
			_, port, _ := net.SplitHostPort(c.LocalAddr().String())
			c.Close()
			cmd := exec.Command(openssl, "s_server", "-dtls1_2", "-accept", "127.0.0.1:"+port, "-cert", cert, "-key", key, "-CAfile", root, "-Verify", "3", "-quiet")
			in, err := cmd.StdinPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			addr, _ := net.ResolveUDPAddr("udp", "127.0.0.1:"+port)
			var s *session
			client := func() error {
				c := NewUDPClient(udp(t), ClientOptions{Identity: f.probe(t, "roof"), Logger: "logger", Addr: addr})
				go func() { _ = c.route.run() }()
				ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
				defer stop()
				s, err = c.connect(ctx)
				return err
			}
			if row.good {
				within(t, "a handshake", func() bool { return client() == nil })
				s.end()
				return
			}
			if err := client(); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%v", err)
			}
		})
	}
}
