package parquet

import (
	"bytes"
	"errors"
	"io"
)

// sink is a file as the library wants it. It knows its place, and remembers
// the first error, which the library forgets in some places.
type sink struct {
	w    io.Writer
	at   int64
	err  error
	held *bytes.Buffer // where writes wait for release; nil: they do not
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	to := s.w
	if s.held != nil {
		to = s.held
	}
	n, err := to.Write(p)
	s.at += int64(n)
	s.err = err
	return n, err
}

// hold lets writes wait in memory, since the library makes many small ones.
func (s *sink) hold(b *bytes.Buffer) {
	b.Reset()
	s.held = b
}

// release writes what waits.
func (s *sink) release() error {
	b := s.held
	if s.held = nil; s.err == nil {
		_, s.err = s.w.Write(b.Bytes())
	}
	return s.err
}

// Tell is how Parquet asks for the place.
func (s *sink) Tell() int64 { return s.at }

// Seek is how Arrow asks for it.
func (s *sink) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.New("a file is written from its begin to its end")
	}
	return s.at, nil
}
