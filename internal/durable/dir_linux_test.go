package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"canseal/internal/durable"
)

func TestAPipeIsNotOpenedAsAFile(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := durable.Dir(root)
	for name, open := range map[string]func() (durable.File, error){
		"open":   func() (durable.File, error) { return f.Open("pipe") },
		"edit":   func() (durable.File, error) { return f.Edit("pipe") },
		"append": func() (durable.File, error) { return f.Append("pipe", 0o600) },
	} {
		if _, err := open(); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("%s: found %v, wanted ErrNotRegular", name, err)
		}
	}
	if _, err := f.ReadDir("pipe"); err == nil {
		t.Error("a pipe was read as a folder")
	}
}

func TestAMountPointIsKnown(t *testing.T) {
	if _, mounted, err := durable.Identity("/proc"); !mounted || err != nil {
		t.Errorf("/proc: found %v, %v; wanted a mount point", mounted, err)
	}
	folder := t.TempDir()
	id, mounted, err := durable.Identity(folder)
	if mounted || err != nil {
		t.Errorf("a folder: found %v, %v; wanted none", mounted, err)
	}
	if again, _, _ := durable.Identity(filepath.Dir(folder)); id == "" || id != again {
		t.Errorf("found %q and %q for folders of one file system", id, again)
	}
	if _, _, err := durable.Identity(filepath.Join(folder, "no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: found %v", err)
	}
}

func TestSpaceIsWhatTheSystemSays(t *testing.T) {
	s, err := durable.Dir(t.TempDir()).Space()
	if err != nil || s.Total <= 0 || s.Free < 0 || s.Free > s.Total {
		t.Errorf("found %+v, %v", s, err)
	}
}
