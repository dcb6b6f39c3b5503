package durable

import (
	"io"
	"io/fs"
)

// FS is a folder: the card, or the state folder. Names are slash-separated,
// relative, and valid by fs.ValidPath. Every writer of the card uses it, so
// that the fault-injecting twin (internal/durable/memfs) can cut the power
// after any operation and fail any of them.
//
// Errors satisfy errors.Is for fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC,
// syscall.EROFS and so on, as those of package os do.
type FS interface {
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Edit opens an existing file for reading and writing.
	Edit(name string) (File, error)
	// Create makes a new file for reading and writing; it fails with
	// fs.ErrExist when the name is taken. perm 0600 or 0644.
	Create(name string, perm fs.FileMode) (File, error)
	// Append opens a file for appending, and makes it where it is absent.
	Append(name string, perm fs.FileMode) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// MkdirAll makes a folder and its parents and syncs each parent in which
	// it made an entry.
	MkdirAll(name string, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the entries of a folder durable.
	SyncDir(name string) error
	// Space tells the room of the file system.
	Space() (Space, error)
}

// File is an open file of an FS.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	// Sync makes content and size durable (fdatasync).
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// Space is the room of a file system in bytes. Free is what an unprivileged
// writer can still use.
type Space struct {
	Total, Free int64
}
