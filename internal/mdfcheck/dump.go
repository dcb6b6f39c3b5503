package mdfcheck

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// Dump writes every block and record of a file as readable lines: blocks as a
// tree, values as their channels describe them. It is for golden files and for
// the eye; what Check finds wrong may be left out.
func Dump(w io.Writer, r io.ReaderAt, size int64) error {
	c := &checker{r: r, size: size, blocks: map[int64]*block{}}
	c.identification()
	c.walk()
	c.cover()
	d := &dumper{c: c, w: w, texts: map[int64]string{}}
	d.head()
	if c.failed != nil {
		return c.failed
	}
	return d.err
}

type dumper struct {
	c     *checker
	w     io.Writer
	texts map[int64]string // channel that showed a table of texts first, by its address
	err   error
}

func (d *dumper) line(depth int, format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintln(d.w, strings.TrimRight(strings.Repeat("  ", depth)+fmt.Sprintf(format, args...), " "))
	}
}

// xml writes a comment, one tree or entry in a line.
func (d *dumper) xml(depth int, at int64) {
	text := d.c.text(at)
	for _, tag := range []string{"<tree", "</tree>", "<e ", "<tool_", "</common"} {
		text = strings.ReplaceAll(text, tag, "\n"+tag)
	}
	for _, l := range strings.Split(text, "\n") {
		d.line(depth, "%s", strings.TrimRight(strings.ReplaceAll(l, " </", "·</"), " "))
	}
}

func (d *dumper) head() {
	id := d.c.read("identification", 0, 64)
	hd := d.c.blocks[64]
	if id == nil || hd == nil || hd.kind != "HD" {
		return
	}
	d.line(0, "ID %q %q %q version %d flags %Xh %Xh", id[:8], id[8:16], id[16:24],
		binary.LittleEndian.Uint16(id[28:]), binary.LittleEndian.Uint16(id[60:]), binary.LittleEndian.Uint16(id[62:]))
	d.line(0, "HD start %d zone %d dst %d time flags %d class %d", hd.u64(0), hd.u16(8), hd.u16(10), hd.u8(12), hd.u8(13))
	d.xml(1, hd.links[5])
	for _, fh := range d.c.list(hd.links[1], "FH") {
		d.line(0, "FH time %d zone %d dst %d flags %d", fh.u64(0), fh.u16(8), fh.u16(10), fh.u8(12))
		d.xml(1, fh.links[1])
	}
	for _, dg := range d.c.list(hd.links[0], "DG") {
		d.dataGroup(dg)
	}
}

func (d *dumper) dataGroup(dg *block) {
	d.line(0, "DG record id of %d bytes", dg.u8(0))
	groups := map[uint64]*group{}
	for _, cg := range d.c.list(dg.links[1], "CG") {
		groups[cg.u64(0)] = &group{cg: cg, size: int64(cg.u32(24)) + int64(cg.u32(28)), vlsd: cg.u16(16)&groupVLSD != 0}
		d.line(0, "CG %d %s: %d + %d bytes, cycles %d, flags %d, separator %d", cg.u64(0), d.c.text(cg.links[2]),
			cg.u32(24), cg.u32(28), cg.u64(8), cg.u16(16), cg.u16(18))
		if si := d.c.target(cg, 3, "SI"); si != nil {
			d.source(si)
		}
		d.channels(1, cg.links[1])
	}
	if b := d.c.blocks[dg.links[2]]; b != nil {
		d.line(0, "%s length %d", b.kind, b.length)
	}
	d.c.eachRecord(dg, int(dg.u8(0)), groups, d.record)
}

func (d *dumper) source(si *block) {
	if name, seen := d.texts[si.at]; seen {
		d.line(1, "SI %s as above", name)
		return
	}
	d.texts[si.at] = d.c.text(si.links[0])
	d.line(1, "SI %s path %s type %d bus %d", d.c.text(si.links[0]), d.c.text(si.links[1]), si.u8(0), si.u8(1))
	d.xml(2, si.links[2])
}

