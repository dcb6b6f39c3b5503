package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Rename takes a segment to its next name and syncs the folder. It never
// replaces: a name that is taken is fs.ErrExist.
func (c Card) Rename(n Name, from, to Suffix) error {
	target := c.Path(n, to)
	if _, err := c.FS.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rename segment %s to %s: %w", n, path.Base(target), orExists(err))
	}
	if err := c.FS.Rename(c.Path(n, from), target); err != nil {
		return fmt.Errorf("rename segment %s: %w", n, err)
	}
	return c.sync(n.Session)
}

func orExists(err error) error {
	if err != nil {
		return err
	}
	return fs.ErrExist
}

// Seal makes a finished file the segment: from now on its bytes never change.
// from is Part, Raw or Tmp.
func (c Card) Seal(n Name, from Suffix) error { return c.Rename(n, from, Sealed) }

// Pin puts a segment first in the queue and last in retention. Pinning twice is
// pinning once.
func (c Card) Pin(n Name) error {
	s, err := c.Load(n)
	if err != nil {
		return fmt.Errorf("pin segment %s: %w", n, err)
	}
	if s.Has&Of(Part, Raw, Sealed) == 0 {
		return fmt.Errorf("pin segment %s: %w", n, fs.ErrNotExist)
	}
	f, err := c.FS.Create(c.Path(n, Keep), 0o644)
	if errors.Is(err, fs.ErrExist) {
		return c.sync(n.Session)
	}
	if err != nil {
		return fmt.Errorf("pin segment %s: %w", n, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("pin segment %s: %w", n, err)
	}
	return c.sync(n.Session)
}

// Unpin takes the pin away; none is no error.
func (c Card) Unpin(n Name) error { return c.Drop(n, Of(Keep)) }

// Drop removes these names of a segment, as far as they are there, and syncs the
// folder. What is gone already is no error.
func (c Card) Drop(n Name, names Set) error {
	for _, s := range names.Suffixes() {
		if err := c.FS.Remove(c.Path(n, s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove of segment %s: %w", n, err)
		}
	}
	if err := c.sync(n.Session); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove deletes a sealed segment: .MF4, .upload, .sent, .keep in this order, so
// that no cut leaves a segment without the receipt it had; then, when no segment
// is left in it, seal.log and the folder.
func (c Card) Remove(n Name) error {
	for _, names := range []Set{Of(Sealed), Of(Upload), Of(Sent, SentCopy), Of(Keep)} {
		if err := c.Drop(n, names); err != nil {
			return err
		}
	}
	return c.Tidy(n.Session)
}

// Tidy removes seal.log and the folder of a SESSION in which no segment is left.
// A folder with anything else in it stays.
func (c Card) Tidy(session uint32) error {
	entries, err := readDir(c.FS, c.Folder(session))
	if err != nil {
		return fmt.Errorf("tidy session %08d: %w", session, err)
	}
	for _, e := range entries {
		if e.Name() != sealFile {
			return nil
		}
	}
	if err := remove(c.FS, c.SealPath(session)); err != nil {
		return fmt.Errorf("tidy session %08d: %w", session, err)
	}
	if err := remove(c.FS, c.Folder(session)); err != nil {
		return fmt.Errorf("tidy session %08d: %w", session, err)
	}
	return c.FS.SyncDir(c.home())
}

// remove takes what is absent for removed.
func remove(fsys interface{ Remove(string) error }, name string) error {
	if err := fsys.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (c Card) sync(session uint32) error {
	if err := c.FS.SyncDir(c.Folder(session)); err != nil {
		return fmt.Errorf("sync session %08d: %w", session, err)
	}
	return nil
}
