package mdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds for what a file may claim of itself.
const (
	maxText   = 1 << 20 // bytes of a TX or MD block
	maxLinks  = 64
	maxRecord = 4096 // bytes of a record without its id
)

// outline is what stands before the records: where they begin, how long each
// is, and the places that finishing patches.
type outline struct {
	header   Header
	comments comments
	finished bool
	end      string // value of the entry "end", with its blanks
	endAt    int64
	stream   int64      // address of the first record
	length   int64      // bytes of records by the DT block
	size     [256]int   // bytes of a record without id, by record id; 0: not declared
	cycles   [256]int64 // address of the cycle count, by record id
	counts   [256]uint64
	sorted   bool         // one data group for each id: lists instead of stream
	lists    [ridEnd]list // where the records of an id are
}

// parse reads the outline of a file of size bytes. What is wrong with it
// comes as a *CorruptError.
func parse(r io.ReaderAt, size int64) (*outline, error) {
	p := &parser{r: r, size: size}
	o := &outline{}
	for _, step := range []func(*outline) error{p.identification, p.head} {
		if err := step(o); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// parser reads blocks of a file that may be anything.
type parser struct {
	r    io.ReaderAt
	size int64
	live bool // not finished: the length of DT may be torn, and says nothing
}

// block is a block as read: data without header and links.
type block struct {
	at, length int64
	count      int // of links
	links      []int64
	data       []byte
}

func corrupt(at int64, want, format string, args ...any) error {
	return &CorruptError{Offset: at, Want: want, Got: fmt.Sprintf(format, args...)}
}

// bytes reads n bytes at an address.
func (p *parser) bytes(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > p.size-n {
		return nil, corrupt(at, fmt.Sprintf("%d bytes", n), "the end of the file at %d", p.size)
	}
	b := make([]byte, n)
	if k, err := p.r.ReadAt(b, at); k < len(b) {
		if errors.Is(err, io.EOF) {
			return nil, corrupt(at, fmt.Sprintf("%d bytes", n), "%d", k)
		}
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, at, err)
	}
	return b, nil
}

// identification reads the ID block. Its patch may have been torn by a power
// cut: then the file is not finished.
func (p *parser) identification(o *outline) error {
	b, err := p.bytes(0, idSize)
	if err != nil {
		return err
	}
	live, done := identification(false), identification(true)
	for i := range b {
		if b[i] != live[i] && b[i] != done[i] {
			return corrupt(int64(i), "the identification of a canseal MDF 4.11 file", "byte %#02x", b[i])
		}
	}
	o.finished = string(b) == string(done)
	p.live = !o.finished
	return nil
}

// head reads the HD block and what it links to.
func (p *parser) head(o *outline) error {
	hd, err := p.block(idSize, "HD", 6, 32)
	if err != nil {
		return err
	}
	o.header.Start = int64(binary.LittleEndian.Uint64(hd.data))
	if err := p.comment(o, hd.links[5]); err != nil {
		return err
	}
	if err := p.history(o, hd.links[1]); err != nil {
		return err
	}
	return p.group(o, hd.links[0])
}

// comment reads the comment of HD.
func (p *parser) comment(o *outline, at int64) error {
	c, text, err := p.xml(at)
	if err != nil {
		return err
	}
	o.comments.head = text
	if f := c.text(treeOurs, "format"); f != format {
		return corrupt(at, "format "+format+" of canseal", "%q", f)
	}
	end := c[[2]string{treeOurs, "end"}]
	if len(end.value) != len(endOpen) {
		return corrupt(at, "entry end of 8 characters", "%q", end.value)
	}
	o.end, o.endAt = end.value, at+24+end.at
	if err := c.header(&o.header); err != nil {
		return corrupt(at, "numbers in the comment of HD", "%v", err)
	}
	return nil
}

// history reads the FH block, which holds the version that wrote the file.
func (p *parser) history(o *outline, at int64) error {
	fh, err := p.block(at, "FH", 2, 16)
	if err != nil {
		return err
	}
	c, text, err := p.xml(fh.links[1])
	if err != nil {
		return err
	}
	o.comments.history = text
	o.header.Version = c.text("", "tool_version")
	return nil
}

// group reads the DG block, its channel groups and the head of its records.
func (p *parser) group(o *outline, at int64) error {
	dg, err := p.block(at, "DG", 4, 8)
	if err != nil {
		return err
	}
	if dg.data[0] == 0 && o.finished {
		o.sorted = true
		return p.sorted(o, dg)
	}
	if dg.links[0] != 0 || dg.data[0] != 1 {
		return corrupt(at, "one data group with record ids of 1 byte", "next %d, %d bytes", dg.links[0], dg.data[0])
	}
	for cg := dg.links[1]; cg != 0; {
		d, err := p.channelGroup(cg)
		if err == nil {
			err = p.declare(o, d, d.rid)
		}
		if err != nil {
			return err
		}
		cg = d.next
	}
	if err := o.complete(at); err != nil {
		return err
	}
	return p.records(o, dg.links[2])
}

// complete tells whether every group is declared that each file has.
func (o *outline) complete(at int64) error {
	for _, g := range groups {
		if o.size[g.rid] == 0 && g.rid != ridPlain {
			return corrupt(at, "a group "+g.name, "none")
		}
	}
	return nil
}

// declared is a CG block as read.
type declared struct {
	at, next, source int64
	name             string
	rid, count       uint64
	size             uint32 // bytes of a record without its id
}

// channelGroup reads a CG block.
func (p *parser) channelGroup(at int64) (declared, error) {
	cg, err := p.block(at, "CG", 6, 32)
	if err != nil {
		return declared{}, err
	}
	name, err := p.text(cg.links[2], "TX")
	if err != nil {
		return declared{}, err
	}
	d := declared{
		at: at, next: cg.links[0], source: cg.links[3], name: name,
		rid: binary.LittleEndian.Uint64(cg.data), count: binary.LittleEndian.Uint64(cg.data[8:]),
		size: binary.LittleEndian.Uint32(cg.data[24:]),
	}
	if d.size < 8 || d.size > maxRecord {
		return declared{}, corrupt(at, fmt.Sprintf("records of 8 to %d bytes", maxRecord), "%d", d.size)
	}
	return d, nil
}

// declare enters a group under its record id.
func (p *parser) declare(o *outline, d declared, rid uint64) error {
	if rid == 0 || rid > 255 || o.size[rid] != 0 {
		return corrupt(d.at, "a record id of its own, 1-255", "%d", rid)
	}
	if g := find(uint8(rid)); g != nil && (g.name != d.name || g.size != int(d.size)) {
		return corrupt(d.at, fmt.Sprintf("group %s of %d bytes", g.name, g.size), "%q of %d", d.name, d.size)
	}
	o.size[rid], o.cycles[rid], o.counts[rid] = int(d.size), d.at+cycleCountAt, d.count
	switch uint8(rid) {
	case ridPlain:
		o.header.Plain = true
	case ridData8:
		return p.source(o, d.source)
	}
	return nil
}

// source reads the SI block, which holds the bit rates.
func (p *parser) source(o *outline, at int64) error {
	si, err := p.block(at, "SI", 3, 8)
	if err != nil {
		return err
	}
	c, text, err := p.xml(si.links[2])
	if err != nil {
		return err
	}
	o.comments.source = text
	for i := range o.header.BitRates {
		rate, err := c.number(treeBuses, rateName(i), 10, 33)
		if err != nil {
			return corrupt(si.links[2], "a bit rate", "%v", err)
		}
		o.header.BitRates[i] = uint32(rate)
	}
	return nil
}

// records reads the head of the DT block.
func (p *parser) records(o *outline, at int64) error {
	dt, err := p.header(at, "DT", maxLinks)
	if err != nil {
		return err
	}
	o.stream, o.length = at+dtHeader, dt.length-dtHeader
	if o.finished && o.length > p.size-o.stream {
		return corrupt(at, fmt.Sprintf("%d bytes of records", o.length), "%d", p.size-o.stream)
	}
	return nil
}

// header reads the 24 bytes that every block but ID begins with.
func (p *parser) header(at int64, id string, most uint64) (block, error) {
	if at < idSize || at%8 != 0 {
		return block{}, corrupt(at, "an address of a block "+id, "%d", at)
	}
	b, err := p.bytes(at, 24)
	if err != nil {
		return block{}, err
	}
	if string(b[:4]) != "##"+id {
		return block{}, corrupt(at, "block ##"+id, "%q", b[:4])
	}
	links := binary.LittleEndian.Uint64(b[16:])
	if links > most {
		return block{}, corrupt(at+16, fmt.Sprintf("at most %d links", most), "%d", links)
	}
	length := int64(binary.LittleEndian.Uint64(b[8:]))
	if length < 24+8*int64(links) && !(id == "DT" && p.live) {
		return block{}, corrupt(at+8, fmt.Sprintf("a length of %d or more", 24+8*links), "%d", length)
	}
	return block{at: at, length: length, count: int(links)}, nil
}

// block reads a block with so many links and bytes of data; a text may be longer.
func (p *parser) block(at int64, id string, links, data int) (block, error) {
	b, err := p.header(at, id, maxLinks)
	if err != nil {
		return block{}, err
	}
	want, text := int64(24+8*links+data), id == "TX" || id == "MD"
	if b.count != links || b.length != want && (!text || b.length < want || b.length > maxText) {
		return block{}, corrupt(at, fmt.Sprintf("block ##%s with %d links and %d bytes", id, links, data),
			"%d links and %d bytes in all", b.count, b.length)
	}
	body, err := p.bytes(at+24, b.length-24)
	if err != nil {
		return block{}, err
	}
	b.links = make([]int64, links)
	for i := range b.links {
		b.links[i] = int64(binary.LittleEndian.Uint64(body[8*i:]))
	}
	b.data = body[8*links:]
	return b, nil
}

// text reads a TX or MD block.
func (p *parser) text(at int64, id string) (string, error) {
	b, err := p.block(at, id, 0, 1)
	if err != nil {
		return "", err
	}
	text, _, ok := strings.Cut(string(b.data), "\x00")
	if !ok {
		return "", corrupt(at, "text that ends with a zero byte", "none")
	}
	return text, nil
}

// xml reads an MD block: what it says, and its text.
func (p *parser) xml(at int64) (comment, string, error) {
	s, err := p.text(at, "MD")
	if err != nil {
		return nil, "", err
	}
	c, err := parseComment(s)
	if err != nil {
		return nil, "", corrupt(at, "XML", "%v", err)
	}
	return c, s, nil
}
