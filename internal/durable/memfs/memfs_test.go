package memfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

func put(t testing.TB, f *memfs.FS, name, content string) durable.File {
	t.Helper()
	file, err := f.Create(name, 0o644)
	if err == nil {
		_, err = file.Write([]byte(content))
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t testing.TB, f durable.FS, name string) string {
	t.Helper()
	data, err := durable.ReadFile(f, name, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// remainders collects what a name holds after cuts with many seeds.
func remainders(t testing.TB, f *memfs.FS, name string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for seed := range uint64(200) {
		found[read(t, f.Crash(seed), name)] = true
	}
	return found
}

func TestSyncedContentAndEntriesSurvive(t *testing.T) {
	f := memfs.New()
	file := put(t, f, "a", "kept")
	file.Sync()
	f.SyncDir(".")
	if found := remainders(t, f, "a"); len(found) != 1 || !found["kept"] {
		t.Errorf("found %v, wanted kept alone", found)
	}
}

func TestWithoutSyncOfTheFolderTheNameMayBeMissing(t *testing.T) {
	f := memfs.New()
	put(t, f, "a", "x").Sync()
	if found := remainders(t, f, "a"); len(found) != 2 || !found["-"] || !found["x"] {
		t.Errorf("found %v, wanted x and none", found)
	}
}

func TestWithoutSyncOfTheFileAnyOfItsBlocksMayBeMissing(t *testing.T) {
	f := memfs.New()
	file := put(t, f, "a", "")
	f.SyncDir(".")
	file.Write(bytes.Repeat([]byte("x"), 3*512))
	sizes, holes := map[int]bool{}, 0
	for seed := range uint64(200) {
		left := read(t, f.Crash(seed), "a")
		sizes[len(left)] = true
		if bytes.Contains([]byte(left), make([]byte, 512)) {
			holes++
		}
	}
	if !sizes[0] || !sizes[3*512] || len(sizes) < 10 || holes == 0 {
		t.Errorf("found %d sizes and %d with holes, wanted none, all and many between, some with holes", len(sizes), holes)
	}
}

func TestBlocksNotWrittenKeepWhatWasSynced(t *testing.T) {
	f := memfs.New()
	file := put(t, f, "a", "old")
	file.Sync()
	f.SyncDir(".")
	file.WriteAt([]byte("new"), 0)
	if found := remainders(t, f, "a"); len(found) != 2 || !found["old"] || !found["new"] {
		t.Errorf("found %v, wanted old and new", found)
	}
}

func TestUnsyncedTruncationIsThereOrNot(t *testing.T) {
	f := memfs.New()
	content := string(bytes.Repeat([]byte("0123456789abcdef"), 128))
	file := put(t, f, "a", content)
	file.Sync()
	f.SyncDir(".")
	file.Truncate(0)
	for left := range remainders(t, f, "a") {
		if content[:len(left)] != left {
			t.Fatalf("found %q, wanted the beginning of what was there", left)
		}
	}
}

func TestARenameIsThereOrNot(t *testing.T) {
	f := memfs.New()
	put(t, f, "a", "1")
	put(t, f, "b", "2")
	f.Settle()
	f.Rename("a", "b")
	for seed := range uint64(100) {
		left := f.Crash(seed)
		if got := read(t, left, "a") + read(t, left, "b"); got != "12" && got != "-1" {
			t.Fatalf("seed %d: found %s, wanted 12 or -1", seed, got)
		}
	}
}

func TestARenameAcrossFoldersSurvivesWithEitherFolder(t *testing.T) {
	for _, folder := range []string{"x", "y"} {
		f := memfs.New()
		f.MkdirAll("x", 0o755)
		f.MkdirAll("y", 0o755)
		put(t, f, "x/a", "1")
		f.Settle()
		f.Rename("x/a", "y/a")
		f.SyncDir(folder)
		if found := remainders(t, f, "y/a"); len(found) != 1 || !found["1"] {
			t.Errorf("%s synced: found %v, wanted 1 alone", folder, found)
		}
	}
}

func TestOnFATARenameMayLeaveBothNamesForTheSameClusters(t *testing.T) {
	f := memfs.New().OnFAT()
	put(t, f, "a", "1")
	f.Settle()
	f.Rename("a", "b")
	for seed := range uint64(100) {
		left := f.Crash(seed)
		if read(t, left, "a") != "1" || read(t, left, "b") != "1" {
			continue
		}
		left.Remove("a")
		if got := read(t, left, "b"); got == "1" {
			t.Errorf("found %q after the other name was removed, wanted rubbish", got)
		}
		return
	}
	t.Error("no cut left both names")
}

func TestOnFATNewBlocksMayHoldDeletedFiles(t *testing.T) {
	f := memfs.New().OnFAT()
	put(t, f, "old", string(bytes.Repeat([]byte("stale"), 400)))
	f.Remove("old")
	file := put(t, f, "a", "")
	f.Settle()
	file.Write(make([]byte, 2048))
	for left := range remainders(t, f, "a") {
		if bytes.Contains([]byte(left), []byte("stale")) {
			return
		}
	}
	t.Error("no cut left bytes of the deleted file")
}

func TestTheSameSeedLeavesTheSame(t *testing.T) {
	f := memfs.New().OnFAT()
	put(t, f, "gone", "rubbish")
	f.Remove("gone")
	put(t, f, "a", string(bytes.Repeat([]byte("x"), 9000)))
	put(t, f, "b", string(bytes.Repeat([]byte("y"), 9000)))
	for seed := range uint64(50) {
		first, second := f.Crash(seed), f.Crash(seed)
		if read(t, first, "a") != read(t, second, "a") || read(t, first, "b") != read(t, second, "b") {
			t.Fatalf("seed %d left two different things", seed)
		}
	}
}

func TestACutLeavesTheOriginalAlone(t *testing.T) {
	f := memfs.New()
	put(t, f, "a", "x").Sync()
	f.SyncDir(".")
	left := f.Crash(1)
	file, _ := left.Edit("a")
	file.WriteAt([]byte("y"), 0)
	if got := read(t, f, "a"); got != "x" {
		t.Errorf("found %q, wanted x", got)
	}
}

func TestAFullCardTakesWhatFits(t *testing.T) {
	f := memfs.New()
	f.Limit(10)
	file := put(t, f, "a", "12345678")
	n, err := file.Write([]byte("abcd"))
	if n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v; wanted 2 and ENOSPC", n, err)
	}
	if space, _ := f.Space(); space.Free != 0 || space.Total != 10 {
		t.Errorf("found %+v, wanted none free of 10", space)
	}
	f.Remove("a")
	if space, _ := f.Space(); space.Free != 10 {
		t.Errorf("found %+v, wanted 10 free after the removal", space)
	}
}

func TestAReadOnlyCardTakesNothing(t *testing.T) {
	f := memfs.New()
	file := put(t, f, "a", "x")
	f.ReadOnly(true)
	_, create := f.Create("b", 0o644)
	_, write := file.Write([]byte("y"))
	_, edit := f.Edit("a")
	for _, err := range []error{create, write, edit, f.Remove("a"), f.Rename("a", "b"), f.MkdirAll("d", 0o755)} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("found %v, wanted EROFS", err)
		}
	}
	if got := read(t, f, "a"); got != "x" {
		t.Errorf("found %q, wanted x", got)
	}
}

