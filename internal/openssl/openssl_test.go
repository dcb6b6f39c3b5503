package openssl

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// found is the machine's openssl.
func found(t testing.TB) *Program {
	t.Helper()
	p, err := Find(t.Context(), "")
	if err != nil && strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("SKIPPED: internal/openssl %s is not run: %v", t.Name(), err)
	}
	return p
}

// self is a server's certificate for a name, RSA.
func self(t testing.TB, bits int, names ...string) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, Subject: pkix.Name{CommonName: "Verification: OK"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// serve runs `openssl s_server`, which echoes lines backwards.
func serve(t testing.TB, p *Program, c tls.Certificate, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	key, err := privateKey(c.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "all.pem"), append(certificate(c.Certificate[0]), key...), 0o600))
	cmd := exec.Command(p.Path, append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", "all.pem", "-key", "all.pem", "-rev"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		must(t, err)
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "ACCEPT "); ok {
			go io.Copy(io.Discard, lines)
			return address
		}
	}
}

func handshake(c tls.Certificate, name string) Handshake {
	return Handshake{ServerName: name, Suites: "DHE-RSA-AES128-GCM-SHA256", Offered: func(s uint16) bool { return s == 0x9e },
		Anchors: []*x509.Certificate{c.Leaf}, Now: time.Now(), Judge: func(Flight) error { return nil }}
}

func dial(t testing.TB, p *Program, address string, h Handshake) (*Conn, error) {
	t.Helper()
	raw, err := net.Dial("tcp", address)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := p.Client(ctx, raw, h)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// Bytes of any kind pass, also lines that s_client takes as commands.
func TestAConnectionCarriesWhatIsWritten(t *testing.T) {
	p := found(t)
	cert := self(t, 2048, "store.example")
	address := serve(t, p, cert)
	for _, name := range []string{"store.example", "127.0.0.1"} {
		c, err := dial(t, p, address, handshake(cert, name))
		must(t, err)
		if f := c.Flight(); f.Suite != 0x9e || f.Bits < 2048 || f.Asked != nil || !f.Certificates[0].Equal(cert.Leaf) {
			t.Errorf("%+v", f)
		}
		lines := bufio.NewReader(c)
		for _, line := range []string{"Quit", "Renegotiate", "k", strings.Repeat("x", 2000)} {
			_, err := io.WriteString(c, line+"\n")
			must(t, err)
			c.SetDeadline(time.Now().Add(10 * time.Second))
			got, err := lines.ReadString('\n')
			must(t, err)
			want := []byte(line)
			for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
				want[i], want[j] = want[j], want[i]
			}
			if strings.TrimSpace(got) != string(want) {
				t.Errorf("%s: %.20q came back as %.20q", name, line, got)
			}
		}
		c.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline ends in %v", err)
		}
		dir := c.dir
		c.Close()
		if _, err := os.Stat(dir); err == nil || c.cmd.ProcessState == nil {
			t.Error("the child, or its folder, stays behind")
		}
	}
	if len(p.free) != 0 {
		t.Errorf("%d children are still counted", len(p.free))
	}
}

// What our judge refuses has seen a hello and nothing else; and where he finds
// good what he should not, openssl refuses it itself.
func TestWhoIsNotTrustedGetsAHello(t *testing.T) {
	p := found(t)
	cert, other := self(t, 2048, "store.example"), self(t, 2048, "store.example")
	no := errors.New("no")
	for name, row := range map[string]struct {
		cert   tls.Certificate
		args   []string
		change func(*Handshake)
		want   func(error) bool
	}{
		"our judge":          {cert, nil, func(h *Handshake) { h.Judge = func(Flight) error { return no } }, func(err error) bool { return errors.Is(err, no) }},
		"another anchor":     {cert, nil, func(h *Handshake) { h.Anchors = []*x509.Certificate{other.Leaf} }, badCertificate},
		"another name":       {cert, nil, func(h *Handshake) { h.ServerName = "elsewhere" }, badCertificate},
		"another address":    {cert, nil, func(h *Handshake) { h.ServerName = "127.0.0.2" }, badCertificate},
		"too early":          {cert, nil, func(h *Handshake) { h.Now = h.Now.Add(-day) }, badCertificate},
		"too late":           {cert, nil, func(h *Handshake) { h.Now = h.Now.Add(day) }, badCertificate},
		"no such suite":      {cert, []string{"-cipher", "AES128-SHA"}, nil, isAlert(40)},
		"TLS 1.3 alone":      {cert, []string{"-tls1_3"}, nil, isAlert(70)},
		"a small DH group":   {cert, []string{"-dhparam", groupFile(t, p)}, nil, func(err error) bool { return err != nil && strings.Contains(err.Error(), "1024 bits") }},
		"another suite":      {cert, nil, func(h *Handshake) { h.Offered = func(uint16) bool { return false } }, func(err error) bool { return err != nil }},
		"nobody is anchored": {cert, nil, func(h *Handshake) { h.Anchors = nil }, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			h := handshake(row.cert, "store.example")
			if row.change != nil {
				row.change(&h)
			}
			if name == "a small DH group" {
				row.args = append(row.args, "-cipher", "ALL:@SECLEVEL=0")
			}
			c, err := dial(t, p, serve(t, p, row.cert, row.args...), h)
			if c != nil || !row.want(err) {
				t.Errorf("found %v", err)
			}
		})
	}
	if len(p.free) != 0 {
		t.Errorf("%d children are still counted", len(p.free))
	}
}

