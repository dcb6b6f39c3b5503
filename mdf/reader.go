package mdf

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"canseal/can"
)

// Reader reads a file that this package wrote: one that is still being
// written, one that was cut, a finished or a compressed one.
type Reader struct {
	r   io.ReaderAt
	o   *outline
	end int64 // address behind the last record
}

// Open reads the head of a file of size bytes. What is not finished is read up
// to its last right mark: bytes behind it may be anything.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	o, err := parse(r, size)
	if err != nil {
		return nil, err
	}
	if o.finished {
		return &Reader{r: r, o: o, end: o.until(size)}, nil
	}
	found, err := o.scan(r, size)
	if err != nil {
		return nil, err
	}
	return &Reader{r: r, o: o, end: found.kept}, nil
}

// Header returns what the file says of itself.
func (r *Reader) Header() Header { return r.o.header }

// Finished tells whether the file is finished.
func (r *Reader) Finished() bool { return r.o.finished }

// End tells how the recording ended: "open" (it did not yet), "orderly" or
// "cut".
func (r *Reader) End() string { return strings.TrimSpace(r.o.end) }

// Kept is the address behind the last record that can be trusted.
func (r *Reader) Kept() int64 { return r.end }

// Sorted tells whether the file has the form that Compress makes.
func (r *Reader) Sorted() bool { return r.o.sorted }

// Records yields every record in the order of the file: a frame as a *Frame
// that is valid until the next turn, a side record by value. Marks, and records
// of a kind that this version does not know, are left out. An error, mostly a
// *CorruptError, ends it.
//
// The order of records is by time, then by record id, then by place in the
// file. A compressed file gives them so; in another one, frames of different
// buses may step back a little in time.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, err := r.o.walk(r.r, r.end)
		if err != nil {
			yield(nil, err)
			return
		}
		var frame Frame
		for {
			rec, err := r.next(s, &frame)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if rec != nil && !yield(rec, nil) {
				return
			}
		}
	}
}

// next reads one record; nil if it is one to be left out.
func (r *Reader) next(s walk, frame *Frame) (Record, error) {
	rec, err := s.record()
	if err != nil {
		return nil, err
	}
	at := s.last()
	if rec[0] <= ridError {
		return frame, takeFrame(frame, rec, r.o.header.Start, at)
	}
	side, err := decodeSide(rec[0], rec[1:], r.o.header.Start)
	if err != nil {
		return nil, corrupt(at, "a value in its range", "%v", err)
	}
	return side, nil
}

// Frames yields the frames of the file in its order; an event is valid until
// the next turn.
func (r *Reader) Frames() iter.Seq2[*can.Event, error] {
	return func(yield func(*can.Event, error) bool) {
		var frame Frame
		s, err := r.o.walk(r.r, r.end)
		if err != nil {
			yield(&frame.Event, err)
			return
		}
		for {
			rec, err := s.record()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && rec[0] > ridError {
				continue
			}
			if err == nil {
				err = takeFrame(&frame, rec, r.o.header.Start, s.last())
			}
			if !yield(&frame.Event, err) || err != nil {
				return
			}
		}
	}
}

// Check reads the whole file and compares it with what it says of itself:
// every mark right and, in a finished file, every count. It returns what the
// records are.
func (r *Reader) Check() (Stats, error) {
	found, err := r.o.scan(r.r, r.end)
	if err != nil || found.why != nil {
		return Stats{}, errors.Join(err, found.why)
	}
	if !r.o.finished {
		return found.all.total(), nil
	}
	for rid, n := range found.all.Records {
		if n != r.o.counts[rid] {
			return Stats{}, corrupt(r.o.cycles[rid], fmt.Sprintf("a count of %d", n), "%d", r.o.counts[rid])
		}
	}
	return found.all.total(), nil
}
