package openssl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Program is an openssl that can do what is wanted.
type Program struct {
	Path    string
	Version string // like "3.0.19"
	free    chan struct{}
}

const (
	leastMajor = 3 // -nocommands and -no-CAstore
	children   = 8 // of one Program at once; each takes about 8 MB
)

// folders are where a system keeps its programs. PATH is not asked: it is
// whoever starts us who sets it.
var folders = []string{"/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/opt/homebrew/bin"}

// A MissingError says that there is no usable openssl.
type MissingError struct {
	Path string // the one that was looked at; empty: none was found
	Err  error
}

func (e *MissingError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("the program openssl is missing: not in %s", strings.Join(folders, ", "))
	}
	return fmt.Sprintf("the program %s cannot be used: %v", e.Path, e.Err)
}

func (e *MissingError) Unwrap() error { return e.Err }

// Find looks for the program and asks for its version. An empty path looks in
// the system's folders; any other must be absolute. Errors are *MissingError.
func Find(ctx context.Context, path string) (*Program, error) {
	if path == "" {
		for _, dir := range folders {
			candidate := filepath.Join(dir, "openssl")
			if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() {
				path = candidate
				break
			}
		}
	}
	switch {
	case path == "":
		return nil, &MissingError{Err: os.ErrNotExist}
	case !filepath.IsAbs(path):
		return nil, &MissingError{path, errors.New("want an absolute path")}
	}
	version, err := versionOf(ctx, path)
	if err != nil {
		return nil, &MissingError{path, err}
	}
	return &Program{Path: path, Version: version, free: make(chan struct{}, children)}, nil
}

func versionOf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env, cmd.WaitDelay = environment(), time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask for its version: %w", err)
	}
	words := strings.Fields(string(out[:min(len(out), 200)]))
	if len(words) < 2 || words[0] != "OpenSSL" {
		return "", errors.New("it is not OpenSSL")
	}
	major, err := strconv.Atoi(strings.SplitN(words[1], ".", 2)[0])
	if err != nil || major < leastMajor {
		return "", fmt.Errorf("version %.20q, want %d.0 or later", words[1], leastMajor)
	}
	return words[1], nil
}

// environment keeps the machine's configuration, and ours, out.
func environment() []string { return []string{"OPENSSL_CONF=/dev/null"} }
