package mdfcheck

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Standard flags of what is not finalised.
const (
	cyclesOpen    = 0x01
	lengthOpen    = 0x04 // of the last DT
	vlsdSizesOpen = 0x20
	knownFlags    = 0x7F
)

// spec is how a kind of block has to look.
type spec struct {
	links  []string // kinds that each link may lead to, separated by blanks
	more   string   // kinds that further links may lead to; empty: there are none
	data   int      // bytes behind the links
	open   bool     // there may be more
	shared bool     // several links may lead to it
	bulk   bool     // its content is not held in memory
}

var specs = map[string]spec{
	"HD": {links: []string{"DG", "FH", "", "", "", "MD"}, data: 32},
	"FH": {links: []string{"FH", "MD"}, data: 16},
	"DG": {links: []string{"DG", "CG", "DT DZ DL HL", "MD"}, data: 8},
	"CG": {links: []string{"CG", "CN", "TX", "SI", "", "MD"}, data: 32},
	"CN": {links: []string{"CN", "CN", "TX", "SI", "CC", "SD DZ DL HL CG", "MD TX", "MD"}, data: 72},
	"CC": {links: []string{"TX", "MD TX", "MD", "CC"}, more: "TX CC", data: 24, open: true, shared: true},
	"SI": {links: []string{"TX", "TX", "MD"}, data: 8, shared: true},
	"TX": {data: 1, open: true, shared: true},
	"MD": {data: 1, open: true, shared: true},
	"DT": {open: true, bulk: true},
	"SD": {open: true, bulk: true},
	"DL": {links: []string{"DL"}, more: "DT DZ SD", data: 8, open: true},
	"HL": {links: []string{"DL"}, data: 8},
	"DZ": {data: 24, open: true, bulk: true},
}

const (
	headSize  = 24
	maxLoaded = 64 << 20 // bytes of content held in memory
)

// block is a block as it stands in the file.
type block struct {
	at, length int64
	kind       string
	links      []int64
	data       []byte // behind the links; of bulk blocks the first spec.data bytes
	parents    int
}

func (b *block) u8(at int) uint8   { return b.data[at] }
func (b *block) u16(at int) uint16 { return binary.LittleEndian.Uint16(b.data[at:]) }
func (b *block) u32(at int) uint32 { return binary.LittleEndian.Uint32(b.data[at:]) }
func (b *block) u64(at int) uint64 { return binary.LittleEndian.Uint64(b.data[at:]) }

func (c *checker) identification() {
	b := c.read("identification", 0, 64)
	if b == nil {
		return
	}
	text := string(b[:8])
	c.rep.Finalised = text == "MDF     "
	c.rep.Flags = binary.LittleEndian.Uint16(b[60:])
	c.expect(c.rep.Finalised || text == "UnFinMF ", "identification", 0, `"MDF     " or "UnFinMF "`, fmt.Sprintf("%q", text))
	c.expect(string(b[8:16]) == "4.11    ", "version text", 8, `"4.11    "`, fmt.Sprintf("%q", b[8:16]))
	c.expect(binary.LittleEndian.Uint16(b[28:]) == 411, "version", 28, "411", binary.LittleEndian.Uint16(b[28:]))
	if c.rep.Finalised {
		c.expect(c.rep.Flags == 0, "unfinalised flags", 60, "0 in a finalised file", c.rep.Flags)
	} else {
		c.expect(c.rep.Flags != 0 && c.rep.Flags&^knownFlags == 0, "unfinalised flags", 60, "some of 7Fh", fmt.Sprintf("%Xh", c.rep.Flags))
	}
	c.expect(binary.LittleEndian.Uint16(b[62:]) == 0, "custom flags", 62, "0", binary.LittleEndian.Uint16(b[62:]))
}

