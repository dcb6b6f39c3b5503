package mdfcheck

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxPacked bounds the content of one DZ block.
const maxPacked = 64 << 20

// eachRecord walks the records of a data group; do, which may be nil, gets each
// without its id.
func (c *checker) eachRecord(dg *block, idSize int, groups map[uint64]*group, do func(*group, []byte)) {
	if dg.links[2] == 0 {
		return
	}
	data := &content{c: c, blocks: c.parts(dg)}
	w := walker{c: c, data: data, in: bufio.NewReaderSize(data, 1<<16), idSize: idSize, groups: groups, do: do}
	for w.record() && c.failed == nil {
	}
}

// parts lists the blocks that hold the records of a data group, in order.
func (c *checker) parts(dg *block) []*block {
	b := c.blocks[dg.links[2]]
	if b != nil && b.kind == "HL" {
		b = c.target(b, 0, "DL")
	}
	if b == nil || b.kind != "DL" {
		return []*block{b}
	}
	var parts []*block
	var offset uint64
	for _, dl := range c.list(b.at, "DL") {
		for i, at := range dl.links[1:] {
			part := c.blocks[at]
			parts = append(parts, part)
			c.listed(dl, i, offset)
			offset += c.unpacked(part)
		}
	}
	return parts
}

// unpacked returns the bytes of records that a block holds.
func (c *checker) unpacked(b *block) uint64 {
	switch {
	case b == nil:
		return 0
	case b.kind == "DZ":
		return b.u64(8)
	}
	return uint64(b.length - headSize)
}

// listed checks the entry of a DL block for its i-th part.
func (c *checker) listed(dl *block, i int, offset uint64) {
	n := len(dl.links) - 1
	equal := dl.u8(0)&1 != 0
	want := 8 + 8*n
	if equal {
		want = 16
	}
	if !c.expect(int(dl.u32(4)) == n && len(dl.data) == want, "data list", dl.at, fmt.Sprintf("%d parts in %d bytes", n, want),
		fmt.Sprintf("%d in %d", dl.u32(4), len(dl.data))) {
		return
	}
	stated := uint64(i) * dl.u64(8)
	if !equal {
		stated = dl.u64(8 + 8*i)
	}
	c.expect(equal || stated == offset, "data list", dl.at, fmt.Sprintf("part %d at %d", i, offset), stated)
}

// content reads the records of several blocks as one.
type content struct {
	c      *checker
	blocks []*block
	now    io.Reader
	in     *block // that now reads
}

func (d *content) Read(p []byte) (int, error) {
	for {
		if d.now == nil {
			if len(d.blocks) == 0 {
				return 0, io.EOF
			}
			d.in, d.blocks = d.blocks[0], d.blocks[1:]
			d.now = d.c.open(d.in)
		}
		n, err := d.now.Read(p)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		if err != nil {
			d.now = nil
		}
	}
}

// open returns the records of one block.
func (c *checker) open(b *block) io.Reader {
	switch {
	case b == nil:
		return bytes.NewReader(nil)
	case b.kind == "DT" || b.kind == "SD":
		return io.NewSectionReader(c.r, b.at+headSize, b.length-headSize)
	case b.kind == "DZ":
		return bytes.NewReader(c.unpack(b))
	}
	c.problem("link", b.at, "data", "%s", b.kind)
	return bytes.NewReader(nil)
}

// unpack inflates a DZ block, and turns a transposed one back.
func (c *checker) unpack(b *block) []byte {
	size, packed, columns := b.u64(8), b.u64(16), int(b.u32(4))
	if !c.expect(size <= maxPacked, "packed block", b.at, fmt.Sprintf("at most %d bytes", maxPacked), size) ||
		!c.expect(int64(packed) == b.length-headSize-24, "packed block", b.at, fmt.Sprintf("%d packed bytes", b.length-headSize-24), packed) ||
		!c.expect(string(b.data[:2]) == "DT" || string(b.data[:2]) == "SD", "packed block", b.at, "DT or SD", fmt.Sprintf("%q", b.data[:2])) ||
		!c.expect(b.u8(2) <= 1, "packed block", b.at, "zip type 0 or 1", b.u8(2)) {
		return nil
	}
	z, err := zlib.NewReader(io.NewSectionReader(c.r, b.at+headSize+24, int64(packed)))
	var out []byte
	if err == nil {
		out, err = io.ReadAll(io.LimitReader(z, int64(size)+1))
	}
	if !c.expect(err == nil, "packed block", b.at, "a zlib stream", err) ||
		!c.expect(uint64(len(out)) == size, "packed block", b.at, fmt.Sprintf("%d bytes", size), len(out)) {
		return nil
	}
	if b.u8(2) == 0 {
		return out
	}
	if !c.expect(columns > 0, "packed block", b.at, "1 column or more", columns) {
		return nil
	}
	return untranspose(out, columns)
}

// untranspose turns columns into rows; what fills no row stays at the end.
func untranspose(in []byte, columns int) []byte {
	rows := len(in) / columns
	out := make([]byte, 0, len(in))
	for r := range rows {
		for k := range columns {
			out = append(out, in[k*rows+r])
		}
	}
	return append(out, in[rows*columns:]...)
}

// walker goes from record to record.
type walker struct {
	c      *checker
	data   *content
	in     *bufio.Reader
	idSize int
	groups map[uint64]*group
	do     func(*group, []byte)
	pos    int64 // bytes of the stream before the record
}

// at is about where the walker is in the file.
func (w *walker) at() int64 {
	if w.data.in == nil {
		return 0
	}
	if w.data.in.kind == "DT" && len(w.data.blocks) == 0 {
		return w.data.in.at + headSize + w.pos
	}
	return w.data.in.at
}

// record passes one record; false at the end.
func (w *walker) record() bool {
	head, err := w.in.Peek(max(w.idSize, 1))
	if err != nil {
		return w.end(len(head), err)
	}
	g, id := w.group(head)
	if !w.c.expect(g != nil, "record", w.at(), "the id of a channel group", id) {
		return false
	}
	w.in.Discard(w.idSize) // was peeked
	size := g.size
	if g.vlsd {
		n, err := w.in.Peek(4)
		if err != nil {
			return w.end(w.idSize+len(n), err)
		}
		size = 4 + int64(binary.LittleEndian.Uint32(n))
		g.payload += uint64(size - 4)
	}
	if rec, err := w.in.Peek(int(min(size, 1<<16))); err == nil && w.do != nil {
		w.do(g, rec)
	}
	n, err := io.CopyN(io.Discard, w.in, size)
	if err != nil {
		return w.end(w.idSize+int(n), err)
	}
	g.records++
	w.pos += int64(w.idSize) + size
	return true
}

// group returns the group of the record that begins with head; without record
// ids the only one.
func (w *walker) group(head []byte) (*group, uint64) {
	if w.idSize == 0 {
		for _, g := range w.groups {
			return g, 0
		}
	}
	var id uint64
	for i, b := range head[:w.idSize] {
		id |= uint64(b) << (8 * i)
	}
	return w.groups[id], id
}

// end closes the walk: n bytes of a record were left.
func (w *walker) end(n int, err error) bool {
	if !errors.Is(err, io.EOF) {
		w.c.failed = err
		return false
	}
	if w.c.rep.Flags&lengthOpen != 0 {
		w.c.rep.Trailing = int64(n)
		return false
	}
	w.c.expect(n == 0, "record", w.at(), "whole records", fmt.Sprintf("%d bytes of one", n))
	return false
}