func TestAFailedWriteMayHaveWrittenItsFirstHalf(t *testing.T) {
	f := memfs.New()
	file := put(t, f, "a", "")
	fault := errors.New("bad sector")
	f.FailAt(f.Ops()+1, fault)
	n, err := file.Write([]byte("abcd"))
	if n != 2 || !errors.Is(err, fault) {
		t.Errorf("wrote %d, %v; wanted 2 and the fault", n, err)
	}
	if n, err = file.Write([]byte("ef")); n != 2 || err != nil {
		t.Errorf("wrote %d, %v; wanted the fault to be over", n, err)
	}
	if got := read(t, f, "a"); got != "abef" {
		t.Errorf("found %q, wanted abef", got)
	}
}

func TestErrorsAreThoseOfTheRealFolder(t *testing.T) {
	real, twin := durable.Dir(t.TempDir()), memfs.New()
	for _, do := range []struct {
		name string
		run  func(durable.FS) error
	}{
		{"a folder is made with its parents", func(f durable.FS) error { return f.MkdirAll("d/e", 0o755) }},
		{"a folder is made again", func(f durable.FS) error { return f.MkdirAll("d/e", 0o755) }},
		{"a file is created", func(f durable.FS) error { return create(f, "d/a") }},
		{"a name is taken", func(f durable.FS) error { return create(f, "d/a") }},
		{"a folder is missing", func(f durable.FS) error { return create(f, "x/a") }},
		{"a file is no folder", func(f durable.FS) error { return create(f, "d/a/b") }},
		{"a folder where a file is", func(f durable.FS) error { return f.MkdirAll("d/a", 0o755) }},
		{"a missing file is opened", func(f durable.FS) error { _, err := f.Open("no"); return err }},
		{"a missing file is edited", func(f durable.FS) error { _, err := f.Edit("no"); return err }},
		{"a folder is opened as a file", func(f durable.FS) error { _, err := f.Open("d"); return err }},
		{"a name leads out", func(f durable.FS) error { return create(f, "../a") }},
		{"a name is absolute", func(f durable.FS) error { return f.MkdirAll("/a", 0o755) }},
		{"a folder is not empty", func(f durable.FS) error { return f.Remove("d") }},
		{"a missing file is removed", func(f durable.FS) error { return f.Remove("no") }},
		{"a missing file is renamed", func(f durable.FS) error { return f.Rename("no", "a") }},
		{"a rename leads out", func(f durable.FS) error { return f.Rename("d/a", "../a") }},
		{"a file replaces a folder", func(f durable.FS) error { return f.Rename("d/a", "d/e") }},
		{"a folder goes into itself", func(f durable.FS) error { return f.Rename("d", "d/e/f") }},
		{"a file is renamed", func(f durable.FS) error { return f.Rename("d/a", "d/b") }},
		{"a folder is synced", func(f durable.FS) error { return f.SyncDir("d") }},
		{"a missing folder is synced", func(f durable.FS) error { return f.SyncDir("no") }},
		{"a missing folder is read", func(f durable.FS) error { _, err := f.ReadDir("no"); return err }},
		{"a file is read as a folder", func(f durable.FS) error { _, err := f.ReadDir("d/b"); return err }},
		{"a reader does not write", func(f durable.FS) error { r, _ := f.Open("d/b"); _, err := r.Write([]byte("x")); return err }},
		{"a reader does not truncate", func(f durable.FS) error { r, _ := f.Open("d/b"); return r.Truncate(0) }},
		{"a file is read at its end", func(f durable.FS) error { r, _ := f.Open("d/b"); _, err := r.Read(make([]byte, 1)); return err }},
	} {
		if want, got := class(do.run(real)), class(do.run(twin)); want != got {
			t.Errorf("%s: found %v, wanted %v", do.name, got, want)
		}
	}
}

