package parquet

import (
	"errors"
	"io"
)

// sink is a file as the library wants it. It knows its place, and remembers
// the first error, which the library forgets in some places.
type sink struct {
	w   io.Writer
	at  int64
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.at += int64(n)
	s.err = err
	return n, err
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
