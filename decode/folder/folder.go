package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Folder is where files are made. One goroutine uses it.
type Folder struct {
	root  *os.Root
	taken map[string]int // by names in lower case: the number that one like it got last, 1: none did
	begun map[*File]bool // not closed yet
	open  []*File        // those of begun that hold a descriptor, oldest first
}

// mostOpen bounds the files held open.
const mostOpen = 64

// suffix ends the names of files that are not finished.
const suffix = ".new"

// Open opens a folder, and makes it where it is absent.
func Open(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the output folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the output folder: %w", err)
	}
	return &Folder{root: root, taken: map[string]int{}, begun: map[*File]bool{}}, nil
}

// Close closes the folder, and removes files that were not finished.
func (f *Folder) Close() error {
	var all error
	for file := range f.begun {
		if file.f != nil {
			all = errors.Join(all, file.rest())
		}
		all = errors.Join(all, f.root.Remove(file.Name+suffix))
	}
	clear(f.begun)
	return errors.Join(all, f.root.Close())
}

// File is a file that is being made.
type File struct {
	Name   string // below the folder, with slashes
	folder *Folder
	f      *os.File // nil: not open at the moment
	size   int64
}

// Create begins a file. The name's elements are separated by slashes; each was
// made by Name or is fixed.
func (f *Folder) Create(name string) (*File, error) {
	name = f.free(name)
	if err := f.root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return nil, fmt.Errorf("make the folder of %s: %w", name, err)
	}
	file := &File{Name: name, folder: f}
	if err := file.reopen(os.O_TRUNC); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	f.begun[file] = true
	return file, nil
}

// free returns a name that no file of this run has.
func (f *Folder) free(name string) string {
	ending := path.Ext(name)
	stem, free := strings.TrimSuffix(name, ending), name
	for lower := strings.ToLower(name); f.taken[strings.ToLower(free)] > 0; {
		f.taken[lower]++
		free = stem + "-" + strconv.Itoa(f.taken[lower]) + ending
	}
	f.taken[strings.ToLower(free)] = 1
	return free
}

func (f *File) reopen(flag int) error {
	if len(f.folder.open) == mostOpen {
		oldest := f.folder.open[0]
		if err := oldest.rest(); err != nil {
			return err
		}
	}
	opened, err := f.folder.root.OpenFile(f.Name+suffix, os.O_CREATE|os.O_WRONLY|os.O_APPEND|flag, 0o666)
	if err != nil {
		return err
	}
	f.f = opened
	f.folder.open = append(f.folder.open, f)
	return nil
}

// rest closes the file until something is written to it.
func (f *File) rest() error {
	f.folder.open = slices.DeleteFunc(f.folder.open, func(o *File) bool { return o == f })
	opened := f.f
	f.f = nil
	return opened.Close()
}

// Write appends.
func (f *File) Write(p []byte) (int, error) {
	if f.f == nil {
		if err := f.reopen(0); err != nil {
			return 0, err
		}
	}
	n, err := f.f.Write(p)
	f.size += int64(n)
	return n, err
}

// Size returns how many bytes were written.
func (f *File) Size() int64 { return f.size }

// Close finishes the file: it bears its name then.
func (f *File) Close() error {
	if f.f != nil {
		if err := f.rest(); err != nil {
			return err
		}
	}
	delete(f.folder.begun, f)
	return f.folder.root.Rename(f.Name+suffix, f.Name)
}

// ReadFile reads a file of an earlier run, of at most limit bytes.
func (f *Folder) ReadFile(name string, limit int64) ([]byte, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("read %s: more than %d bytes", name, limit)
	}
	return text, err
}

// Has tells whether there is a file of that size.
func (f *Folder) Has(name string, size int64) bool {
	info, err := f.root.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// Keep takes a file of an earlier run as one of this run.
func (f *Folder) Keep(name string) {
	name = strings.ToLower(name)
	f.taken[name] = max(f.taken[name], 1)
}

// Remove removes a file of an earlier run, unless this run has one of its name.
func (f *Folder) Remove(name string) error {
	if f.taken[strings.ToLower(name)] > 0 {
		return nil
	}
	return f.root.Remove(name)
}
