// Package mdf writes, finishes, repairs and reads canseal's MDF4 segments.
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

// Stats counts the records of a file.
type Stats struct {
	Frames  uint64     // records of rid 1-6
	Gaps    uint64     // Gap records
	Lost    uint64     // sum of their counts
	First   int64      // earliest time of a frame record, ns since 1970 UTC; 0: there is none
	Last    int64      // latest time of a frame record
	Records [15]uint64 // by record id
}

// Report tells what Repair found and did.
type Report struct {
	Empty   bool   // the header is incomplete: the file holds nothing and may be removed; nothing else is set
	Already bool   // it was finished before: no byte was changed
	Orderly bool   // the recording ended in order
	Cut     bool   // the recording was cut: a gap with reason can.LostCut ends it now
	Kept    int64  // bytes of records kept
	Dropped int64  // bytes cut off behind them
	Header  Header // as the file has it
	Stats   Stats  // of the file as it is now
}

// CorruptError tells where a file is not what it has to be.
type CorruptError struct {
	Offset    int64 // in bytes from the start of the file
	Want, Got string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("mdf: at byte %d: want %s, got %s", e.Offset, e.Want, e.Got)
}
