// Package gateway starts a versitygw for tests: an S3 store that this project
// did not write (https://github.com/versity/versitygw, v1.8.0), with its
// posix backend in a temporary folder.
//
// The program is looked for in PATH, then as .tools/bin/versitygw below the
// module's root, where `make peers` puts it. Where it is absent the test is
// skipped by name; it fails instead when CANSEAL_REQUIRE contains "peers".
package gateway

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options of a gateway. Access, Secret default to a test pair.
type Options struct {
	Access, Secret string
	Region         string   // default us-east-1
	Buckets        []string // there from the start; at least 3 characters each
	// Cert and Key, PEM, make it https.
	Cert, Key []byte
}

// Gateway is a running versitygw.
type Gateway struct {
	URL            string // http://127.0.0.1:port, or https
	Access, Secret string
	Dir            string // buckets are folders in it, objects files

	program string
	args    []string
	env     []string
	address string
	process *exec.Cmd
	output  bytes.Buffer
}

// Find returns the path of versitygw.
func Find() (string, bool) {
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, true
	}
	dir, err := os.Getwd()
	for err == nil {
		path := filepath.Join(dir, ".tools", "bin", "versitygw")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "", false
}

// Start starts a gateway that is stopped at the end of the test, and waits
// until it answers.
func Start(t testing.TB, o Options) *Gateway {
	t.Helper()
	program, ok := Find()
	if !ok {
		absent(t)
	}
	g := &Gateway{Access: o.Access, Secret: o.Secret, Dir: t.TempDir(), program: program}
	if g.Access == "" {
		g.Access, g.Secret = "gatewaykey", "gatewaysecret"
	}
	for _, b := range o.Buckets {
		if err := os.Mkdir(filepath.Join(g.Dir, b), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g.configure(t, o)
	if err := g.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return g
}

func absent(t testing.TB) {
	t.Helper()
	const hint = "versitygw is neither in PATH nor in .tools/bin (make peers)"
	if slices.Contains(strings.Split(os.Getenv("CANSEAL_REQUIRE"), ","), "peers") {
		t.Fatal(hint)
	}
	dir, _ := os.Getwd()
	t.Skipf("SKIPPED: %s %s is not run: %s", filepath.Base(dir), t.Name(), hint)
}

func (g *Gateway) configure(t testing.TB, o Options) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.address = l.Addr().String()
	l.Close()
	region := o.Region
	if region == "" {
		region = "us-east-1"
	}
	g.URL = "http://" + g.address
	g.args = []string{"--port", g.address, "--region", region, "--health", "/health", "--keep-alive", "--quiet"}
	if o.Cert != nil {
		g.URL = "https://" + g.address
		dir := t.TempDir() // an absolute path: versitygw changes its folder
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		for path, pem := range map[string][]byte{cert: o.Cert, key: o.Key} {
			if err := os.WriteFile(path, pem, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g.args = append(g.args, "--cert", cert, "--key", key)
	}
	// With an account folder an unknown key is InvalidAccessKeyId; without it
	// the gateway answers 404 XAdminUserNotFound.
	g.args = append(g.args, "--iam-dir", t.TempDir(), "posix", g.Dir)
	g.env = append(os.Environ(), "ROOT_ACCESS_KEY="+g.Access, "ROOT_SECRET_KEY="+g.Secret)
}

// Run starts the gateway again after Stop, with the same address and
// objects.
func (g *Gateway) Run() error {
	g.output.Reset()
	g.process = exec.Command(g.program, g.args...)
	g.process.Env, g.process.Stdout, g.process.Stderr = g.env, &g.output, &g.output
	if err := g.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", g.program, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; pause() {
		if g.answers() {
			return nil
		}
		if time.Now().After(deadline) {
			g.Stop()
			return fmt.Errorf("versitygw at %s does not answer:\n%s", g.URL, g.output.String())
		}
	}
}

// AddUser makes an account without rights of its own: a policy gives them.
func (g *Gateway) AddUser(t testing.TB, access, secret string) {
	t.Helper()
	args := []string{"admin", "--access", g.Access, "--secret", g.Secret, "--endpoint-url", g.URL, "--allow-insecure",
		"create-user", "--access", access, "--secret", secret, "--role", "user"}
	if out, err := exec.Command(g.program, args...).CombinedOutput(); err != nil {
		t.Fatalf("versitygw: add user %s: %v\n%s", access, err, out)
	}
}

// answers tells whether the port speaks HTTP. With TLS a plain request is
// answered too, by 400 or by an alert; a connection is all that is wanted.
func (g *Gateway) answers() bool {
	if strings.HasPrefix(g.URL, "https:") {
		conn, err := net.Dial("tcp", g.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	resp, err := http.Get(g.URL + "/health")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func pause() { <-time.After(10 * time.Millisecond) }

// Stop ends the process. Objects stay until the test ends.
func (g *Gateway) Stop() {
	if g.process == nil {
		return
	}
	g.process.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { g.process.Process.Kill() })
	g.process.Wait() // its exit status tells nothing
	kill.Stop()
	g.process = nil
}
