package input

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stdin is the name of standard input.
const Stdin = "-"

// maxFiles bounds the files of one run.
const maxFiles = 1 << 20

// Find lists the files that paths name: files, globs, folders with all below
// them, and Stdin, for which stdin is taken. In folders only names are taken
// that recordings have; a file named outright is taken whatever its name.
func Find(paths []string, stdin io.Reader) ([]File, error) {
	var all []File
	for _, path := range paths {
		found, err := find(path, stdin)
		if err != nil {
			return nil, err
		}
		if all = append(all, found...); len(all) > maxFiles {
			return nil, fmt.Errorf("find recordings: more than %d files", maxFiles)
		}
	}
	return all, nil
}

func find(path string, stdin io.Reader) ([]File, error) {
	if path == Stdin {
		return []File{{Name: Stdin, Size: -1, Open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }}}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return below(path)
	case err == nil:
		return []File{local(path, info)}, nil
	}
	names, globErr := filepath.Glob(path)
	if globErr != nil || len(names) == 0 {
		return nil, fmt.Errorf("find recordings: %w", err)
	}
	var all []File
	for _, name := range names {
		found, err := find(name, stdin)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// below lists the recordings in a folder and its folders, by name.
func below(root string) ([]File, error) {
	var all []File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() || !recording(entry.Name()) || len(all) > maxFiles {
			return nil
		}
		info, err := entry.Info()
		if err == nil {
			all = append(all, local(path, info))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find recordings below %s: %w", root, err)
	}
	return all, nil
}

func local(path string, info fs.FileInfo) File {
	size := info.Size()
	if !info.Mode().IsRegular() {
		size = -1
	}
	return File{Name: path, Size: size, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// recording tells whether a file is named like a recording.
func recording(name string) bool {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".part"), ".raw")
	return slices.Contains([]string{".mf4", ".mfc", ".mfe", ".mfm"}, filepath.Ext(name)) ||
		filepath.Ext(name) == ".log" && name != "seal.log"
}
