package ota

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"canseal/internal/durable"
	"canseal/internal/trial"
)

// shelf holds the files of settings: current ones on the card, candidates and
// previous ones in the state folder, which may be another file system.
type shelf struct {
	card, state durable.FS
}

// slot is where an object's other versions lie.
type slot struct {
	candidate, previous string
	limit               int64
}

// slots are the objects that go through trials, with the largest size of each.
var slots = map[string]slot{
	Config:   {"config.candidate", "config.previous", 256 << 10},
	Bundle:   {"certs.candidate", "certs.previous", 64 << 10},
	Identity: {"crt.candidate", "crt.previous", 16 << 10},
}

func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// current reads what is current. absent: there is no such file.
func (s shelf) current(name string) (text []byte, absent bool, err error) {
	text, err = durable.ReadFile(s.card, name, slots[name].limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	return text, false, err
}

// candidate reads what is on trial; what is there must be what was staged.
func (s shelf) candidate(o trial.Object) ([]byte, error) {
	return s.read(slots[o.Name].candidate, o)
}

func (s shelf) read(file string, o trial.Object) ([]byte, error) {
	text, err := durable.ReadFile(s.state, file, slots[o.Name].limit)
	if err != nil {
		return nil, err
	}
	if hashOf(text) != o.New {
		return nil, fmt.Errorf("%s is not what was staged", file)
	}
	return text, nil
}

// previous reads what was current before.
func (s shelf) previous(name string) ([]byte, error) {
	text, err := durable.ReadFile(s.state, slots[name].previous, slots[name].limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNoPrevious)
	}
	return text, err
}

func (s shelf) hold(name string, text []byte) error {
	return durable.WriteFile(s.state, slots[name].candidate, text, 0o600)
}

// keep makes what is current the previous one, unless the new one is current,
// or a piece of it: then the previous one was kept before.
func (s shelf) keep(o trial.Object) error {
	text, absent, err := s.current(o.Name)
	switch {
	case err != nil && !errors.Is(err, durable.ErrTooLarge):
		return err
	case absent && o.Old == "":
		return remove(s.state, slots[o.Name].previous)
	case absent, err != nil, hashOf(text) != o.Old:
		return nil
	}
	return durable.WriteFile(s.state, slots[o.Name].previous, text, 0o600)
}

// install makes the candidate current, unless it is: whatever else is there is
// the old one, or torn.
func (s shelf) install(o trial.Object) error {
	_, leftover := s.card.Stat(o.Name + durable.Temporary) // on FAT it may share the file's clusters
	if text, absent, err := s.current(o.Name); err == nil && !absent && hashOf(text) == o.New && leftover != nil {
		return s.card.SyncDir(".")
	}
	text, err := s.candidate(o)
	if err != nil {
		return err
	}
	return durable.WriteFile(s.card, o.Name, text, s.mode(o.Name))
}

// mode is the one that the file has now: an operator may have set it.
func (s shelf) mode(name string) fs.FileMode {
	if info, err := s.card.Stat(name); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// sweep removes the candidates that are not on trial.
func (s shelf) sweep(b *book) error {
	var all []error
	for name, slot := range slots {
		if !onTrial(b.Settings, name) && !onTrial(b.Identity, name) {
			all = append(all, remove(s.state, slot.candidate))
		}
	}
	return errors.Join(all...)
}

func onTrial(r trial.Record, name string) bool { return r.On() && has(r, name) }

func has(r trial.Record, name string) bool { return objectOf(r, name) != nil }

func objectOf(r trial.Record, name string) *trial.Object {
	for i := range r.Objects {
		if r.Objects[i].Name == name {
			return &r.Objects[i]
		}
	}
	return nil
}

// remove removes a file for good; one that is not there is gone.
func remove(fsys durable.FS, name string) error {
	if err := fsys.Remove(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return fsys.SyncDir(".")
}
