package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canseal/certs"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// sServer is a running `openssl s_server` and all that it printed.
type sServer struct {
	address string
	mu      sync.Mutex
	out     bytes.Buffer
}

func (s *sServer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *sServer) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func openssl(t testing.TB, cert tls.Certificate, args ...string) *sServer {
	t.Helper()
	program, err := exec.LookPath("openssl")
	need(t, err)
	dir := t.TempDir()
	certPEM, keyPEM := pemOf(t, cert)
	must(t, os.WriteFile(filepath.Join(dir, "chain.pem"), certPEM, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "key.pem"), keyPEM, 0o600))
	args = append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", "chain.pem", "-cert_chain", "chain.pem", "-key", "key.pem"}, args...)
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	s := new(sServer)
	cmd.Stderr = s
	in, err := cmd.StdinPipe() // at its end the server would leave
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewReader(out)
	for s.address == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("openssl s_server: %v\n%s", err, s.printed())
		}
		s.address, _ = strings.CutPrefix(strings.TrimSpace(line), "ACCEPT ")
		if !strings.Contains(s.address, ":") {
			s.address = ""
		}
	}
	go io.Copy(s, lines)
	return s
}

// wait waits until the server has printed text, or the deadline.
func (s *sServer) wait(text string) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if strings.Contains(s.printed(), text) {
			return true
		}
	}
	return false
}

const day = 24 * time.Hour

// Only a server that proves who it is gets a byte of HTTP.
func TestNoByteLeavesToAServerThatIsNotTrusted(t *testing.T) {
	now := time.Now()
	root, err := certs.NewAuthority("root", now.Add(-100*day), 900*day)
	must(t, err)
	middle, err := root.Intermediate("middle", now.Add(-100*day), 800*day)
	must(t, err)
	other, err := certs.NewAuthority("root", now, day)
	must(t, err)
	issue := func(a *certs.Authority, now time.Time, life time.Duration, hosts ...string) tls.Certificate {
		c, err := a.Issue(now, life, hosts...)
		must(t, err)
		return c
	}
	good := issue(middle, now, 30*day, "127.0.0.1", "localhost")
	self, err := certs.SelfSigned(now, day, "127.0.0.1")
	must(t, err)
	old, err := certs.NewAuthority("old root", now.Add(-100*day), 50*day)
	must(t, err)
	trust := func(c ...*x509.Certificate) []*x509.Certificate { return c }
	for name, row := range map[string]struct {
		cert  tls.Certificate
		trust []*x509.Certificate
		fault certs.Fault // empty: trusted
	}{
		"trusted root":                  {good, trust(root.Certificate), ""},
		"trusted intermediate alone":    {good, trust(middle.Certificate), ""},
		"trusted leaf alone":            {good, trust(good.Leaf), ""},
		"self-signed, itself trusted":   {self, trust(self.Leaf), ""},
		"self-signed, not trusted":      {self, trust(root.Certificate), certs.FaultUnknownAuthority},
		"unknown authority":             {good, trust(old.Certificate, other.Certificate), certs.FaultUnknownAuthority},
		"an authority of the same name": {good, trust(other.Certificate), certs.FaultUnknownAuthority},
		"wrong name":                    {issue(root, now, day, "store.example"), trust(root.Certificate), certs.FaultName},
		"wrong address":                 {issue(root, now, day, "127.0.0.2"), trust(root.Certificate), certs.FaultName},
		"expired":                       {issue(root, now.Add(-10*day), 9*day, "127.0.0.1"), trust(root.Certificate), certs.FaultExpired},
		"not yet valid":                 {issue(root, now.Add(2*day), 9*day, "127.0.0.1"), trust(root.Certificate), certs.FaultNotYetValid},
		"expired root":                  {issue(old, now, day, "127.0.0.1"), trust(old.Certificate, root.Certificate), certs.FaultExpired},
	} {
		t.Run(name, func(t *testing.T) {
			server := openssl(t, row.cert)
			b := bundleOf(t, row.trust...)
			w := world{url: "https://" + server.address, mode: "medium", bundle: b}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if row.fault == "" {
				go w.client(t).Create(ctx, object(key, random(10)))
				if !server.wait("Authorization: AWS4-HMAC-SHA256") {
					t.Fatalf("no request arrived:\n%s", server.printed())
				}
				return
			}
			report, err := w.client(t).Check(ctx, key, random(10))
			e := wantClass(t, err, uploader.Trust)
			if te := certs.Explain(e, now); te == nil || te.Fault != row.fault || report.Fault != row.fault {
				t.Fatalf("want %s, found %v", row.fault, err)
			}
			if len(report.Chain) == 0 || report.Stored {
				t.Errorf("the report does not show the chain: %+v", report)
			}
			server.wait("alert")
			for _, word := range []string{"HTTP/1.1", "AWS4", access, "PUT "} {
				if strings.Contains(server.printed(), word) {
					t.Errorf("the server saw %s:\n%s", word, server.printed())
				}
			}
		})
	}
}

