package control

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debianPython has the packages of Debian; another python3 may come first in
// the path.
const debianPython = "/usr/bin/python3"

// A client that shares no code with this package, by way of another Noise
// library: docs/control-protocol.md prints it.
func TestAPythonClientIsAnswered(t *testing.T) {
	if err := exec.Command(debianPython, "-c", "import dissononce").Run(); err != nil {
		if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
			t.Fatalf("python3-dissononce: %v", err)
		}
		t.Skip("python3-dissononce is absent (make peers): NOT RUN: a foreign client of the control channel")
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, key(t, token), nil)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + strings.Repeat(".", 40_000)))
	})}
	defer server.Close()
	go func() { _ = server.Serve(l) }()
	file := filepath.Join(t.TempDir(), "token")
	ask := func(token string) (string, error) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(inner.Addr().String())
		out, err := exec.Command(debianPython, "testdata/client.py", host, port, file).CombinedOutput()
		return string(out), err
	}
	if out, err := ask(token); err != nil || out != "GET /v1/status"+strings.Repeat(".", 40_000) {
		t.Errorf("%v: %.300s", err, out)
	}
	if out, err := ask(token + "?"); err == nil {
		t.Errorf("answered another token: %.300s", out)
	}
}
