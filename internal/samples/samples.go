// Package samples finds the sample files of tests: logs and DBC files of real
// vehicles, and what other programs decode from them. They are no part of this
// repository. Their folder is named by CANSEAL_SAMPLES, or is shared/samples
// beside the checkout. Where they are absent a test that needs them is skipped
// by name, or fails if CANSEAL_REQUIRE holds "samples".
package samples

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Dir returns the folder.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CANSEAL_SAMPLES")
	if dir == "" {
		dir = filepath.Join(moduleRoot(t), "..", "shared", "samples")
	}
	if _, err := os.Stat(filepath.Join(dir, "expected")); err != nil {
		absent(t, err)
	}
	return dir
}

func absent(t testing.TB, err error) {
	t.Helper()
	say := t.Skipf
	if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "samples") {
		say = t.Fatalf
	}
	say("%s not run: no sample files (CANSEAL_SAMPLES): %v", t.Name(), err)
}

// moduleRoot returns the folder of go.mod at or above the working directory.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod above")
			t.Fatal(err)
		}
	}
	t.Fatal(err)
	return ""
}

// Read returns a sample file, unpacked if its name ends in .gz.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(Dir(t), filepath.FromSlash(name)))
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(file)); err == nil {
			file, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// JSON reads a sample file into v.
func JSON(t testing.TB, name string, v any) {
	t.Helper()
	if err := json.Unmarshal(Read(t, name), v); err != nil {
		t.Fatal(err)
	}
}

// Lines reads a sample file with one JSON value per line.
func Lines[T any](t testing.TB, name string) (all []T) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(Read(t, name))); ; {
		var v T
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
}
