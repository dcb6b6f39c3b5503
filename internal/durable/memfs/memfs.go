package memfs

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"canseal/internal/durable"
)

// roomy is the size of a file system of which nobody asked for another: 1 TiB.
const roomy = 1 << 40

// FS is a folder in memory. It may be used from any goroutine.
type FS struct {
	mu       sync.Mutex
	root     *node
	pending  []change // of entries, not synced, in their order
	ops      int
	fault    func(Op) error
	total    int64
	used     int64
	readOnly bool
	fat      bool
	trash    trash
}

var _ durable.FS = (*FS)(nil)

// New is an empty folder with 1 TiB of room.
func New() *FS { return &FS{root: newFolder(0o755), total: roomy} }

// OnFAT makes power cuts as bad as those of FAT, and returns f.
func (f *FS) OnFAT() *FS {
	f.fat = true
	return f
}

// Op is an operation that is about to be done.
type Op struct {
	N    int    // from 1, over all operations of the FS and its files but Close, Size and Space
	Kind string // open, edit, create, append, rename, remove, mkdir, readdir, stat, syncdir, read, write, truncate, sync
	Name string // of the file or folder; of a rename, the old name
}

// changes reports whether the operation can change what a power cut leaves.
func (o Op) changes() bool {
	return !slices.Contains([]string{"open", "edit", "readdir", "stat", "read"}, o.Kind)
}

// Ops is the number of operations so far.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Fault has decide asked before each operation: an error of its own makes the
// operation fail with it. A write that fails has written its first half. nil ends
// the faults.
func (f *FS) Fault(decide func(Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = decide
}

// FailAt makes the operation n fail with err, and only that.
func (f *FS) FailAt(n int, err error) {
	f.Fault(func(o Op) error {
		if o.N == n {
			return err
		}
		return nil
	})
}

// FailFrom makes the operation n and all after it fail with err.
func (f *FS) FailFrom(n int, err error) {
	f.Fault(func(o Op) error {
		if o.N >= n {
			return err
		}
		return nil
	})
}

// Limit sets the size of the file system in bytes. What is above it stays, but
// nothing grows: ENOSPC.
func (f *FS) Limit(total int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total = total
}

// ReadOnly makes every change fail with EROFS, or ends that.
func (f *FS) ReadOnly(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readOnly = on
}

// do runs one operation, unless it is made to fail.
func (f *FS) do(kind, name string, operation func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.allow(kind, name)
	if err == nil {
		err = operation()
	}
	if err != nil {
		return &fs.PathError{Op: kind, Path: name, Err: err}
	}
	return nil
}

func (f *FS) allow(kind, name string) error {
	f.ops++
	op := Op{f.ops, kind, name}
	if f.fault != nil {
		if err := f.fault(op); err != nil {
			return err
		}
	}
	if !fs.ValidPath(name) {
		return fs.ErrInvalid
	}
	if f.readOnly && op.changes() && kind != "sync" && kind != "syncdir" || f.readOnly && kind == "edit" {
		return syscall.EROFS
	}
	return nil
}

// find walks to a node.
func (f *FS) find(name string) (*node, error) {
	at := f.root
	if name == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !at.folder() {
			return nil, syscall.ENOTDIR
		}
		next, ok := at.entries[part]
		if !ok {
			return nil, fs.ErrNotExist
		}
		at = next
	}
	return at, nil
}

// parent is the folder of a name.
func (f *FS) parent(name string) (folder *node, base string, err error) {
	if name == "." {
		return nil, "", fs.ErrInvalid
	}
	folder, err = f.find(path.Dir(name))
	if err == nil && !folder.folder() {
		err = syscall.ENOTDIR
	}
	return folder, path.Base(name), err
}

func (f *FS) Open(name string) (durable.File, error) { return f.open("open", name, false) }

func (f *FS) Edit(name string) (durable.File, error) { return f.open("edit", name, true) }

func (f *FS) open(kind, name string, writable bool) (file durable.File, err error) {
	err = f.do(kind, name, func() error {
		n, err := f.find(name)
		if err != nil {
			return err
		}
		if n.folder() {
			return durable.ErrNotRegular
		}
		file = &handle{fs: f, node: n, name: name, writable: writable}
		return nil
	})
	return file, err
}

