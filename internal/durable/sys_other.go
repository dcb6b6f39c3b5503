//go:build !linux

package durable

import (
	"os"
	"runtime"
)

// Cards are read and demonstrated here, not recorded on: locks are not taken,
// and the room is taken for endless.
const (
	openFlags = 0
	endless   = 1 << 60
)

func syncData(f *os.File) error { return f.Sync() }

// settle is for FAT cards of Linux.
func settle(*os.Root, string) error { return nil }

// syncDir does nothing on Windows, where folders cannot be synced.
func syncDir(r *os.Root, name string) error {
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if runtime.GOOS == "windows" {
		return nil
	}
	return f.Sync()
}

func lock(*os.File) error { return nil }

func space(path string) (Space, error) {
	_, err := os.Stat(path)
	return Space{Total: endless, Free: endless}, err
}

func identity(path string) (string, bool, error) {
	_, err := os.Stat(path)
	return "", false, err
}
