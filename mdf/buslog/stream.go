package buslog

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

const (
	chunkSize  = 256 << 10 // bytes of records read at once
	slack      = 8         // bytes that may be read behind a record
	maxPayload = 1 << 14   // bytes of a VLSD record; of a frame 64
)

// record is a record with its time, borrowed from the chunk it stands in.
type record struct {
	time int64 // ns since the start of the file
	g    *group
	data []byte // without id, with slack behind it; a VLSD payload stands in it too
	at   uint16 // of the payload
	n    uint16 // bytes of the payload
	own  bool   // data is no part of a chunk
}

func (r *record) payload() []byte { return r.data[r.at : int(r.at)+int(r.n)] }

// keep makes a record independent of its chunk.
func (r *record) keep() {
	if r.own {
		return
	}
	r.data, r.own = slices.Clone(r.data), true
}

// stream is the records of a data group in the order of the file.
type stream struct {
	p     *pass
	d     *dataGroup
	flow  flow
	order int

	buf    []byte // chunk[:n] is read; slack behind
	pos, n int
	base   int64 // position of buf[0] in the flow
	over   bool  // the flow has ended
	gap    bool  // bytes are missing behind buf[:n]

	counts map[*group]uint64 // records so far, of groups whose time is their number
	single *group            // there are no record ids
	seen   uint64            // records so far
	last   int64             // time of the last record
	limit  uint64            // of seen, 0: none
	vlsd   map[*group]*vlsd  // by group of frames, and of their payloads
	blob   *blob             // payloads of single in SD
	whole  []byte            // memory for records with payloads of the blob
	joined []byte            // what is left of it
	queue  []record          // read ahead in a merge, from the present chunk
	head   int               // of queue
}

// fill reads records, and returns how many; 0 means the end.
func (s *stream) fill(to []record) (n int) {
	for n < len(to) {
		if n += s.quick(to[n:]); n == len(to) || s.next(&to[n]) != nil {
			break
		}
		n++
	}
	return n
}

// quick reads records up to the first that is not plain and whole in the
// chunk, or not as it should be.
func (s *stream) quick(to []record) (n int) {
	if s.d.ridLen > 1 {
		return 0
	}
	if s.limit > 0 {
		to = to[:min(uint64(len(to)), s.limit-s.seen)]
	}
	g, pos, rid, buf := s.single, s.pos, s.d.ridLen, s.buf
	for n < len(to) && pos < s.n {
		if rid == 1 {
			g = s.d.index[buf[pos]]
		}
		if g == nil || !g.plain || s.n-pos < g.need {
			break
		}
		rec := buf[pos+rid : pos+g.need+slack]
		t, ok := g.time.quick(rec)
		if !ok {
			break
		}
		r := &to[n]
		r.time, r.g, r.data, r.at, r.n, r.own = t, g, rec, 0, 0, false
		n, pos = n+1, pos+g.need
	}
	s.past(n, pos, to)
	return n
}

// past notes that n records were read up to pos.
func (s *stream) past(n, pos int, records []record) {
	if n > 0 {
		s.last = records[n-1].time
	}
	s.pos = pos
	s.seen += uint64(n)
}

// skim is quick for who wants to know only how far times go back, up to the
// first record that is aside.
func (s *stream) skim(newest, back *int64) (n uint64) {
	pos, buf := s.pos, s.buf
	for s.d.ridLen == 1 && pos < s.n {
		g := s.d.index[buf[pos]]
		if g == nil || !g.plain || g.stage == stageSide || s.n-pos < g.need {
			break
		}
		t, ok := g.time.quick(buf[pos+1 : pos+g.need+slack])
		if !ok {
			break
		}
		if t < *newest {
			*back = max(*back, *newest-t)
		} else {
			*newest = t
		}
		pos += g.need
		s.last = t
		n++
	}
	s.pos = pos
	s.seen += n
	return n
}

// next reads the next record; io.EOF behind the last.
func (s *stream) next(r *record) error {
	for {
		g, size, err := s.peek()
		if err != nil {
			return err
		}
		at := s.pos + s.d.ridLen
		rec := s.buf[at : at+size+slack]
		s.pos = at + size
		found := false
		if g.stage == stageVLSD {
			found = s.stored(r, g, rec[:size])
		} else {
			found = s.record(r, g, rec)
		}
		if found {
			return nil
		}
	}
}

