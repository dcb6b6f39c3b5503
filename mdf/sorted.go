package mdf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

const (
	maxGroups  = 256             // data groups of a sorted file
	maxRecords = uint64(1) << 31 // of one file
)

// list is the DL block of a group: where its DZ blocks are.
type list struct {
	at int64
	n  int // blocks; 0: no records
}

// sorted reads the data groups of a sorted file: one for each channel group, in
// any order. Groups that this version does not know are passed over.
func (p *parser) sorted(o *outline, dg block) error {
	first := dg.at
	for range maxGroups {
		if err := p.sortedGroup(o, dg); err != nil {
			return err
		}
		if dg.links[0] == 0 {
			return o.complete(first)
		}
		var err error
		if dg, err = p.block(dg.links[0], "DG", 4, 8); err != nil {
			return err
		}
	}
	return corrupt(dg.at, fmt.Sprintf("at most %d data groups", maxGroups), "more")
}

func (p *parser) sortedGroup(o *outline, dg block) error {
	d, err := p.channelGroup(dg.links[1])
	if err != nil {
		return err
	}
	if d.count > maxRecords {
		return corrupt(d.at+cycleCountAt, fmt.Sprintf("at most %d records", maxRecords), "%d", d.count)
	}
	if dg.data[0] != 0 || d.next != 0 || d.rid != 0 {
		return corrupt(dg.at, "one channel group without record ids", "next %d, id %d of %d bytes", d.next, d.rid, dg.data[0])
	}
	g := named(d.name)
	if g == nil {
		return nil
	}
	if err := p.declare(o, d, uint64(g.rid)); err != nil {
		return err
	}
	o.length += int64(d.count) * int64(d.size)
	l, err := p.list(dg.links[2])
	if err == nil && (l.n == 0) != (d.count == 0) {
		return corrupt(d.at, "records and a count of them", "%d blocks, %d records", l.n, d.count)
	}
	o.lists[g.rid] = l
	return err
}

// named returns the layout of a group by its name.
func named(name string) *group {
	for i := range groups {
		if groups[i].name == name {
			return &groups[i]
		}
	}
	return nil
}

// list reads the HL block of a group and the head of its one DL block.
func (p *parser) list(at int64) (list, error) {
	if at == 0 {
		return list{}, nil
	}
	hl, err := p.block(at, "HL", 1, 8)
	if err != nil {
		return list{}, err
	}
	dl, err := p.header(hl.links[0], "DL", uint64(p.size/16))
	if err != nil {
		return list{}, err
	}
	n := dl.count - 1
	if n < 1 || dl.length != listLength(n) {
		return list{}, corrupt(dl.at, "a list of blocks, with their offsets", "%d links, %d bytes", dl.count, dl.length)
	}
	next, err := p.bytes(dl.at+24, 8)
	if err != nil {
		return list{}, err
	}
	head, err := p.bytes(dl.at+24+8*int64(1+n), 8)
	if err == nil && (word(next) != 0 || word(head) != uint64(n)<<32) {
		return list{}, corrupt(dl.at, fmt.Sprintf("one list of %d blocks with offsets", n), "next %d, flags and count %x", word(next), head)
	}
	return list{dl.at, n}, err
}

// listLength is the length of a DL block with n parts and their offsets.
func listLength(n int) int64 { return 24 + 8*int64(1+n) + 8 + 8*int64(n) }

// part returns the address of the i-th block of a list, whose records have to
// begin offset bytes behind the first.
func (p *parser) part(l list, i int, offset uint64) (int64, error) {
	link, err := p.bytes(l.at+24+8*int64(1+i), 8)
	if err != nil {
		return 0, err
	}
	at := l.at + 24 + 8*int64(1+l.n) + 8 + 8*int64(i)
	told, err := p.bytes(at, 8)
	if err == nil && word(told) != offset {
		return 0, corrupt(at, fmt.Sprintf("offset %d", offset), "%d", word(told))
	}
	return int64(word(link)), err
}

