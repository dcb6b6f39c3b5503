package durable

import (
	"fmt"
	"os"
)

// Exposed tells that users other than the owner may read or write a file. File
// systems without modes of their own, such as FAT, never say so: there the
// mount decides.
func Exposed(fsys FS, name string) (bool, error) {
	info, err := fsys.Stat(name)
	if err != nil {
		return false, err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return false, nil
	}
	f, err := fsys.Open(name)
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", name, err)
	}
	defer f.Close()
	if real, ok := f.(file); ok {
		return KeepsModes(real.File), nil
	}
	return true, nil
}

// KeepsModes tells whether the file system of an open file keeps the modes of
// files.
func KeepsModes(f *os.File) bool { return keepsModes(f) }
