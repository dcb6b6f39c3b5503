package probe

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// firmware compiles the probe in C.
func firmware(t *testing.T) string {
	t.Helper()
	const what = "mbedTLS as a probe on a serial line"
	gcc := tool(t, "gcc", what)
	program := filepath.Join(t.TempDir(), "probe")
	out, err := exec.Command(gcc, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program,
		"testdata/probe.c", "-lmbedtls", "-lmbedx509", "-lmbedcrypto").CombinedOutput()
	switch {
	case err == nil:
		return program
	case strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers"):
		t.Fatalf("%v\n%s", err, out)
	default:
		t.Skipf("libmbedtls-dev is absent (make peers): NOT RUN: %s\n%s", what, out)
	}
	return ""
}

// bench is a line whose other end is a program.
type bench struct {
	io.Reader
	io.WriteCloser
	r    *rand.Rand
	loss float64 // of frames to the program
}

func (b *bench) Write(p []byte) (int, error) {
	if b.r.Float64() < b.loss {
		return len(p), nil
	}
	return b.WriteCloser.Write(p)
}

// A probe in C on mbedTLS gets through handshake and messages over the framing of
// the line; with another root it does not.
func TestMbedTLSOnALine(t *testing.T) {
	program := firmware(t)
	for name, row := range map[string]struct {
		stranger bool
		loss     float64
	}{"good": {}, "one frame of ten is lost": {loss: 0.1}, "a stranger": {stranger: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLink(t, nil)
			f := l.fleet
			if row.stranger {
				f = newFleet(t)
			}
			cert, key, _ := files(t, f, "roof", false)
			_, _, root := files(t, l.fleet, "x", true)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			cmd := exec.CommandContext(ctx, program, cert, key, root, "logger")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line := NewLine(&bench{out, in, rand.New(rand.NewPCG(7, 8)), row.loss}, LineOptions{Name: "line", Baud: 115_200, Master: true})
			l.background(func(ctx context.Context) { _ = l.server.ListenLine(ctx, line) })
			if row.stranger {
				if err := cmd.Wait(); err == nil {
					t.Error("the program is content")
				}
				if l.association() != nil || l.status().Events > 0 {
					t.Errorf("taken: %s", said.String())
				}
				return
			}
			within(t, "its frames", func() bool { return l.ears.at() == 3 })
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, said.String())
			}
			l.ears.good(t)
			if s := l.status(); s.Boots != 1 || s.Lost != 0 || s.Bad != 0 {
				t.Errorf("%+v", s)
			}
			t.Log(strings.TrimSpace(said.String()))
		})
	}
}
