package mdfcheck

import (
	"fmt"
	"slices"
)

const (
	groupVLSD  = 1
	groupBus   = 2
	groupPlain = 4
	groupKnown = 31

	sourceBus = 2
)

// semantics checks what the blocks mean.
func (c *checker) semantics() {
	hd := c.blocks[64]
	if hd == nil || hd.kind != "HD" {
		return
	}
	c.texts()
	c.head(hd)
	for _, b := range c.blocks {
		switch b.kind {
		case "CC":
			c.conversion(b)
		case "SI":
			c.source(b)
		}
	}
	for _, dg := range c.list(hd.links[0], "DG") {
		c.dataGroup(dg)
	}
}

func (c *checker) head(hd *block) {
	c.expect(hd.u8(12) <= 3, "time flags", hd.at, "0-3", hd.u8(12))
	c.expect(slices.Contains([]uint8{0, 10, 16}, hd.u8(13)), "clock class", hd.at, "0, 10 or 16", hd.u8(13))
	if hd.links[5] != 0 {
		c.needs(hd.links[5], "HDcomment")
	}
	history := c.list(hd.links[1], "FH")
	c.expect(len(history) > 0, "history", hd.at, "a block FH", "none")
	for _, fh := range history {
		if c.expect(fh.links[1] != 0, "history", fh.at, "a comment", "none") {
			c.needs(fh.links[1], "FHcomment/TX", "FHcomment/tool_id", "FHcomment/tool_vendor", "FHcomment/tool_version")
		}
	}
}

func (c *checker) source(si *block) {
	c.expect(si.u8(0) <= 4, "source type", si.at, "0-4", si.u8(0))
	c.expect(si.u8(1) <= 8, "bus type", si.at, "0-8", si.u8(1))
	if si.links[2] != 0 {
		c.needs(si.links[2], "SIcomment")
	}
}

// group is a channel group while its records are walked.
type group struct {
	cg      *block
	size    int64 // of a record without id
	vlsd    bool
	records uint64
	payload uint64 // bytes of VLSD content
}

func (c *checker) dataGroup(dg *block) {
	idSize := int(dg.u8(0))
	c.expect(slices.Contains([]int{0, 1, 2, 4, 8}, idSize), "record id size", dg.at, "0, 1, 2, 4 or 8", idSize)
	groups := map[uint64]*group{}
	var order []*group
	cgs := c.list(dg.links[1], "CG")
	c.expect(len(cgs) > 0, "channel group", dg.at, "one or more", "none")
	c.expect(idSize != 0 || len(cgs) <= 1, "sorted", dg.at, "one channel group without record ids", len(cgs))
	for _, cg := range cgs {
		g := c.channelGroup(cg, idSize)
		id := cg.u64(0)
		c.expect(groups[id] == nil, "record id", cg.at, "an id of its own", id)
		groups[id] = g
		order = append(order, g)
	}
	if c.failed == nil && slices.Contains([]int{0, 1, 2, 4, 8}, idSize) {
		c.eachRecord(dg, idSize, groups, nil)
	}
	for _, g := range order {
		c.counts(g)
	}
}

func (c *checker) channelGroup(cg *block, idSize int) *group {
	flags := cg.u16(16)
	g := &group{cg: cg, vlsd: flags&groupVLSD != 0, size: int64(cg.u32(24)) + int64(cg.u32(28))}
	c.expect(flags&^groupKnown == 0, "group flags", cg.at, "some of 1Fh", fmt.Sprintf("%Xh", flags))
	c.expect(flags&groupPlain == 0 || flags&groupBus != 0, "group flags", cg.at, "bus event (2) with plain bus event (4)", flags)
	c.expect(idSize == 8 || cg.u64(0)>>(8*idSize) == 0, "record id", cg.at, fmt.Sprintf("an id of %d bytes", idSize), cg.u64(0))
	if g.vlsd {
		c.expect(cg.links[1] == 0, "VLSD group", cg.at, "no channels", cg.links[1])
		return g
	}
	c.expect(g.size > 0, "record size", cg.at, "1 or more", g.size)
	c.channels(cg)
	if flags&groupBus != 0 {
		c.busEvent(cg)
	}
	return g
}

// busEvent checks what readers ask of a group of frames.
func (c *checker) busEvent(cg *block) {
	si := c.target(cg, 3, "SI")
	if c.expect(si != nil, "source", cg.at, "a source of a bus event", "none") {
		c.expect(si.u8(0) == sourceBus && si.u8(1) != 0, "source", si.at, "type 2 with a bus", fmt.Sprint(si.u8(0), " ", si.u8(1)))
	}
	c.expect(c.text(cg.links[2]) != "", "acquisition name", cg.at, "a name", "none")
	c.expect(cg.u16(18) == '.', "path separator", cg.at, "46", cg.u16(18))
	frames := 0
	for _, cn := range c.list(cg.links[1], "CN") {
		if cn.u8(0) == typeMaster || cn.u8(0) == typeVirtualMaster {
			continue
		}
		frames++
		c.frame(cn)
	}
	c.expect(frames == 1, "bus event", cg.at, "one channel beside the master", frames)
}

// members that readers ask for, by the name of the frame channel.
var members = map[string][]string{
	"CAN_DataFrame":   {"BusChannel", "ID", "DataLength", "DataBytes", "Dir"},
	"CAN_RemoteFrame": {"BusChannel", "ID", "Dir"},
	"CAN_ErrorFrame":  {"BusChannel"},
}

// frame checks the members of a frame channel.
func (c *checker) frame(cn *block) {
	name := c.text(cn.links[2])
	c.expect(cn.u32(12)&busEventFlag != 0, "bus event flag", cn.at, "400h on "+name, fmt.Sprintf("%Xh", cn.u32(12)))
	have := map[string]bool{}
	for _, m := range c.list(cn.links[1], "CN") {
		text := c.text(m.links[2])
		if c.expect(len(text) > len(name)+1 && text[:len(name)+1] == name+".", "member name", m.at, name+".*", text) {
			have[text[len(name)+1:]] = true
		}
		c.expect(m.u32(12)&busEventFlag != 0, "bus event flag", m.at, "400h on "+text, fmt.Sprintf("%Xh", m.u32(12)))
	}
	for _, m := range members[name] {
		c.expect(have[m], "member", cn.at, name+"."+m, "none")
	}
}

// counts compares what a group states with what was found.
func (c *checker) counts(g *group) {
	stated := g.cg.u64(8)
	if c.rep.Flags&cyclesOpen == 0 {
		c.expect(stated == g.records, "cycle count", g.cg.at+80, fmt.Sprint(g.records), stated)
	}
	if g.vlsd && c.rep.Flags&vlsdSizesOpen == 0 {
		total := uint64(g.cg.u32(24)) | uint64(g.cg.u32(28))<<32
		c.expect(total == g.payload, "VLSD size", g.cg.at+96, fmt.Sprint(g.payload), total)
	}
	c.rep.Groups = append(c.rep.Groups, Group{
		Name: c.text(g.cg.links[2]), ID: g.cg.u64(0), Size: int(g.size), Stated: stated, Records: g.records,
	})
}
