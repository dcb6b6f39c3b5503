package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"canseal/cmd/internal/appliance"
	"canseal/internal/s3test"
)

// printed runs a command and returns what it printed.
func printed(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, &out, &errs); code != want {
		t.Fatalf("canseal %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
	}
	return out.String()
}

// cardFor writes a card for a store.
func cardFor(t *testing.T, url string) (root string) {
	t.Helper()
	root = t.TempDir()
	text := "version: 1\ndevice: {id: A1B2C3D4}\nbuses:\n  - interface: can0\nupload:\n  mode: low\n  endpoint: " + url +
		"\n  bucket: trucks\n  access_key: DEVICE\n  secret_key: devicesecret\n"
	if err := os.WriteFile(filepath.Join(root, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// The printed policy is put into force; the check then finds every right and
// none too many, and prints lines that the configuration takes.
func TestPolicyAndCheckFitEachOther(t *testing.T) {
	keys := map[string]string{"DEVICE": "devicesecret", "OWNER": "ownersecret"}
	policy := printed(t, 0, "s3", "policy", "--bucket", "trucks", "--device", "a1b2c3d4", "--key", "DEVICE", "--operator", "OPERATOR")
	s, err := s3test.New(s3test.Options{Keys: keys, Buckets: []string{"trucks"}, Policy: []byte(policy), Owner: "OWNER"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	root := cardFor(t, s.URL)
	if got := printed(t, 0, "s3", "policy", "--root", root, "--operator", "OPERATOR"); got != policy {
		t.Errorf("the card's policy is another\n%s\n%s", got, policy)
	}
	out := printed(t, 0, "s3", "check", "--root", root)
	if strings.Contains(out, "right") {
		t.Errorf("rights:\n%s", out)
	}
	_, lines, ok := strings.Cut(out, "config.yaml:\n  upload:\n")
	if !ok || !strings.Contains(lines, `{if_none_match: "on", checksum: sha256, multipart_checksum: sha256}`) {
		t.Fatalf("no lines for config.yaml:\n%s", out)
	}
	file := filepath.Join(root, "config.yaml")
	text, _ := os.ReadFile(file)
	if err := os.WriteFile(file, append(text, strings.ReplaceAll(lines, "    ", "  ")...), 0o600); err != nil {
		t.Fatal(err)
	}
	printed(t, 0, "config", "check", file)
	if strings.Contains(out, "devicesecret") {
		t.Error("the secret was printed")
	}
}

func TestCheckNamesRights(t *testing.T) {
	s, err := s3test.New(s3test.Options{Keys: map[string]string{"DEVICE": "devicesecret"}, Buckets: []string{"trucks"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	root := cardFor(t, s.URL)
	if out := printed(t, 0, "s3", "check", "--root", root); strings.Count(out, "one too many") != 5 {
		t.Errorf("rights beyond need:\n%s", out)
	}
	s.Script(s3test.Fault{Query: "uploadId", Method: "DELETE", Status: 403, Times: -1})
	if out := printed(t, 1, "s3", "check", "--root", root); !strings.Contains(out, "abort own uploads: MISSING") {
		t.Errorf("a missing right:\n%s", out)
	}
}

func TestTheTrustFloorIsShownAndReset(t *testing.T) {
	root := t.TempDir()
	state := appliance.StateDir(root, filepath.Join(root, "state"))
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(state, "clock")
	if err := os.WriteFile(file, []byte(`{"known":"2027-01-01T00:00:00Z","trust":"2031-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := printed(t, 0, "clock", "show", "--state", state); !strings.Contains(out, "2031-01-01T00:00:00Z, a signed request") {
		t.Errorf("%s", out)
	}
	printed(t, 0, "clock", "reset-floor", "--state", state)
	if out := printed(t, 0, "clock", "show", "--state", state); !strings.Contains(out, "the build time") || !strings.Contains(out, "2027-01-01") {
		t.Errorf("%s", out)
	}
	// A file of 2099 raises nothing.
	if err := os.WriteFile(file, []byte(`{"known":"2099-01-01T00:00:00Z","trust":"2099-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := printed(t, 0, "clock", "show", "--state", state); !strings.Contains(out, "the build time") {
		t.Errorf("a file of 2099 counts:\n%s", out)
	}
}