func create(f durable.FS, name string) error {
	file, err := f.Create(name, 0o644)
	if err == nil {
		err = file.Close()
	}
	return err
}

// class is what a caller may branch on.
func class(err error) string {
	for _, known := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, durable.ErrNotRegular, io.EOF} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "other"
	}
	return "none"
}

func TestFilesReadAndWriteAsTheRealOnes(t *testing.T) {
	for _, f := range []durable.FS{durable.Dir(t.TempDir()), memfs.New()} {
		file, err := f.Create("a", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		file.Write([]byte("hello"))
		file.WriteAt([]byte("J"), 0)
		file.Truncate(8)
		file.Truncate(4)
		file.Truncate(6)
		more, err := f.Append("a", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		more.Write([]byte("!"))
		if _, err := more.WriteAt([]byte("x"), 0); err == nil {
			t.Error("a file opened for appending was written at an offset")
		}
		if got := read(t, f, "a"); got != "Jell\x00\x00!" {
			t.Errorf("%T: found %q", f, got)
		}
		p := make([]byte, 4)
		if n, err := file.ReadAt(p, 4); n != 3 || err != io.EOF {
			t.Errorf("%T: read %d, %v; wanted 3 and EOF", f, n, err)
		}
		if size, err := file.Size(); size != 7 || err != nil {
			t.Errorf("%T: size %d, %v; wanted 7", f, size, err)
		}
		info, err := f.Stat("a")
		if err != nil || info.Size() != 7 || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
			t.Errorf("%T: found %v, %v", f, info, err)
		}
	}
}
