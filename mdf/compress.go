package mdf

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Compress writes the sorted, compressed form of a finished file: one data
// group for each channel group, records by time (equal times in their order),
// in blocks of at most 1 MiB, transposed and deflated. The head says the same
// as that of src, with true counts; marks are left out. It returns what dst
// holds then, which the caller makes durable.
//
// src, of size bytes, is read once to check every mark and count and to see
// where the records of each group lie, then once for each group that has any.
// Compress holds about 6 MiB, and up to 16 MiB more for a file whose times run
// in many strands at once; with more strands than 64 it gives up (ErrStrands).
// A src that is damaged, not finished or compressed already is refused.
func Compress(dst io.WriterAt, src io.ReaderAt, size int64) (Stats, error) {
	o, err := parse(src, size)
	if err != nil {
		return Stats{}, err
	}
	if !o.finished || o.sorted {
		return Stats{}, corrupt(0, "a finished file with one data group", "finished %t, sorted %t", o.finished, o.sorted)
	}
	x, err := o.index(src)
	if err != nil {
		return Stats{}, err
	}
	stats := x.stats(o.header.Start)
	if err := o.counted(&stats); err != nil {
		return Stats{}, err
	}
	stats.Records[ridMark] = 0
	c := &compressor{src: src, dst: dst, o: o, index: x, packer: newPacker()}
	c.at = int64(len(o.compressed(&stats, o.empty(&stats))))
	for rid, n := range stats.Records {
		if err := c.group(uint8(rid), n); err != nil {
			return Stats{}, err
		}
	}
	if _, err := dst.WriteAt(o.compressed(&stats, c.blocks), 0); err != nil {
		return Stats{}, fmt.Errorf("write header: %w", err)
	}
	return stats.total(), nil
}

// ErrStrands tells that the times of a file run in too many strands at once.
var ErrStrands = errors.New("its times run in too many strands to be sorted")

const (
	pieceSize  = 256 << 10 // bytes of the stream in a piece, about
	maxStrands = 64        // pieces that overlap in time
)

// piece is a part of the stream, and what it holds of each group.
type piece struct {
	at, end int64
	groups  [ridEnd]span
}

// span is a number of records, and their times.
type span struct {
	n           int
	first, last float64 // ns since the start of the file
}

// index is where the records of a finished file lie.
type index struct {
	pieces []piece
	lost   uint64 // sum of the counts of gaps
	marks  uint64
}

// index walks the whole file and checks every record and mark.
func (o *outline) index(src io.ReaderAt) (*index, error) {
	s := o.records(src, o.stream+o.length)
	x := &index{}
	p := x.begin(o.stream)
	for {
		rows, err := s.neighbours()
		if errors.Is(err, io.EOF) {
			p.end = s.at()
			return x, nil
		}
		if err == nil && s.at()-p.at > pieceSize {
			p.end = s.last()
			p = x.begin(p.end)
		}
		if err == nil {
			err = x.add(p, s, rows)
		}
		if err != nil {
			return nil, err
		}
	}
}

// begin appends a piece.
func (x *index) begin(at int64) *piece {
	p := piece{at: at}
	for rid := range p.groups {
		p.groups[rid] = span{first: math.Inf(1), last: math.Inf(-1)}
	}
	x.pieces = append(x.pieces, p)
	return &x.pieces[len(x.pieces)-1]
}

// add enters records of one id.
func (x *index) add(p *piece, s *stream, rows []byte) error {
	rid := rows[0]
	switch {
	case rid == ridMark:
		x.marks++
		return s.marked(rows)
	case rid >= ridEnd:
		return corrupt(s.last(), "a record of a kind that is known", "id %d", rid)
	}
	stride := 1 + s.sizes[rid]
	g := &p.groups[rid]
	g.n += len(rows) / stride
	for ; len(rows) > 0; rows = rows[stride:] {
		time := timeOf(rows)
		if !(time > -timeLimit && time < timeLimit) {
			return corrupt(s.at()-int64(len(rows))+1, "a time in ns", "bytes %x", rows[1:9])
		}
		if time < g.first {
			g.first = time
		}
		if time > g.last {
			g.last = time
		}
		if rid == ridGap {
			x.lost += word(rows[1+24:])
		}
	}
	return nil
}

// stats sums up the pieces.
func (x *index) stats(start int64) Stats {
	s := newTally(start).Stats
	s.Lost = x.lost
	s.Records[ridMark] = x.marks
	for i := range x.pieces {
		for rid, g := range x.pieces[i].groups {
			s.Records[rid] += uint64(g.n)
			if g.n > 0 && rid <= int(ridError) {
				s.First, s.Last = min(s.First, start+int64(g.first)), max(s.Last, start+int64(g.last))
			}
		}
	}
	return s
}

// counted compares what was found with the counts of the file.
func (o *outline) counted(s *Stats) error {
	var sum uint64
	for rid, n := range s.Records {
		if n != o.counts[rid] {
			return corrupt(o.cycles[rid], fmt.Sprintf("a count of %d", n), "%d", o.counts[rid])
		}
		sum += n
	}
	if sum > maxRecords {
		return corrupt(o.stream, fmt.Sprintf("at most %d records", maxRecords), "%d", sum)
	}
	return nil
}

// placed are the addresses of the DZ blocks of each group.
type placed [ridEnd][]int64

// empty has as many addresses as there will be.
func (o *outline) empty(s *Stats) (p placed) {
	for rid, n := range s.Records {
		per := uint64(perBlock(max(o.size[rid], 1)))
		p[rid] = make([]int64, (n+per-1)/per)
	}
	return p
}

// compressed returns everything that stands before the blocks of records.
func (o *outline) compressed(s *Stats, blocks placed) []byte {
	head := framed(o.header.Start, o.comments, true, func(b *builder, source int64) (dg int64) {
		for i := len(groups) - 1; i >= 0; i-- {
			g := &groups[i]
			if o.size[g.rid] == 0 {
				continue
			}
			cg := b.group(g, source, 0, 0, s.Records[g.rid])
			dg = b.block("DG", []int64{dg, cg, b.list(g, blocks[g.rid]), 0}, le(uint8(0), [7]uint8{}))
		}
		return dg
	})
	return append(head, make([]byte, -len(head)&7)...)
}

// list appends the HL and DL blocks of a group that has records.
func (b *builder) list(g *group, blocks []int64) int64 {
	if len(blocks) == 0 {
		return 0
	}
	offsets := make([]uint64, len(blocks))
	for i := range offsets {
		offsets[i] = uint64(i * perBlock(g.size) * g.size)
	}
	dl := b.block("DL", append([]int64{0}, blocks...), le(uint8(0), [3]uint8{}, uint32(len(blocks)), offsets))
	return b.block("HL", []int64{dl}, le(uint16(0), uint8(zipTurned), [5]uint8{}))
}

// compressor sorts and packs the records of one group after the other.
type compressor struct {
	src    io.ReaderAt
	dst    io.WriterAt
	o      *outline
	index  *index
	packer *packer
	at     int64 // of the next block in dst
	blocks placed

	piece   []byte    // of the stream
	strands []*strand // of the present group, by the time of their next record
	spare   []*strand
	order   []row  // of a strand that is being sorted
	sorting []byte // room for it
	rows    []byte // of the next block
}
