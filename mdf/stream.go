package mdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// stream walks the records of a file by their ids.
type stream struct {
	r      io.ReaderAt
	sizes  *[256]int
	next   int64  // address of the byte behind buf[:n]
	end    int64  // address behind the last record
	first  int64  // address of the first record
	buf    []byte // read ahead
	pos, n int
	recent int // where the record just returned begins in buf
	summed int // buf[:summed] is in crc
	crc    uint32
	seed   uint32 // what every checksum begins with
}

// seed is what the checksums of a file begin with: the CRC-32C of its start as
// u64. It ties them to the file: on a bus with a steady rhythm the marks of two
// files often stand at equal places, and old clusters would pass for new ones.
func seed(start int64) uint32 { return crc32.Checksum(le(uint64(start)), castagnoli) }

// walk hands out records one by one: those of a stream, or the merged ones of a
// sorted file.
type walk interface {
	record() ([]byte, error) // with its id in front, valid until the next call; io.EOF at the end
	last() int64             // where that record is, or the block that holds it
}

// walk begins at the first record of a file that ends at an address.
func (o *outline) walk(r io.ReaderAt, end int64) (walk, error) {
	if o.sorted {
		return o.merged(r, end)
	}
	return o.records(r, end), nil
}

// until is the address behind the last record of a finished file of so many
// bytes.
func (o *outline) until(size int64) int64 {
	if o.sorted {
		return size
	}
	return o.stream + o.length
}

func (o *outline) records(r io.ReaderAt, end int64) *stream {
	ahead := max(0, min(end-o.stream, bufferSize))
	begin := seed(o.header.Start)
	return &stream{
		r: r, sizes: &o.size, next: o.stream, first: o.stream, end: end, buf: make([]byte, ahead), crc: begin, seed: begin,
	}
}

// at returns the address of the next record.
func (s *stream) at() int64 { return s.next - int64(s.n-s.pos) }

// record returns the next record with its id in front; it is valid until the
// next call. At the end of the records it returns io.EOF, for bytes that are
// no record a *CorruptError.
func (s *stream) record() ([]byte, error) {
	if s.n-s.pos <= maxRecord && s.next < s.end {
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	if s.pos == s.n {
		return nil, io.EOF
	}
	rid := s.buf[s.pos]
	size := s.sizes[rid] + 1
	if size == 1 {
		return nil, corrupt(s.at(), "a declared record id", "%d", rid)
	}
	if size > s.n-s.pos {
		return nil, corrupt(s.at(), fmt.Sprintf("a record of %d bytes", size), "%d before the end", s.n-s.pos)
	}
	rec := s.buf[s.pos : s.pos+size]
	s.recent = s.pos
	s.pos += size
	return rec, nil
}

// neighbours returns the next record and those of the same id behind it, as
// many as are at hand; marks come alone.
func (s *stream) neighbours() ([]byte, error) {
	rec, err := s.record()
	if err != nil || rec[0] == ridMark {
		return rec, err
	}
	id, size := rec[0], len(rec)
	for s.n-s.pos >= size && s.buf[s.pos] == id {
		s.pos += size
	}
	return s.buf[s.recent:s.pos], nil
}

// last is the address of the record just returned.
func (s *stream) last() int64 { return s.next - int64(s.n-s.recent) }

// fill moves what is left to the front and reads on.
func (s *stream) fill() error {
	s.sum(s.pos)
	s.n = copy(s.buf, s.buf[s.pos:s.n])
	s.pos, s.summed = 0, 0
	want := int(min(int64(len(s.buf)-s.n), s.end-s.next))
	k, err := s.r.ReadAt(s.buf[s.n:s.n+want], s.next)
	s.n, s.next = s.n+k, s.next+int64(k)
	if k < want && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read records at %d: %w", s.next, err)
	}
	if k < want {
		s.end = s.next // the file became shorter than it said
	}
	return nil
}

// sum takes the bytes up to pos into the checksum.
func (s *stream) sum(pos int) {
	s.crc = crc32.Update(s.crc, castagnoli, s.buf[s.summed:pos])
	s.summed = pos
}

// marked tells whether the record just returned, a mark, is right, and begins
// the next checksum.
func (s *stream) marked(rec []byte) error {
	begin := s.pos - len(rec)
	at := s.last()
	s.sum(begin + 1 + 16)
	offset, sum := binary.LittleEndian.Uint64(rec[1+8:]), binary.LittleEndian.Uint32(rec[1+16:])
	got := s.crc
	s.crc, s.summed = s.seed, s.pos
	if offset != uint64(at-s.first) {
		return corrupt(at+1+8, fmt.Sprintf("a mark at offset %d", at-s.first), "%d", offset)
	}
	if sum != got {
		return corrupt(at+1+16, fmt.Sprintf("checksum %08X", got), "%08X", sum)
	}
	return nil
}

// scan is what a walk by record ids and marks found.
type scan struct {
	kept  int64 // address behind the last right mark
	stats tally // of the records up to there
	all   tally // of all records walked
	why   error // *CorruptError: what ended the walk before the last byte
}

// scan walks records and checks marks up to an address.
func (o *outline) scan(r io.ReaderAt, end int64) (scan, error) {
	none := newTally(o.header.Start)
	found := scan{kept: o.stream, stats: none, all: none}
	if o.sorted {
		return found, found.stop(found.merged(o, r, end))
	}
	s := o.records(r, end)
	for {
		rec, err := s.record()
		if err == nil {
			err = found.take(s, rec, o.header.Start)
		}
		if err != nil {
			return found, found.stop(err)
		}
	}
}

// merged counts the records of a sorted file; it ends with an error.
func (c *scan) merged(o *outline, r io.ReaderAt, end int64) error {
	m, err := o.merged(r, end)
	for err == nil {
		var rec []byte
		if rec, err = m.record(); err == nil {
			err = c.all.add(rec, o.header.Start, m.last())
		}
	}
	return err
}

// take counts a record.
func (c *scan) take(s *stream, rec []byte, start int64) error {
	if rec[0] != ridMark {
		return c.all.add(rec, start, s.last())
	}
	if err := s.marked(rec); err != nil {
		return err
	}
	c.all.Records[ridMark]++
	c.kept, c.stats = s.at(), c.all
	return nil
}

// stop sorts out why a walk ended; an error of reading is handed back.
func (c *scan) stop(err error) error {
	var damage *CorruptError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &damage):
		c.why = damage
		return nil
	}
	return err
}
