package mdf

import (
	"errors"
	"io"
	"iter"

	"canseal/can"
)

var errSoon = errors.New("mdf: being built")

// Writer appends records to a new file. It is for one goroutine.
type Writer struct{}

func Create(f File, h Header) (*Writer, error)        { return nil, errSoon }
func (w *Writer) Frame(e *can.Event) error            { return errSoon }
func (w *Writer) Append(r Record) error               { return errSoon }
func (w *Writer) Sync() error                         { return errSoon }
func (w *Writer) Finish(last Clock) error             { return errSoon }
func (w *Writer) Size() int64                         { return 0 }
func (w *Writer) Stats() Stats                        { return Stats{} }
func Repair(f File) (Report, error)                   { return Report{}, errSoon }
func Open(r io.ReaderAt, size int64) (*Reader, error) { return nil, errSoon }

type Reader struct{}

func (r *Reader) Header() Header                       { return Header{} }
func (r *Reader) Finished() bool                       { return false }
func (r *Reader) End() string                          { return "" }
func (r *Reader) Records() iter.Seq2[Record, error]    { return nil }
func (r *Reader) Frames() iter.Seq2[*can.Event, error] { return nil }

type codec struct{}

func (*Frame) rid() uint8           { return 1 }
func (*Frame) encode(*codec)        {}
func (Gap) rid() uint8              { return 7 }
func (Gap) encode(*codec)           {}
func (VerdictChange) rid() uint8    { return 8 }
func (VerdictChange) encode(*codec) {}
func (Clock) rid() uint8            { return 9 }
func (Clock) encode(*codec)         {}
func (State) rid() uint8            { return 10 }
func (State) encode(*codec)         {}
func (Security) rid() uint8         { return 11 }
func (Security) encode(*codec)      {}
func (Sender) rid() uint8           { return 12 }
func (Sender) encode(*codec)        {}
func (Plain) rid() uint8            { return 13 }
func (Plain) encode(*codec)         {}
func (Mark) rid() uint8             { return 14 }
func (Mark) encode(*codec)          {}
