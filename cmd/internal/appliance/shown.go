package appliance

import (
	"bytes"
	"io/fs"

	"canseal/internal/durable"
)

// shown is the card as it would be with other files in its root, for reading:
// what a candidate is judged and tried by.
type shown struct {
	durable.FS
	files map[string][]byte
}

func (s shown) Open(name string) (durable.File, error) {
	if text, ok := s.files[name]; ok {
		return page{bytes.NewReader(text)}, nil
	}
	return s.FS.Open(name)
}

// page is a file of shown.
type page struct{ *bytes.Reader }

func (page) Write([]byte) (int, error)          { return 0, fs.ErrPermission }
func (page) WriteAt([]byte, int64) (int, error) { return 0, fs.ErrPermission }
func (page) Truncate(int64) error               { return fs.ErrPermission }
func (page) Sync() error                        { return nil }
func (page) Close() error                       { return nil }
func (p page) Size() (int64, error)             { return p.Reader.Size(), nil }
