package mdf

import (
	"fmt"
	"io"
)

// File is what the Writer and Repair need of an open file; durable.File has
// it. Sync makes content and size durable.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Size() (int64, error)
}

// CorruptError tells where a file is not what it has to be.
type CorruptError struct {
	Offset    int64 // in bytes from the start of the file
	Want, Got string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("mdf: at byte %d: want %s, got %s", e.Offset, e.Want, e.Got)
}
