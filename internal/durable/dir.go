package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
)

// MaxEntries is the number of names that ReadDir takes from one folder.
const MaxEntries = 1 << 20

// ErrCrowded is returned by ReadDir for a folder with more than MaxEntries names.
var ErrCrowded = errors.New("too many names in the folder")

// ErrNotRegular is returned where a name is a folder, a pipe or a device, and a
// file was wanted.
var ErrNotRegular = errors.New("not a regular file")

// Dir is the folder at path. It need not exist yet: every operation opens it
// anew, so a card that is mounted later is found, and one that is idle can be
// unmounted.
func Dir(path string) FS { return dir(path) }

type dir string

func (d dir) Open(name string) (File, error) {
	return d.open("open", name, os.O_RDONLY, 0)
}

func (d dir) Edit(name string) (File, error) {
	return d.open("edit", name, os.O_RDWR, 0)
}

// Create holds a lock on the new file until it is closed, where the file system
// has locks: see Held.
func (d dir) Create(name string, perm fs.FileMode) (File, error) {
	f, err := d.open("create", name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if real, ok := f.(file); ok {
		_ = lock(real.File)
	}
	return f, err
}

func (d dir) Append(name string, perm fs.FileMode) (File, error) {
	return d.open("append", name, os.O_RDWR|os.O_CREATE|os.O_APPEND, perm)
}

// open opens a regular file. A pipe must not block the caller, hence openFlags.
func (d dir) open(op, name string, flags int, perm fs.FileMode) (File, error) {
	var f *os.File
	err := d.in(op, name, func(r *os.Root) (err error) {
		f, err = r.OpenFile(name, flags|openFlags, perm)
		return err
	})
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: op, Path: name, Err: cmpErr(err, ErrNotRegular)}
	}
	return file{f}, nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func (d dir) Rename(from, to string) error {
	if !fs.ValidPath(to) {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrInvalid}
	}
	return d.in("rename", from, func(r *os.Root) error {
		if err := r.Rename(from, to); err != nil {
			return err
		}
		return settle(r, to)
	})
}

func (d dir) Remove(name string) error {
	return d.in("remove", name, func(r *os.Root) error { return r.Remove(name) })
}

func (d dir) Stat(name string) (info fs.FileInfo, err error) {
	err = d.in("stat", name, func(r *os.Root) error {
		info, err = r.Lstat(name)
		return err
	})
	return info, err
}

// MkdirAll makes the folder of the FS itself, too, but not its parents: a mount
// point that is gone shall not be replaced by a folder.
func (d dir) MkdirAll(name string, perm fs.FileMode) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		info, err := d.Stat(".")
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
		return err
	}
	parent := path.Dir(name)
	if err := d.MkdirAll(parent, perm); err != nil {
		return err
	}
	switch err := d.in("mkdir", name, func(r *os.Root) error { return r.Mkdir(name, perm) }); {
	case err == nil:
		return d.SyncDir(parent)
	case errors.Is(err, fs.ErrExist):
		return d.isFolder(name)
	default:
		return err
	}
}

func (d dir) isFolder(name string) error {
	return d.in("mkdir", name, func(r *os.Root) error {
		info, err := r.Stat(name)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
		return err
	})
}

// ReadDir gives the entries by name. More than MaxEntries are ErrCrowded.
func (d dir) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = d.in("read folder", name, func(r *os.Root) error {
		f, err := r.OpenFile(name, os.O_RDONLY|openFlags, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		entries, err = readEntries(f, name)
		return err
	})
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	return entries, err
}

func readEntries(f *os.File, name string) (entries []fs.DirEntry, err error) {
	for {
		some, err := f.ReadDir(4096)
		entries = append(entries, some...)
		switch {
		case errors.Is(err, io.EOF):
			return entries, nil
		case err != nil:
			return nil, err
		case len(entries) > MaxEntries:
			return nil, &fs.PathError{Op: "read folder", Path: name, Err: ErrCrowded}
		}
	}
}

func (d dir) SyncDir(name string) error {
	return d.in("sync folder", name, func(r *os.Root) error { return syncDir(r, name) })
}

func (d dir) Space() (Space, error) {
	s, err := space(string(d))
	if err != nil {
		return Space{}, fmt.Errorf("space of %s: %w", string(d), err)
	}
	return s, nil
}

// in checks the name and runs do on the folder.
func (d dir) in(op, name string, do func(*os.Root) error) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	r, err := os.OpenRoot(string(d))
	if err != nil {
		return err
	}
	defer r.Close()
	return do(r)
}

// file adds to os.File what File asks beyond it.
type file struct{ *os.File }

func (f file) Sync() error { return syncData(f.File) }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