// track is the records of one group of a sorted file, in their order.
type track struct {
	u    *unpacker
	rid  uint8
	size int // of a record with its id
	list list
	left uint64 // records that the count of the group still promises
	next int    // block
	at   int64  // of the present block; they rise, so none is read twice
	rows []byte
	pos  int // behind the record that is next
	n    int
	time float64 // of that record
	sent uint64  // bytes of records of the blocks so far
}

// advance goes to the next record; io.EOF behind the last.
func (t *track) advance() error {
	if t.pos == t.n {
		if err := t.load(); err != nil {
			return err
		}
	}
	t.pos += t.size
	time := timeOf(t.record())
	if _, ok := absolute(math.Float64bits(time), 0); !ok || time < t.time {
		return corrupt(t.at, fmt.Sprintf("times from %g ns on", t.time), "%g", time)
	}
	t.time = time
	return nil
}

// record is the one that is next, with its id.
func (t *track) record() []byte { return t.rows[t.pos-t.size : t.pos] }

// load reads the next block.
func (t *track) load() error {
	if t.next == t.list.n {
		if t.left != 0 {
			return corrupt(t.list.at, fmt.Sprintf("%d more records", t.left), "the end of the list")
		}
		return io.EOF
	}
	at, err := t.u.p.part(t.list, t.next, t.sent)
	if err != nil {
		return err
	}
	if at <= t.at {
		return corrupt(t.list.at, fmt.Sprintf("a block behind that at byte %d", t.at), "byte %d", at)
	}
	if t.rows == nil {
		t.rows = make([]byte, min(t.left, uint64(perBlock(t.size-1)))*uint64(t.size))
		for i := 0; i < len(t.rows); i += t.size {
			t.rows[i] = t.rid
		}
	}
	room := uint64(len(t.rows) / t.size)
	t.at = at
	if t.n, err = t.u.unpack(t.rows[:min(t.left, room)*uint64(t.size)], at, t.size-1); err != nil {
		return err
	}
	records := uint64(t.n / t.size)
	t.next, t.pos = t.next+1, 0
	t.left -= records
	t.sent += records * uint64(t.size-1)
	return nil
}

func timeOf(rec []byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(rec[1:]))
}

// merge is the records of all groups of a sorted file by time, then by id, then
// by place.
type merge struct {
	tracks []*track // that are not at their end, the next record's first
	place  int64    // of the block that held the last record
	used   bool     // the first track's record was handed out
}

// merged begins a walk.
func (o *outline) merged(r io.ReaderAt, size int64) (*merge, error) {
	m := &merge{}
	u := &unpacker{p: &parser{r: r, size: size}}
	for rid := range ridEnd {
		if o.lists[rid].n == 0 {
			continue
		}
		t := &track{u: u, rid: rid, size: 1 + o.size[rid], list: o.lists[rid], left: o.counts[rid], time: math.Inf(-1)}
		if err := t.advance(); err != nil {
			return nil, err
		}
		m.tracks = append(m.tracks, t)
		m.settle(len(m.tracks) - 1)
	}
	return m, nil
}

// settle moves a track to where it belongs among those beside it.
func (m *merge) settle(i int) {
	for ; i > 0 && m.tracks[i].before(m.tracks[i-1]); i-- {
		m.tracks[i], m.tracks[i-1] = m.tracks[i-1], m.tracks[i]
	}
	for ; i+1 < len(m.tracks) && m.tracks[i+1].before(m.tracks[i]); i++ {
		m.tracks[i], m.tracks[i+1] = m.tracks[i+1], m.tracks[i]
	}
}

func (t *track) before(u *track) bool {
	return t.time < u.time || t.time == u.time && t.rid < u.rid
}

// record returns the next record with its id in front; it is valid until the
// next call. At the end it returns io.EOF.
func (m *merge) record() ([]byte, error) {
	if m.used {
		m.used = false
		switch err := m.tracks[0].advance(); err {
		case nil:
			m.settle(0)
		case io.EOF:
			m.tracks = m.tracks[1:]
		default:
			return nil, err
		}
	}
	if len(m.tracks) == 0 {
		return nil, io.EOF
	}
	m.used = true
	m.place = m.tracks[0].at
	return m.tracks[0].record(), nil
}

// last is the address of the block that held the record just returned.
func (m *merge) last() int64 { return m.place }
