package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

func TestAFileIsOldOrNewAfterACutAnywhere(t *testing.T) {
	for name, search := range map[string]func(testing.TB, func(*memfs.FS), func(*memfs.FS) error, func(*memfs.FS)){
		"journal": memfs.EachCrash,
		// On FAT both names may stand for the new file; the next write must get over that.
		"FAT": memfs.EachCrashOnFAT,
	} {
		t.Run(name, func(t *testing.T) {
			setup := func(f *memfs.FS) {
				if err := durable.WriteFile(f, "state", []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			search(t, setup, func(f *memfs.FS) error {
				return durable.WriteFile(f, "state", []byte("new"), 0o600)
			}, func(f *memfs.FS) {
				data, err := durable.ReadFile(f, "state", 10)
				if got := string(data); err != nil || got != "old" && got != "new" {
					t.Fatalf("found %q, %v; wanted old or new", got, err)
				}
				if err := durable.WriteFile(f, "state", []byte("next"), 0o600); err != nil {
					t.Fatal(err)
				}
				if data, err = durable.ReadFile(f.Crash(0), "state", 10); string(data) != "next" {
					t.Fatalf("found %q, %v; wanted next", data, err)
				}
			})
		})
	}
}

func TestReadFileRefusesWhatIsAboveTheLimit(t *testing.T) {
	f := memfs.New()
	durable.WriteFile(f, "a", []byte("12345"), 0o600)
	if data, err := durable.ReadFile(f, "a", 5); string(data) != "12345" || err != nil {
		t.Errorf("at the limit: %q, %v", data, err)
	}
	if data, err := durable.ReadFile(f, "a", 4); data != nil || !errors.Is(err, durable.ErrTooLarge) {
		t.Errorf("above: %q, %v; wanted ErrTooLarge", data, err)
	}
	if _, err := durable.ReadFile(f, "b", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func TestAFolderThatIsMissingIsNotMade(t *testing.T) {
	root := filepath.Join(t.TempDir(), "card")
	f := durable.Dir(root)
	if err := f.MkdirAll("LOG", 0o755); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("found %v, wanted fs.ErrNotExist: the card is not there", err)
	}
	if _, err := f.Space(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("space: found %v, wanted fs.ErrNotExist", err)
	}
	os.Mkdir(root, 0o755)
	if err := f.MkdirAll("LOG/A1B2C3D4/00000001", 0o755); err != nil {
		t.Errorf("after it came: %v", err)
	}
}

func TestNamesDoNotLeaveTheFolder(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600)
	if err := os.Symlink(outside, filepath.Join(root, "way")); err != nil {
		t.Skipf("internal/durable: symbolic links: %v", err)
	}
	f := durable.Dir(root)
	for name, err := range map[string]error{
		"through a link":    second(f.Open("way/secret")),
		"new behind a link": second(f.Create("way/new", 0o600)),
		"folder behind it":  f.MkdirAll("way/new", 0o700),
		"upwards":           second(f.Open("../secret")),
		"absolute":          second(f.Open(filepath.Join(outside, "secret"))),
		"renamed out":       f.Rename("way", "../way"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 1 {
		t.Errorf("outside: found %v, wanted the secret alone", left)
	}
}

func second[T any](_ T, err error) error { return err }

func TestEntriesComeByName(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"b", "c", "a"} {
		os.WriteFile(filepath.Join(root, name), nil, 0o600)
	}
	entries, err := durable.Dir(root).ReadDir(".")
	if err != nil || len(entries) != 3 || entries[0].Name() != "a" || entries[2].Name() != "c" {
		t.Errorf("found %v, %v", entries, err)
	}
}

func TestAFileIsHeldWhileItIsWritten(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("internal/durable: locks are taken on Linux only")
	}
	root := t.TempDir()
	f, err := durable.Dir(root).Create("part", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(root, "part")
	for range 2 { // looking changes nothing
		if !durable.Held(name) {
			t.Error("a file that is being written is not held")
		}
	}
	f.Close()
	if durable.Held(name) || durable.Held(name+"no") {
		t.Error("a file is held that nobody writes")
	}
}

func TestALockHasOneHolder(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("internal/durable: locks are taken on Linux only")
	}
	name := filepath.Join(t.TempDir(), "lock")
	first, err := durable.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Lock(name); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("found %v, wanted ErrLocked", err)
	}
	first.Close()
	second, err := durable.Lock(name)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	second.Close()
}
