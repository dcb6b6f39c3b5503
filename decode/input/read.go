package input

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strings"

	"canseal/mdf/buslog"
	"canseal/mdf/container"
)

// read opens a segment; one that is open already is taken again. What can be
// read only once, like standard input, stays open until Close.
func (in *Input) read(s *Segment) (*reader, error) {
	switch {
	case s.once != nil:
		return s.once, nil
	case in.open != nil && in.open.segment == s && in.open.text == nil:
		return in.open, nil
	}
	if err := in.shut(); err != nil {
		return nil, err
	}
	content, err := s.File.Open()
	if err != nil {
		return nil, wrap(s, err)
	}
	r := &reader{segment: s, closers: []io.Closer{content}}
	if err := in.recognise(r, content); err != nil {
		r.close()
		return nil, wrap(s, err)
	}
	if s.File.Size < 0 {
		s.once, in.once = r, append(in.once, r)
		return r, nil
	}
	in.open = r
	return r, nil
}

// recognise looks at the begin of a file, and opens what it is.
func (in *Input) recognise(r *reader, content io.ReadCloser) error {
	ahead := bufio.NewReaderSize(content, 1<<16)
	begin, err := ahead.Peek(16)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case bytes.HasPrefix(begin, []byte("MDF     ")), bytes.HasPrefix(begin, []byte("UnFinMF ")), container.Is(begin):
		at, ok := content.(io.ReaderAt)
		if !ok || r.segment.File.Size < 0 {
			return in.spool(r, ahead)
		}
		return in.openLog(r, at, r.segment.File.Size)
	case text(begin):
		r.text = ahead
		r.segment.Form = "candump"
		return nil
	}
	return errNoRecording
}

// text tells whether a file may be a candump log by its begin.
func text(begin []byte) bool {
	begin = bytes.TrimLeft(begin, " \t\r\n")
	return len(begin) == 0 || begin[0] == '(' || begin[0] == 'D'
}

// spool copies what cannot be read at random into a temporary file.
func (in *Input) spool(r *reader, content io.Reader) error {
	f, err := os.CreateTemp(in.o.Temp, "candecode-*")
	if err != nil {
		return err
	}
	r.closers = append(r.closers, f, removal(f.Name()))
	size, err := io.Copy(f, content)
	if err != nil {
		return err
	}
	return in.openLog(r, f, size)
}

// removal removes a file.
type removal string

func (name removal) Close() error { return os.Remove(string(name)) }

// openLog opens an MDF file, in containers or not.
func (in *Input) openLog(r *reader, at io.ReaderAt, size int64) error {
	content, err := container.Open(at, size, in.o.Password)
	if err != nil {
		return err
	}
	r.log, err = buslog.Open(content, content.Size(), buslog.Options{Window: in.o.Window})
	if err != nil {
		return err
	}
	s := r.segment
	s.Header = r.log.Header()
	s.Form = "MDF"
	if s.Header.Ours {
		s.Form = "canseal"
	}
	for i := len(content.Forms) - 1; i >= 0; i-- {
		s.Form += " in " + strings.TrimSpace(content.Forms[i])
	}
	return nil
}
