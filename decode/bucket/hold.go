package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"canseal/uploader/s3"
)

// hold keeps objects in temporary files.
type hold struct {
	temp string
	room int64
	used int64
	kept []kept // the oldest first
}

type kept struct {
	key, name string
	size      int64
}

// open returns an object as a file.
func (b *Bucket) open(ctx context.Context, e s3.Entry) (io.ReadCloser, error) {
	for _, k := range b.held.kept {
		if k.key == e.Key {
			return os.Open(k.name)
		}
	}
	f, err := os.CreateTemp(b.o.Temp, "candecode-*")
	if err != nil {
		return nil, err
	}
	n, err := b.o.Store.Fetch(ctx, e.Key, f, mostBytes)
	if err == nil && n != e.Size {
		err = fmt.Errorf("it has %d bytes, and had %d when it was listed", n, e.Size)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err := b.held.keep(kept{e.Key, f.Name(), n}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// keep takes a file, and gives up the oldest ones for it. The newest stays
// whatever its size: it is being read.
func (h *hold) keep(k kept) error {
	h.kept, h.used = append(h.kept, k), h.used+k.size
	for h.used > h.room && len(h.kept) > 1 {
		if err := h.drop(); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the oldest file. Nobody reads it: segments are read one after
// the other.
func (h *hold) drop() error {
	k := h.kept[0]
	h.kept, h.used = h.kept[1:], h.used-k.size
	return os.Remove(k.name)
}

func (h *hold) close() (err error) {
	for len(h.kept) > 0 {
		err = errors.Join(err, h.drop())
	}
	return err
}
