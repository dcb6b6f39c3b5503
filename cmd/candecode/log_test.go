package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// narrow is a writer with room for so many bytes.
type narrow int

func (n *narrow) Write(p []byte) (int, error) {
	if *n < narrow(len(p)) {
		return 0, errors.New("no room")
	}
	*n -= narrow(len(p))
	return len(p), nil
}

func TestALogThatHasNoRoomSaysSoOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	write(t, name, bytes.Repeat([]byte("(1735343998.000001) can0 100#07\n"), 10_000))
	for _, format := range []string{"candump", "asc", "raw-csv"} {
		for _, room := range []narrow{0, 100_000} {
			var errs strings.Builder
			if code := run([]string{"--format", format, name}, strings.NewReader(""), &room, &errs); code != exitFailure || strings.Count(errs.String(), "no room") != 1 {
				t.Errorf("%s: exit code %d: %q", format, code, errs.String())
			}
		}
	}
}