// walk reaches every block from HD.
func (c *checker) walk() {
	todo := []int64{}
	if c.visit(64, "HD") {
		todo = append(todo, 64)
	}
	for len(todo) > 0 && c.failed == nil {
		b := c.blocks[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		for i, to := range b.links {
			allowed := specs[b.kind].more
			if links := specs[b.kind].links; i < len(links) {
				allowed = links[i]
			}
			if to != 0 && c.visit(to, allowed) {
				todo = append(todo, to)
			}
			if t := c.blocks[to]; t != nil && (b.kind != "CN" || t.kind != "CG") {
				t.parents++ // a VLSD channel shows its group, which its list holds
			}
		}
	}
	c.rep.Blocks = len(c.blocks)
}

// visit follows a link to a block of one of the kinds; true if it is new.
func (c *checker) visit(at int64, kinds string) bool {
	b, known := c.blocks[at]
	if !known {
		if b = c.load(at); b == nil {
			return false
		}
		c.blocks[at] = b
	}
	c.expect(slices.Contains(strings.Fields(kinds), b.kind), "link", at, "a link to "+or(kinds, "nothing"), b.kind)
	return !known
}

// load reads the block at an address; nil if there is none.
func (c *checker) load(at int64) *block {
	if !c.expect(at%8 == 0, "alignment", at, "a multiple of 8", at) || !c.expect(at >= 64, "address", at, "64 or more", at) {
		return nil
	}
	head := c.read("address", at, headSize)
	if head == nil {
		return nil
	}
	b := &block{at: at, kind: string(head[2:4]), length: int64(binary.LittleEndian.Uint64(head[8:]))}
	s, ok := specs[b.kind]
	if !c.expect(ok && string(head[:2]) == "##", "block id", at, "a known block", fmt.Sprintf("%q", head[:4])) {
		return nil
	}
	c.expect(binary.LittleEndian.Uint32(head[4:]) == 0, "reserved", at+4, "0", binary.LittleEndian.Uint32(head[4:]))
	if !c.shape(b, s, binary.LittleEndian.Uint64(head[16:])) {
		return nil
	}
	return c.body(b, s)
}

// shape checks length and number of links in the head of a block.
func (c *checker) shape(b *block, s spec, links uint64) bool {
	n := uint64(len(s.links))
	if !c.expect(links == n || links > n && s.more != "" && links < 1<<20, "link count", b.at+16, fmt.Sprint(n), links) {
		return false
	}
	b.links = make([]int64, links)
	want := headSize + 8*int64(links) + int64(s.data)
	return c.expect(b.length == want || b.length > want && s.open, "length", b.at+8, fmt.Sprint(want), b.length) &&
		c.expect(b.length <= c.size-b.at, "length", b.at+8, fmt.Sprintf("at most %d, the rest of the file", c.size-b.at), b.length)
}

// body reads links and content of a block.
func (c *checker) body(b *block, s spec) *block {
	n := b.length - headSize
	if s.bulk {
		n = int64(8*len(b.links) + s.data)
	}
	c.loaded += n
	if !c.expect(c.loaded <= maxLoaded, "size", b.at, fmt.Sprintf("at most %d bytes of metadata", maxLoaded), c.loaded) {
		return nil
	}
	body := c.read("length", b.at+headSize, n)
	if body == nil {
		return nil
	}
	for i := range b.links {
		b.links[i] = int64(binary.LittleEndian.Uint64(body[8*i:]))
	}
	b.data = body[8*len(b.links):]
	return b
}

// cover checks that blocks neither overlap nor leave bytes between them, and
// gives the open DT at the end its true length.
func (c *checker) cover() {
	sorted := slices.SortedFunc(maps.Values(c.blocks), func(a, b *block) int { return cmp.Compare(a.at, b.at) })
	end := int64(64)
	for _, b := range sorted {
		c.expect(b.at >= end, "overlap", b.at, fmt.Sprintf("a block at %d or behind", end), b.kind)
		c.between(end, b.at)
		end = max(end, b.at+b.length)
		c.expect(b.parents <= 1 || specs[b.kind].shared, "linked twice", b.at, "one link to a block "+b.kind, b.parents)
	}
	if n := len(sorted); n > 0 && c.rep.Flags&lengthOpen != 0 {
		last := sorted[n-1]
		if c.expect(last.kind == "DT", "open DT", last.at, "DT as the last block", last.kind) {
			last.length, end = c.size-last.at, c.size
		}
	}
	c.between(end, c.size)
}

// between checks the bytes from one block to the next: padding to 8 only.
func (c *checker) between(from, to int64) {
	if to <= from {
		return
	}
	if !c.expect(to-from < 8, "unreached bytes", from, "fewer than 8 between blocks", to-from) {
		return
	}
	for i, b := range c.read("padding", from, to-from) {
		c.expect(b == 0, "padding", from+int64(i), "0", b)
	}
}

// list follows the first link from block to block of a kind, at most once to each.
func (c *checker) list(at int64, kind string) []*block {
	var found []*block
	seen := map[int64]bool{}
	for at != 0 && !seen[at] {
		b := c.blocks[at]
		if b == nil || b.kind != kind {
			return found
		}
		seen[at] = true
		found = append(found, b)
		at = b.links[0]
	}
	return found
}

// target returns the block that a link leads to, nil if it is not of the kind.
func (c *checker) target(b *block, link int, kind string) *block {
	t := c.blocks[b.links[link]]
	if t == nil || t.kind != kind {
		return nil
	}
	return t
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