func (f *FS) Create(name string, perm fs.FileMode) (file durable.File, err error) {
	err = f.do("create", name, func() error {
		n, err := f.make(name, perm)
		file = &handle{fs: f, node: n, name: name, writable: true}
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *FS) make(name string, perm fs.FileMode) (*node, error) {
	folder, base, err := f.parent(name)
	if err != nil {
		return nil, err
	}
	if folder.entries[base] != nil {
		return nil, fs.ErrExist
	}
	n := newFile(perm)
	f.change(change{folder: folder, name: base, add: n})
	return n, nil
}

func (f *FS) Append(name string, perm fs.FileMode) (file durable.File, err error) {
	err = f.do("append", name, func() error {
		n, err := f.find(name)
		if err == fs.ErrNotExist {
			n, err = f.make(name, perm)
		}
		if err == nil && n.folder() {
			err = durable.ErrNotRegular
		}
		file = &handle{fs: f, node: n, name: name, writable: true, appends: true}
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *FS) Rename(from, to string) error {
	return f.do("rename", from, func() error {
		if !fs.ValidPath(to) {
			return fs.ErrInvalid
		}
		source, base, err := f.parent(from)
		if err != nil {
			return err
		}
		target, newBase, err := f.parent(to)
		if err != nil {
			return err
		}
		n, old := source.entries[base], target.entries[newBase]
		if err := replaceable(n, old, from, to); err != nil || from == to {
			return err
		}
		f.change(change{folder: target, name: newBase, add: n, drop: old, from: source, old: base})
		return nil
	})
}

// replaceable says what POSIX says on renaming n to where old is.
func replaceable(n, old *node, from, to string) error {
	switch {
	case n == nil:
		return fs.ErrNotExist
	case n.folder() && strings.HasPrefix(to+"/", from+"/") && from != to:
		return syscall.EINVAL
	case old == nil:
		return nil
	case old.folder() && !n.folder():
		return syscall.EEXIST // as package os says it
	case !old.folder() && n.folder():
		return syscall.ENOTDIR
	case len(old.entries) > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

func (f *FS) Remove(name string) error {
	return f.do("remove", name, func() error {
		folder, base, err := f.parent(name)
		if err != nil {
			return err
		}
		n := folder.entries[base]
		if n == nil {
			return fs.ErrNotExist
		}
		if len(n.entries) > 0 {
			return syscall.ENOTEMPTY
		}
		f.change(change{folder: folder, name: base, drop: n})
		return nil
	})
}

func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return nil
	}
	if parent := path.Dir(name); parent != "." {
		if err := f.MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	made := false
	err := f.do("mkdir", name, func() error {
		folder, base, err := f.parent(name)
		if err != nil {
			return err
		}
		switch n := folder.entries[base]; {
		case n == nil:
			made = true
			f.change(change{folder: folder, name: base, add: newFolder(perm)})
		case !n.folder():
			return fs.ErrExist
		}
		return nil
	})
	if err == nil && made {
		err = f.SyncDir(path.Dir(name))
	}
	return err
}

func (f *FS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = f.do("readdir", name, func() error {
		n, err := f.find(name)
		if err != nil {
			return err
		}
		if !n.folder() {
			return syscall.ENOTDIR
		}
		for _, base := range n.names() {
			entries = append(entries, fs.FileInfoToDirEntry(n.entries[base].info(base)))
		}
		return nil
	})
	return entries, err
}

func (f *FS) Stat(name string) (info fs.FileInfo, err error) {
	err = f.do("stat", name, func() error {
		n, err := f.find(name)
		if err == nil {
			info = n.info(path.Base(name))
		}
		return err
	})
	return info, err
}

func (f *FS) SyncDir(name string) error {
	return f.do("syncdir", name, func() error {
		n, err := f.find(name)
		if err == nil && !n.folder() {
			err = syscall.ENOTDIR
		}
		if err == nil {
			f.commit(n)
		}
		return err
	})
}

func (f *FS) Space() (durable.Space, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return durable.Space{Total: f.total, Free: max(0, f.total-f.used)}, nil
}
