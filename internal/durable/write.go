package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// Temporary is the end of the name under which WriteFile writes before it
// renames. A file with such a name is a leftover.
const Temporary = ".new"

// ErrTooLarge is returned by ReadFile for a file above the limit.
var ErrTooLarge = errors.New("file too large")

// WriteFile replaces a file as a whole: after a power cut the name holds the
// old content or the new one, and after a nil error surely the new one. The
// folder must exist. One name has one writer.
func WriteFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	temporary := name + Temporary
	if err := writeNew(fsys, temporary, data, perm); err != nil {
		// A disk that is full again needs the room; what stays is overwritten next time.
		fsys.Remove(temporary)
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := fsys.Rename(temporary, name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// writeNew writes and syncs a new file in place of any leftover of that name.
func writeNew(fsys FS, name string, data []byte, perm fs.FileMode) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Create(name, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ReadFile reads a whole file of at most limit bytes; a larger one is
// ErrTooLarge, and never more than limit + 1 bytes are held.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: %w: wanted at most %d bytes", name, ErrTooLarge, limit)
	}
	return data, nil
}