func (d *dumper) channels(depth int, at int64) {
	for _, cn := range d.c.list(at, "CN") {
		name := d.c.text(cn.links[2])
		d.line(depth, "CN %-28s type %d sync %d data %2d at %d.%d, %d bits, flags %Xh%s%s", name, cn.u8(0), cn.u8(1), cn.u8(2),
			cn.u32(4), cn.u8(3), cn.u32(8), cn.u32(12), prefixed(" unit ", d.c.text(cn.links[6])), d.conversion(cn, name))
		if depth == 1 {
			d.channels(depth+1, cn.links[1])
		}
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// conversion describes the conversion of a channel; a table of texts that was
// shown before by the name of its channel.
func (d *dumper) conversion(cn *block, name string) string {
	cc := d.c.target(cn, 4, "CC")
	if cc == nil {
		return ""
	}
	if cc.u8(0) != ccText {
		return fmt.Sprintf(" CC type %d %v%s", cc.u8(0), d.keys(cc), prefixed(" unit ", d.c.text(cc.links[1])))
	}
	if first, seen := d.texts[cc.at]; seen {
		return " texts of " + first
	}
	d.texts[cc.at] = name
	var b strings.Builder
	for i, key := range d.keys(cc) {
		fmt.Fprintf(&b, " %g=%q", key, d.c.text(cc.links[4+i]))
	}
	return fmt.Sprintf(" texts%s else %q", b.String(), d.c.text(cc.links[len(cc.links)-1])) // a CC has four links or more
}

func (d *dumper) keys(cc *block) []float64 {
	var keys []float64
	for i := 24; i+8 <= len(cc.data) && (cc.u8(0) != ccText || len(keys)+5 < len(cc.links)); i += 8 {
		keys = append(keys, math.Float64frombits(binary.LittleEndian.Uint64(cc.data[i:])))
	}
	return keys
}

// record writes the values of one record.
func (d *dumper) record(g *group, rec []byte) {
	var b strings.Builder
	if g.vlsd {
		d.line(1, "group %d %x", g.cg.u64(0), rec)
		return
	}
	for _, cn := range d.c.list(g.cg.links[1], "CN") {
		members := d.c.list(cn.links[1], "CN")
		if len(members) == 0 {
			members = []*block{cn}
		}
		d.values(&b, members, rec)
	}
	d.line(1, "%s%s", d.c.text(g.cg.links[2]), b.String())
}

func (d *dumper) values(b *strings.Builder, channels []*block, rec []byte) {
	for _, cn := range channels {
		name := d.c.text(cn.links[2])
		fmt.Fprintf(b, " %s=%s", name[strings.LastIndexByte(name, '.')+1:], d.value(cn, rec))
	}
}

// value returns the value of a channel as text.
func (d *dumper) value(cn *block, rec []byte) string {
	s := bits(cn)
	if s.to > 8*int64(len(rec)) || s.from < 0 {
		return "?"
	}
	if cn.u8(0) == typeVirtual || cn.u8(0) == typeVirtualMaster {
		return "virtual"
	}
	if cn.u8(2) == dataBytes {
		return fmt.Sprintf("%x", rec[s.from/8:s.to/8])
	}
	var v uint64
	for bit := s.to - 1; bit >= s.from; bit-- {
		v = v<<1 | uint64(rec[bit/8]>>(bit%8)&1)
	}
	switch cn.u8(2) {
	case dataFloatLE:
		return fmt.Sprintf("%.0f", math.Float64frombits(v))
	case 2:
		return fmt.Sprint(int64(v))
	}
	cc := d.c.target(cn, 4, "CC")
	if cc == nil || cc.u8(0) != ccText {
		return fmt.Sprint(v)
	}
	for i, key := range d.keys(cc) {
		if key == float64(v) {
			return fmt.Sprintf("%q", d.c.text(cc.links[4+i]))
		}
	}
	return fmt.Sprintf("%q(%d)", d.c.text(cc.links[len(cc.links)-1]), v)
}
