package memfs_test

import (
	"errors"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

// TestSearchesFindTheMissingSync plants the classic faults into a replacement of
// a file and asks the search for each.
func TestSearchesFindTheMissingSync(t *testing.T) {
	for _, work := range []struct {
		name  string
		run   func(*memfs.FS) error
		fault bool
	}{
		{"whole", func(f *memfs.FS) error { return durable.WriteFile(f, "a", []byte("new"), 0o644) }, false},
		{"in place", func(f *memfs.FS) error {
			file, err := f.Edit("a")
			if err != nil {
				return err
			}
			_, err = file.WriteAt([]byte("neu"), 0)
			return errors.Join(err, file.Truncate(2), file.Sync())
		}, true},
		{"renamed before it is synced", func(f *memfs.FS) error {
			file, err := write(f, "a.new")
			if err != nil {
				return err
			}
			return errors.Join(f.Rename("a.new", "a"), file.Sync(), f.SyncDir("."))
		}, true},
		{"removed before it is renamed", func(f *memfs.FS) error {
			file, err := write(f, "a.new")
			if err != nil {
				return err
			}
			return errors.Join(file.Sync(), f.Remove("a"), f.Rename("a.new", "a"), f.SyncDir("."))
		}, true},
	} {
		found := false
		memfs.EachCrash(t, func(f *memfs.FS) { put(t, f, "a", "old") }, work.run, func(f *memfs.FS) {
			got := read(t, f, "a")
			found = found || got != "old" && got != "new"
		})
		if found != work.fault {
			t.Errorf("%s: fault found %v, wanted %v", work.name, found, work.fault)
		}
	}
}

func TestAfterTheWorkTheLastCutSeesAllOfIt(t *testing.T) {
	last := ""
	memfs.EachCrash(t, nil, func(f *memfs.FS) error {
		return durable.WriteFile(f, "a", []byte("new"), 0o644)
	}, func(f *memfs.FS) { last = read(t, f, "a") })
	if last != "new" {
		t.Errorf("found %q, wanted new", last)
	}
}

func TestEachFaultIsReportedAndLeavesOldOrNew(t *testing.T) {
	bad := errors.New("bad sector")
	faults := 0
	memfs.EachFault(t, bad, func(f *memfs.FS) { put(t, f, "a", "old") }, func(f *memfs.FS) error {
		return durable.WriteFile(f, "a", []byte("new"), 0o644)
	}, func(f *memfs.FS, err error) {
		faults++
		if !errors.Is(err, bad) {
			t.Errorf("found %v, wanted the fault", err)
		}
		if got := read(t, f, "a"); got != "old" && got != "new" {
			t.Errorf("found %q, wanted old or new", got)
		}
		if err := durable.WriteFile(f, "a", []byte("again"), 0o644); err != nil || read(t, f, "a") != "again" {
			t.Errorf("a second attempt: %v", err)
		}
	})
	if faults < 6 {
		t.Errorf("found %d faults, wanted one for each operation", faults)
	}
}

func write(f *memfs.FS, name string) (durable.File, error) {
	file, err := f.Create(name, 0o644)
	if err == nil {
		_, err = file.Write([]byte("new"))
	}
	return file, err
}