// record times a record and finds its payload; false if it is none, or waits.
func (s *stream) record(r *record, g *group, rec []byte) bool {
	index := s.seen
	s.seen++
	if g.time.form == counted && s.single == nil {
		index = s.counts[g]
		s.counts[g]++
	}
	t, ok := g.time.of(rec, index)
	if !ok {
		s.p.report.bad(s.flow.at, corrupt(g.at, "a time in ns", "record %d of %s", index, g.name))
		return false
	}
	s.last = t
	*r = record{time: t, g: g, data: rec}
	switch g.frame.payloads.kind {
	case inGroup:
		return s.await(r)
	case inBlock:
		return s.lookup(r)
	}
	return true
}

// peek returns the group and size of the record at pos, which is whole in buf.
func (s *stream) peek() (*group, int, error) {
	if s.limit > 0 && s.seen >= s.limit {
		return nil, 0, io.EOF
	}
	for {
		g, size, need := s.form()
		if g != nil && s.n-s.pos >= need {
			return g, size, nil
		}
		if g == nil && s.n-s.pos >= max(1, s.d.ridLen) {
			if err := s.resync(); err != nil {
				return nil, 0, err
			}
			continue
		}
		if err := s.more(); err != nil {
			return nil, 0, err
		}
	}
}

// form tells what stands at pos: its group, the bytes of the record without
// id, and those it takes. No group: not declared, or too few bytes to tell.
func (s *stream) form() (g *group, size, need int) {
	if s.single != nil {
		return s.single, s.single.size, s.single.size
	}
	if s.n-s.pos < s.d.ridLen {
		return nil, 0, 0
	}
	return s.formAt(s.pos)
}

func (s *stream) formAt(at int) (g *group, size, need int) {
	var rid uint64
	switch s.d.ridLen {
	case 1:
		rid = uint64(s.buf[at])
	default:
		rid = binary.LittleEndian.Uint64(s.buf[at:]) & (1<<(8*s.d.ridLen) - 1)
	}
	if g = s.d.of(rid); g == nil {
		return nil, 0, 0
	}
	size = g.size
	if g.stage == stageVLSD {
		size = 4
		if body := at + s.d.ridLen; s.n-body >= 4 {
			n := binary.LittleEndian.Uint32(s.buf[body:])
			if n > maxPayload {
				return nil, 0, 0
			}
			size += int(n)
		}
	}
	return g, size, s.d.ridLen + size
}

// more reads on: a fresh chunk that begins with what is left of this one. Where
// bytes are missing, what is left is no whole record and goes.
func (s *stream) more() error {
	if s.over && !s.gap {
		return s.finish()
	}
	left := s.n - s.pos
	if s.gap {
		s.realign()
		left = 0
	} else {
		s.base += int64(s.pos)
	}
	s.turn(left)
	for s.n < len(s.buf)-slack && !s.over && !s.gap {
		n, err := s.flow.Read(s.buf[s.n : len(s.buf)-slack])
		s.n += n
		switch err {
		case nil:
		case errBroken:
			s.gap = true
		default:
			s.over = true
		}
	}
	return nil
}

// turn takes a fresh chunk that begins with the last bytes of this one.
func (s *stream) turn(left int) {
	chunk := s.p.chunk()
	copy(chunk, s.buf[s.n-left:s.n])
	s.p.retire(s.buf)
	s.buf, s.pos, s.n = chunk, 0, left
	for _, v := range s.vlsd {
		v.keep()
	}
}

// realign goes behind missing bytes: to where the next record begins, which
// without record ids is a matter of counting.
func (s *stream) realign() {
	s.p.report.Lost += int64(s.n - s.pos)
	s.gap = false
	s.lose()
	s.base = s.flow.pos
	if s.single == nil || s.single.size == 0 {
		return
	}
	size := int64(s.single.size)
	s.seen = uint64((s.base + size - 1) / size)
	s.skip(int(-s.base%size+size) % int(size))
}

// skip drops bytes of the flow.
func (s *stream) skip(n int) {
	for n > 0 {
		k, err := s.flow.Read(s.p.waste[:min(n, len(s.p.waste))])
		n -= k
		s.base += int64(k)
		s.p.report.Lost += int64(k)
		if err == errBroken {
			s.gap = true
			return
		}
		if err != nil {
			s.over = true
			return
		}
	}
}

// finish ends the stream: what is left is no whole record, frames that wait
// wait in vain.
func (s *stream) finish() error {
	if left := int64(s.n - s.pos); left > 0 && s.p.f.header.Finalised {
		s.p.damage(s.flow.at, left, fmt.Errorf("a record at the end is cut: %d bytes", left))
	}
	s.pos = s.n
	for _, v := range s.vlsd {
		v.abandon(s.p.report)
	}
	return io.EOF
}
