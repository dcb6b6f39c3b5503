package mdf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"

	"canseal/can"
)

const (
	bufferSize = 256 << 10
	markSize   = 1 + 24
	room       = 1 + dataAt + can.MaxData + markSize // for the largest record and a mark
	jitter     = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errFinished = errors.New("the file is finished")

// Writer appends records to a new file. It is for one goroutine.
//
// Records are held in a buffer of 256 KiB until Sync, or until it is full. An
// error of the file is final: every later call returns it. What the file then
// holds is finished by Repair, whose Report tells how many records arrived.
type Writer struct {
	f       File
	o       *outline
	start   int64
	buf     []byte
	n       int   // bytes of buf in use
	limit   int   // at more bytes in use the buffer is written; -1 after an error
	written int64 // bytes of the stream in the file
	dirty   bool  // the file has something that is not synced
	stamp   int64 // of the frame before, as it came
	last    int64 // time of the frame before, as written
	latest  int64 // latest time of a side record
	stats   tally
	random  *rand.Rand
	err     error
}

// Create writes the header of a new, empty file, which the first Sync makes
// durable.
func Create(f File, h Header) (*Writer, error) {
	head := metadata(&h)
	o, err := parse(bytes.NewReader(head), int64(len(head)))
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if _, err := f.WriteAt(head, 0); err != nil {
		return nil, fmt.Errorf("write header: %w", err)
	}
	w := &Writer{
		f: f, o: o, start: h.Start, buf: make([]byte, bufferSize), dirty: true,
		stamp: math.MinInt64, last: math.MinInt64, latest: h.Start,
		stats:  newTally(h.Start),
		random: rand.New(rand.NewPCG(uint64(h.Start), uint64(h.Session)<<32|uint64(h.Split))),
	}
	w.draw()
	return w, nil
}

// draw picks how full the buffer gets this time. Full buffers of equal length
// would put the marks of all files at the same places, and the old clusters
// of one file could then pass for the tail of another.
func (w *Writer) draw() { w.limit = bufferSize - room - w.random.IntN(jitter) }

// Frame appends a frame of any kind; e.Time is ns since 1970-01-01 UTC, with
// the clock offset. A frame at the time of the one before, or less than 1000
// ns behind it, is written 1 ns after it, so that the order of frames survives
// sorting. Frame does not allocate.
func (w *Writer) Frame(e *can.Event) error { return w.frame(e, false) }

// LastFrame returns the time of the frame appended last, as it is written.
func (w *Writer) LastFrame() int64 { return w.last }

// Append appends any record. A VerdictChange, a Gap and so on are given by
// value, a frame as *Frame.
func (w *Writer) Append(r Record) error { return r.appendTo(w) }

func (w *Writer) frame(e *can.Event, encrypted bool) error {
	if e.Frame.Len > can.MaxData || e.Kind != can.KindFrame {
		return fmt.Errorf("append frame: kind %d, %d data bytes", e.Kind, e.Frame.Len)
	}
	if w.n > w.limit {
		if err := w.write(); err != nil {
			return err
		}
	}
	t := e.Time
	if t == w.stamp || uint64(w.last-t) < 1000 {
		t = w.last + 1
	}
	w.stamp, w.last = e.Time, t
	w.stats.First, w.stats.Last = min(w.stats.First, t), max(w.stats.Last, t)
	rid, n := putFrame(w.buf[w.n:], relative(t, w.start), e, encrypted)
	w.stats.Records[rid]++
	w.n += n
	return nil
}

// gap appends a gap and counts what it says.
func (w *Writer) gap(g *Gap) error {
	if err := w.side(ridGap, g.Time, g); err != nil {
		return err
	}
	w.stats.Lost += g.Count
	return nil
}

// side appends a side record.
func (w *Writer) side(rid uint8, t int64, r walker) error {
	if w.o.size[rid] == 0 {
		return errNotDeclared
	}
	if w.n > w.limit {
		if err := w.write(); err != nil {
			return err
		}
	}
	w.latest = max(w.latest, t)
	w.put(rid, r)
	return nil
}

// put encodes a record at the end of the buffer.
func (w *Writer) put(rid uint8, r walker) {
	w.n += encode(w.buf[w.n:], rid, r, w.start)
	w.stats.Records[rid]++
}

// encode puts a side record with its id at the front of b and returns how
// many bytes it takes.
func encode(b []byte, rid uint8, r walker, start int64) int {
	g := find(rid)
	b[0] = rid
	rec := b[1 : 1+g.size]
	clear(rec)
	r.walk(&codec{rec: rec, fields: g.fields, start: start})
	return 1 + g.size
}

// write hands the buffer to the file, with a mark at its end.
func (w *Writer) write() error {
	if w.err != nil || w.n == 0 {
		return w.err
	}
	m := mark{time: max(w.latest, w.last), offset: uint64(w.written) + uint64(w.n)}
	at := w.n
	w.put(ridMark, &m)
	sum := crc32.Update(seed(w.start), castagnoli, w.buf[:at+1+16])
	binary.LittleEndian.PutUint32(w.buf[at+1+16:], sum)
	if _, err := w.f.WriteAt(w.buf[:w.n], w.o.stream+w.written); err != nil {
		return w.fail(fmt.Errorf("write %d bytes of records at %d: %w", w.n, w.o.stream+w.written, err))
	}
	w.written, w.n, w.dirty = w.written+int64(w.n), 0, true
	w.draw()
	return nil
}

// Sync makes all records durable. It does nothing where there is nothing new.
func (w *Writer) Sync() error {
	if err := w.write(); err != nil || !w.dirty {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return w.fail(fmt.Errorf("sync records: %w", err))
	}
	w.dirty = false
	return nil
}

// Finish appends a last anchor of the clock and makes the file a finished one,
// in three steps that are each durable before the next: the records; the
// counts and the word that the recording ended in order; the name of the
// format. After it the Writer is of no more use.
func (w *Writer) Finish(last Clock) error {
	if err := w.Append(last); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	if err := finish(w.f, w.o, w.written, &w.stats.Stats, endOrderly); err != nil {
		return w.fail(err)
	}
	w.fail(errFinished)
	return nil
}

// fail makes an error the answer of every later call.
func (w *Writer) fail(err error) error {
	w.err, w.limit = err, -1
	return err
}

// Size returns the bytes of the file once everything is written.
func (w *Writer) Size() int64 {
	size := w.o.stream + w.written
	if w.n > 0 {
		size += int64(w.n + markSize)
	}
	return size
}

// Stats counts what was appended, written or not.
func (w *Writer) Stats() Stats { return w.stats.total() }