// A date is a question of time while nobody has set the clock.
func TestDatesAreAQuestionOfTheClock(t *testing.T) {
	now := time.Now()
	root, err := certs.NewAuthority("root", now.Add(-100*day), 900*day)
	must(t, err)
	cert, err := root.Issue(now.Add(5*day), day, "127.0.0.1")
	must(t, err)
	l := tlsListener(t, &tls.Config{Certificates: []tls.Certificate{cert}})
	go serve(l, func(c net.Conn) { c.(*tls.Conn).Handshake() })
	w := world{url: "https://" + l.Addr().String(), mode: "medium", bundle: bundleOf(t, root.Certificate)}
	for synchronised, want := range map[bool]uploader.Class{true: uploader.Trust, false: uploader.Clock} {
		_, err := w.client(t, func(o *s3.Options) { o.Synchronised = func() bool { return synchronised } }).Stat(t.Context(), key)
		wantClass(t, err, want)
	}
}

func tlsListener(t testing.TB, c *tls.Config) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	if c == nil {
		return l
	}
	return tls.NewListener(l, c)
}

func serve(l net.Listener, with func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			with(c)
		}()
	}
}

// An untrusted server is asked once: minio-go alone would come back ten times.
func TestAnUntrustedServerIsAskedOnce(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	var connections atomic.Int32
	l := tlsListener(t, &tls.Config{Certificates: []tls.Certificate{p.server}})
	go serve(l, func(c net.Conn) {
		connections.Add(1)
		c.(*tls.Conn).Handshake()
	})
	w := world{url: "https://" + l.Addr().String(), mode: "medium", bundle: other.bundle}
	_, err := w.client(t).Create(t.Context(), object(key, random(10)))
	wantClass(t, err, uploader.Trust)
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Alerts are believed as far as somebody has signed them.
func TestAlertsOnTheWire(t *testing.T) {
	p := newPKI(t)
	demand := func(version uint16) func(t *testing.T) net.Listener {
		return func(t *testing.T) net.Listener {
			l := tlsListener(t, &tls.Config{Certificates: []tls.Certificate{p.server}, ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version})
			go serve(l, func(c net.Conn) { c.Read(make([]byte, 1<<16)) })
			return l
		}
	}
	answer := func(b ...byte) func(t *testing.T) net.Listener {
		return func(t *testing.T) net.Listener {
			l := tlsListener(t, nil)
			go serve(l, func(c net.Conn) {
				c.Read(make([]byte, 4096))
				if n, _ := c.Write(b); n > 0 {
					c.Read(make([]byte, 4096)) // so that no reset overtakes it
				}
			})
			return l
		}
	}
	for name, row := range map[string]struct {
		listen func(t *testing.T) net.Listener
		want   uploader.Class
	}{
		"forged 48 to the hello":           {answer(21, 3, 3, 0, 2, 2, 48), uploader.Network},
		"forged 116 to the hello":          {answer(21, 3, 3, 0, 2, 2, 116), uploader.Network},
		"no suite":                         {answer(21, 3, 3, 0, 2, 2, 40), uploader.Config},
		"no version":                       {answer(21, 3, 3, 0, 2, 2, 70), uploader.Config},
		"plain HTTP":                       {answer([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...), uploader.Config},
		"nothing, closed":                  {answer(), uploader.Network},
		"a device wanted, TLS 1.3":         {demand(tls.VersionTLS13), uploader.Identity},
		"a device wanted, TLS 1.2":         {demand(tls.VersionTLS12), uploader.IdentitySuspected},
		"a server of the last century":     {old(p), uploader.Config},
		"a server without forward secrecy": {weak(p), uploader.Config},
	} {
		t.Run(name, func(t *testing.T) {
			l := row.listen(t)
			w := world{url: "https://" + l.Addr().String(), mode: "medium", bundle: p.bundle}
			_, err := w.client(t).Stat(t.Context(), key)
			wantClass(t, err, row.want)
		})
	}
}

func old(p pki) func(t *testing.T) net.Listener {
	return func(t *testing.T) net.Listener {
		l := tlsListener(t, &tls.Config{Certificates: []tls.Certificate{p.server}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		go serve(l, func(c net.Conn) { c.(*tls.Conn).Handshake() })
		return l
	}
}

func weak(p pki) func(t *testing.T) net.Listener {
	return func(t *testing.T) net.Listener {
		l := tlsListener(t, &tls.Config{Certificates: []tls.Certificate{p.server}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}})
		go serve(l, func(c net.Conn) { c.(*tls.Conn).Handshake() })
		return l
	}
}

func TestStatusTellsTheLastHandshake(t *testing.T) {
	w := fake(t, "medium")
	c := w.client(t)
	if s := c.Status(); s.Version != "" || s.Bundle == nil || s.Bundle.DaysLeft < 88 {
		t.Errorf("before the first handshake: %+v", s)
	}
	_, err := c.Replace(t.Context(), object("A1B2C3D4/device.json", []byte("{}")))
	must(t, err)
	s := c.Status()
	if s.Profile != "modern" || s.Version != "TLS 1.3" || !strings.HasPrefix(s.Suite, "TLS_") || len(s.Bundle.Certificates) != 1 {
		t.Errorf("%+v", s)
	}
	if at, err := time.Parse(time.RFC3339, s.Handshake); err != nil || time.Since(at) > time.Minute {
		t.Errorf("handshake %q", s.Handshake)
	}
	if s := fake(t, "low").client(t).Status(); s.Bundle != nil || s.Profile != "" {
		t.Errorf("low: %+v", s)
	}
}

// A proxy is asked where the configuration names one, for both schemes; TLS
// runs through it to the store.
func TestProxyFromTheConfiguration(t *testing.T) {
	for _, mode := range []string{"low", "medium"} {
		t.Run(mode, func(t *testing.T) {
			w := fake(t, mode)
			asked := make(chan string, 10)
			l := tlsListener(t, nil)
			go http.Serve(l, proxy(asked))
			c := w.client(t, func(o *s3.Options) { o.Proxy = "http://" + l.Addr().String() })
			_, err := c.Create(t.Context(), object(key, random(3000)))
			must(t, err)
			want := map[string]string{"low": "PUT", "medium": "CONNECT"}[mode]
			if got := <-asked; got != want {
				t.Errorf("the proxy was asked for %s", got)
			}
			l.Close()
		})
	}
	t.Run("refusing", func(t *testing.T) {
		w := fake(t, "medium")
		l := tlsListener(t, nil)
		go http.Serve(l, http.NotFoundHandler())
		_, err := w.client(t, func(o *s3.Options) { o.Proxy = "http://" + l.Addr().String() }).Stat(t.Context(), key)
		wantClass(t, err, uploader.Network)
	})
	t.Run("the environment is not asked", func(t *testing.T) {
		t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
		t.Setenv("http_proxy", "http://127.0.0.1:1")
		_, err := fake(t, "low").client(t).Create(t.Context(), object(key, random(3)))
		must(t, err)
	})
}

func proxy(asked chan<- string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method
		if r.Method != http.MethodConnect {
			r.RequestURI = ""
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			for k, v := range resp.Header {
				w.Header()[k] = v
			}
			w.WriteHeader(resp.StatusCode)
			io.Copy(w, resp.Body)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
		go io.Copy(to, from)
		io.Copy(from, to)
	})
}
