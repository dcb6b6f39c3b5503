package appliance

import (
	"io/fs"

	"canseal/internal/durable"
)

// guarded is the card for everyone: nothing is written below ROOT while the
// card is not there, so the system disk beneath it stays empty. Reading needs
// no guard.
type guarded struct {
	durable.FS
	check func() error // logger.WatchCard
}

func (g guarded) Edit(name string) (durable.File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.FS.Edit(name)
}

func (g guarded) Create(name string, perm fs.FileMode) (durable.File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.FS.Create(name, perm)
}

func (g guarded) Append(name string, perm fs.FileMode) (durable.File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.FS.Append(name, perm)
}

func (g guarded) Rename(from, to string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.Rename(from, to)
}

func (g guarded) Remove(name string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.Remove(name)
}

func (g guarded) MkdirAll(name string, perm fs.FileMode) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.FS.MkdirAll(name, perm)
}
