// Package proxy starts an nginx or a haproxy in front of a store: a server that
// verifies devices by their certificates and by a revocation list, as a fleet
// in mode high has one.
//
// Where the program is absent the test is skipped by name; it fails instead
// when CANSEAL_REQUIRE contains "peers".
package proxy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// Kinds of proxies, by the name of their program.
const (
	Nginx   = "nginx"
	HAProxy = "haproxy"
)

// Options of a proxy. All certificates and keys are PEM.
type Options struct {
	Kind      string
	Upstream  string // host:port of the store, http
	Cert, Key []byte // the server's chain and key
	// CA issues the devices' certificates; nil: nobody is asked for one.
	CA []byte
	// List is the revocation list of CA, of every authority in it; nil: none.
	List []byte
	TLS  string // the one version that is spoken: "1.2" or "1.3"; empty: both
	// Ciphers are the suites of TLS 1.2 that haproxy takes, as OpenSSL names them;
	// empty: its own choice.
	Ciphers string
}

// Proxy is a running one.
type Proxy struct {
	URL     string // https://127.0.0.1:port
	Address string

	o       Options
	dir     string
	program string
	process *exec.Cmd
	output  bytes.Buffer
}

// Start starts a proxy that is stopped at the end of the test, and waits until
// it listens.
func Start(t testing.TB, o Options) *Proxy {
	t.Helper()
	program, err := exec.LookPath(o.Kind)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} { // not in everybody's PATH
			if path, dirErr := exec.LookPath(filepath.Join(dir, o.Kind)); dirErr == nil {
				program, err = path, nil
			}
		}
	}
	if err != nil {
		absent(t, o.Kind)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), o: o, dir: t.TempDir(), program: program}
	p.URL = "https://" + p.Address
	l.Close()
	t.Cleanup(p.Stop)
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	return p
}

func absent(t testing.TB, kind string) {
	t.Helper()
	hint := kind + " is not installed (make peers)"
	if slices.Contains(strings.Split(os.Getenv("CANSEAL_REQUIRE"), ","), "peers") {
		t.Fatal(hint)
	}
	dir, _ := os.Getwd()
	t.Skipf("SKIPPED: %s %s is not run: %s", filepath.Base(dir), t.Name(), hint)
}

var configs = map[string]*template.Template{
	Nginx: template.Must(template.New("nginx").Parse(`daemon off; master_process off; pid {{.Dir}}/pid; error_log stderr warn;
events {}
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path {{.Dir}}/body; proxy_temp_path {{.Dir}}/proxy; fastcgi_temp_path {{.Dir}}/f; uwsgi_temp_path {{.Dir}}/u; scgi_temp_path {{.Dir}}/s;
  server {
    listen {{.Address}} ssl;
    ssl_certificate {{.Dir}}/cert.pem; ssl_certificate_key {{.Dir}}/key.pem;
    ssl_protocols {{if .V12}}TLSv1.2 {{end}}{{if .V13}}TLSv1.3{{end}};
    {{if .CA}}ssl_client_certificate {{.Dir}}/ca.pem; ssl_verify_client on; ssl_verify_depth 3;{{end}}
    {{if .List}}ssl_crl {{.Dir}}/list.pem;{{end}}
    location / {
      proxy_pass http://{{.Upstream}};
      proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_buffering off;
    }
  }
}
`)),
	HAProxy: template.Must(template.New("haproxy").Parse(`global
  maxconn 200
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend devices
  bind {{.Address}} ssl crt {{.Dir}}/both.pem{{if .CA}} ca-file {{.Dir}}/ca.pem verify required{{end}}{{if .List}} crl-file {{.Dir}}/list.pem{{end}}{{if .Ciphers}} ciphers {{.Ciphers}}{{end}}{{if not .V13}} ssl-max-ver TLSv1.2{{end}}{{if not .V12}} ssl-min-ver TLSv1.3{{end}}
  default_backend store
backend store
  server store {{.Upstream}}
`)),
}

// Run starts the proxy, again after Stop, with the files as they are now.
func (p *Proxy) Run() error {
	if err := p.write(); err != nil {
		return err
	}
	p.process = exec.Command(p.program, "-c", filepath.Join(p.dir, "conf"), "-p", p.dir)
	if p.o.Kind == HAProxy {
		p.process = exec.Command(p.program, "-db", "-f", filepath.Join(p.dir, "conf"))
	}
	p.output.Reset()
	p.process.Stdout, p.process.Stderr, p.process.Dir = &p.output, &p.output, p.dir
	if err := p.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.o.Kind, err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", p.Address); err == nil {
			c.Close()
			return nil
		}
	}
	p.Stop()
	return fmt.Errorf("%s does not listen on %s:\n%s", p.o.Kind, p.Address, p.output.String())
}

func (p *Proxy) write() error {
	files := map[string][]byte{"cert.pem": p.o.Cert, "key.pem": p.o.Key, "both.pem": append(slices.Clone(p.o.Cert), p.o.Key...), "ca.pem": p.o.CA, "list.pem": p.o.List}
	var conf bytes.Buffer
	if err := configs[p.o.Kind].Execute(&conf, map[string]any{
		"Dir": p.dir, "Address": p.Address, "Upstream": p.o.Upstream, "CA": p.o.CA != nil, "List": p.o.List != nil, "V12": p.o.TLS != "1.3", "V13": p.o.TLS != "1.2",
		"Ciphers": p.o.Ciphers,
	}); err != nil {
		return err
	}
	files["conf"] = conf.Bytes()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Revoke runs the proxy again with another revocation list.
func (p *Proxy) Revoke(list []byte) error {
	p.Stop()
	p.o.List = list
	return p.Run()
}

// Stop ends the proxy.
func (p *Proxy) Stop() {
	if p.process == nil {
		return
	}
	p.process.Process.Signal(syscall.SIGTERM)
	p.process.Wait()
	p.process = nil
}
