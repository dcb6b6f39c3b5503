package mdf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// strand is the records of one group in one piece of the stream, by time, from
// the next one on.
type strand struct {
	rows  []byte // with their ids; all of it, for use again
	rest  []byte // of rows
	piece int
}

// moment is a place in the order of records: equal times go by piece.
type moment struct {
	time  float64
	piece int
}

func (m moment) before(n moment) bool {
	return m.time < n.time || m.time == n.time && m.piece < n.piece
}

func (s *strand) next() moment { return moment{timeOf(s.rest), s.piece} }

// take cuts off the records before a moment.
func (s *strand) take(until moment, stride int) []byte {
	all := s.rest
	if last := (moment{timeOf(all[len(all)-stride:]), s.piece}); last.before(until) {
		s.rest = nil
		return all
	}
	for len(s.rest) > 0 && s.next().before(until) {
		s.rest = s.rest[stride:]
	}
	return all[:len(all)-len(s.rest)]
}

// group sorts and packs the records of a group. A piece is read when the
// records before its earliest one are through; as the stream is nearly sorted,
// few are open at once.
func (c *compressor) group(rid uint8, records uint64) error {
	queue := c.index.byTime(rid)
	if len(queue) == 0 {
		return nil
	}
	stride := 1 + c.o.size[rid]
	c.rows = slices.Grow(c.rows[:0], stride*int(min(records, uint64(perBlock(stride-1)))))
	for len(queue) > 0 || len(c.strands) > 0 {
		for len(queue) > 0 && (len(c.strands) == 0 || !c.strands[0].next().before(c.index.earliest(queue[0], rid))) {
			if err := c.open(queue[0], rid); err != nil {
				return err
			}
			queue = queue[1:]
		}
		until := moment{time: math.Inf(1)}
		if len(queue) > 0 {
			until = c.index.earliest(queue[0], rid)
		}
		if err := c.pass(rid, stride, until); err != nil {
			return err
		}
	}
	return c.flush(rid, stride)
}

// byTime lists the pieces with records of a group, the earliest first.
func (x *index) byTime(rid uint8) (queue []int) {
	for i := range x.pieces {
		if x.pieces[i].groups[rid].n > 0 {
			queue = append(queue, i)
		}
	}
	slices.SortStableFunc(queue, func(a, b int) int {
		return cmp.Compare(x.pieces[a].groups[rid].first, x.pieces[b].groups[rid].first)
	})
	return queue
}

// earliest is before every record of a group in a piece, and not before any
// that has to go first.
func (x *index) earliest(i int, rid uint8) moment { return moment{x.pieces[i].groups[rid].first, -1} }

// pass hands on what the first strand has before the others and before until.
func (c *compressor) pass(rid uint8, stride int, until moment) error {
	first := c.strands[0]
	if len(c.strands) > 1 {
		if second := c.strands[1].next(); second.before(until) {
			until = second
		}
	}
	if err := c.emit(rid, stride, first.take(until, stride)); err != nil {
		return err
	}
	if len(first.rest) == 0 {
		c.strands, c.spare = c.strands[1:], append(c.spare, first)
		return nil
	}
	c.settle(0)
	return nil
}

// settle moves a strand to where it belongs among those beside it.
func (c *compressor) settle(i int) {
	s := c.strands
	for ; i > 0 && s[i].next().before(s[i-1].next()); i-- {
		s[i], s[i-1] = s[i-1], s[i]
	}
	for ; i+1 < len(s) && s[i+1].next().before(s[i].next()); i++ {
		s[i], s[i+1] = s[i+1], s[i]
	}
}

// open reads a piece and adds its records of a group to the strands.
func (c *compressor) open(i int, rid uint8) error {
	if len(c.strands) == maxStrands {
		return ErrStrands
	}
	p := &c.index.pieces[i]
	c.piece = grown(c.piece, int(p.end-p.at))
	if k, err := c.src.ReadAt(c.piece, p.at); k < len(c.piece) {
		if errors.Is(err, io.EOF) {
			return corrupt(p.at, fmt.Sprintf("%d bytes", len(c.piece)), "%d", k)
		}
		return fmt.Errorf("read records at %d: %w", p.at, err)
	}
	s := c.strand(i)
	stride := 1 + c.o.size[rid]
	s.rows = slices.Grow(s.rows, stride*p.groups[rid].n)
	if !c.pick(s, rid) || len(s.rows) != stride*p.groups[rid].n {
		return corrupt(p.at, "the records that were there before", "others")
	}
	c.sort(s, stride)
	s.rest = s.rows
	c.strands = append(c.strands, s)
	c.settle(len(c.strands) - 1)
	return nil
}

// pick copies the records of a group from the piece, neighbours at once; false
// if the piece is not made of records.
func (c *compressor) pick(s *strand, rid uint8) bool {
	for rest := c.piece; len(rest) > 0; {
		id := rest[0]
		size := 1 + c.o.size[id]
		n := size
		for n < len(rest) && rest[n] == id {
			n += size
		}
		if size == 1 || n > len(rest) {
			return false
		}
		if id == rid {
			s.rows = append(s.rows, rest[:n]...)
		}
		rest = rest[n:]
	}
	return true
}

// strand returns an empty one.
func (c *compressor) strand(piece int) *strand {
	if n := len(c.spare); n > 0 {
		s := c.spare[n-1]
		c.spare = c.spare[:n-1]
		s.rows, s.piece = s.rows[:0], piece
		return s
	}
	return &strand{piece: piece}
}

// sort puts the rows of a strand in order of time, equal times as they are.
func (c *compressor) sort(s *strand, stride int) {
	rows := s.rows
	if rising(rows, stride) {
		return
	}
	c.order = c.order[:0]
	for i := 0; i < len(rows); i += stride {
		c.order = append(c.order, row{timeOf(rows[i:]), i})
	}
	slices.SortStableFunc(c.order, func(a, b row) int { return cmp.Compare(a.time, b.time) })
	s.rows = slices.Grow(c.sorting[:0], len(rows))
	for _, r := range c.order {
		s.rows = append(s.rows, rows[r.at:r.at+stride]...)
	}
	c.sorting = rows
}

// row is where a record is among rows.
type row struct {
	time float64
	at   int
}

func rising(rows []byte, stride int) bool {
	last := math.Inf(-1)
	for ; len(rows) > 0; rows = rows[stride:] {
		time := timeOf(rows)
		if time < last {
			return false
		}
		last = time
	}
	return true
}

// emit adds rows to the block, and writes it each time it is full.
func (c *compressor) emit(rid uint8, stride int, rows []byte) error {
	full := stride * perBlock(stride-1)
	for len(rows) > 0 {
		n := min(len(rows), full-len(c.rows))
		c.rows, rows = append(c.rows, rows[:n]...), rows[n:]
		if len(c.rows) == full {
			if err := c.flush(rid, stride); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush packs and writes a block.
func (c *compressor) flush(rid uint8, stride int) error {
	if len(c.rows) == 0 {
		return nil
	}
	b, err := c.packer.pack(c.rows, stride-1)
	if err != nil {
		return fmt.Errorf("pack records: %w", err)
	}
	if _, err := c.dst.WriteAt(b, c.at); err != nil {
		return fmt.Errorf("write %d bytes of records at %d: %w", len(b), c.at, err)
	}
	c.blocks[rid] = append(c.blocks[rid], c.at)
	c.at += int64(len(b))
	c.rows = c.rows[:0]
	return nil
}