const day = 24 * time.Hour

func badCertificate(err error) bool {
	var e *RefusedError
	return errors.As(err, &e) && e.Certificate()
}

func isAlert(n Alert) func(error) bool {
	return func(err error) bool {
		var e *net.OpError
		return errors.As(err, &e) && e.Op == "remote error" && e.Err == n
	}
}

// groupFile holds the 1024-bit MODP group of RFC 2409 6.2.
func groupFile(t *testing.T, p *Program) string {
	t.Helper()
	prime, err := hex.DecodeString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF")
	must(t, err)
	der := append([]byte{0x02, 0x81, 0x81, 0x00}, prime...)
	der = append(der, 0x02, 0x01, 0x02)
	der = append([]byte{0x30, 0x81, byte(len(der))}, der...)
	name := filepath.Join(t.TempDir(), "dh.pem")
	must(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: der}), 0o600))
	return name
}

// A server that never answers, and one that is cut off, end with the context or
// at once.
func TestAServerThatLeavesOrSaysNothing(t *testing.T) {
	p := found(t)
	cert := self(t, 2048, "store.example")
	for name, row := range map[string]struct {
		serve func(net.Conn)
		want  error
	}{
		"silence": {func(c net.Conn) { io.Copy(io.Discard, c) }, context.DeadlineExceeded},
		"the end": {func(c net.Conn) { io.ReadFull(c, make([]byte, 5)); c.Close() }, nil},
		"an alert": {func(c net.Conn) {
			io.ReadFull(c, make([]byte, 5))
			c.Write([]byte{21, 3, 3, 0, 2, 2, 40})
			io.Copy(io.Discard, c)
		}, Alert(40)},
		"no TLS": {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, c) }, nil},
		"a warning": {func(c net.Conn) {
			c.Write([]byte{21, 3, 3, 0, 2, 1, 112, 21, 3, 3, 0, 2, 2, 71})
			io.Copy(io.Discard, c)
		}, Alert(71)},
	} {
		near, far := net.Pipe()
		go func() { row.serve(far); far.Close() }()
		patience := 20 * time.Second
		if name == "silence" {
			patience = time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := p.Client(ctx, near, handshake(cert, "store.example"))
		cancel()
		near.Close()
		if err == nil || row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: found %v, wanted %v", name, err, row.want)
		}
	}
}

func TestAProgramIsFoundOrSaidToBeMissing(t *testing.T) {
	dir := t.TempDir()
	script := func(text string) string {
		name := filepath.Join(dir, hex.EncodeToString([]byte(text))[:8])
		must(t, os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o700))
		return name
	}
	for name, path := range map[string]string{
		"none": filepath.Join(dir, "none"), "relative": "openssl", "another": script("echo LibreSSL 3.9.0"),
		"old": script("printf 'OpenSSL 1.1.1w  11 Sep 2023'"), "failing": script("exit 1"),
	} {
		p, err := Find(t.Context(), path)
		var missing *MissingError
		if p != nil || !errors.As(err, &missing) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func FuzzFlight(f *testing.F) {
	hello := append([]byte{2, 0, 0, 38, 3, 3}, make([]byte, 36)...)
	hello[len(hello)-3], hello[len(hello)-2] = 0, 0x9e
	f.Add(append([]byte{22, 3, 3, 0, byte(len(hello))}, hello...))
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add([]byte{22, 3, 3, 0, 4, 11, 0, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		flight, wire, err := readFlight(bytes.NewReader(b), func(uint16) bool { return true })
		if err == nil && (flight.Bits < leastBits || len(flight.Certificates) == 0 || !bytes.HasPrefix(b, wire)) {
			t.Errorf("%+v", flight)
		}
	})
}
