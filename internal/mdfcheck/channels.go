package mdfcheck

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Types of channels and their data.
const (
	typeValue         = 0
	typeVLSD          = 1
	typeMaster        = 2
	typeVirtualMaster = 3
	typeMLSD          = 5
	typeVirtual       = 6

	syncTime = 1

	dataFloatLE = 4
	dataFloatBE = 5
	dataBytes   = 10

	busEventFlag = 0x400
)

// span is a range of bits in a record.
type span struct{ from, to int64 }

func (s span) overlaps(o span) bool { return s.from < o.to && o.from < s.to }

// channels checks the channels of a group.
func (c *checker) channels(cg *block) {
	whole := span{0, 8 * (int64(cg.u32(24)))}
	masters := 0
	list := c.list(cg.links[1], "CN")
	for _, cn := range list {
		if t := cn.u8(0); t == typeMaster || t == typeVirtualMaster {
			masters++
			c.master(cn)
		}
		c.channel(cn, whole)
		c.members(cn, whole)
	}
	c.expect(masters == 1, "master", cg.at, "one master channel", masters)
	c.siblings(list)
}

// master checks the channel of time.
func (c *checker) master(cn *block) {
	c.expect(cn.u8(1) == syncTime, "master", cn.at, "sync type 1 (time)", cn.u8(1))
	if cc := c.target(cn, 4, "CC"); cc != nil {
		c.expect(cc.u8(0) == ccLinear, "master", cc.at, "a linear conversion", cc.u8(0))
	}
}

// members checks the members of a channel: they lie within its bits, or within
// the whole record where it has none of its own.
func (c *checker) members(cn *block, whole span) {
	within := bits(cn)
	if within.to == within.from {
		within = whole
	}
	list := c.list(cn.links[1], "CN")
	for _, m := range list {
		c.expect(m.links[1] == 0, "composition", m.at, "members without members", m.links[1])
		c.channel(m, within)
	}
	c.siblings(list)
}

// channel checks a channel that has to lie within a span.
func (c *checker) channel(cn *block, within span) {
	c.expect(cn.u8(0) <= typeVirtual, "channel type", cn.at, "0-6", cn.u8(0))
	c.expect(cn.u8(1) <= 4, "sync type", cn.at, "0-4", cn.u8(1))
	c.expect(cn.u8(2) <= dataBytes, "data type", cn.at, "0-10", cn.u8(2))
	c.expect(cn.u8(3) <= 7, "bit offset", cn.at, "0-7", cn.u8(3))
	c.expect(cn.u16(22) == 0, "attachments", cn.at, "none", cn.u16(22))
	c.expect(c.text(cn.links[2]) != "", "channel name", cn.at, "a name", "none")
	c.width(cn)
	s := bits(cn)
	c.expect(s == span{} || s.from >= within.from && s.to <= within.to, "bits", cn.at,
		fmt.Sprintf("bits within %d to %d", within.from, within.to), fmt.Sprintf("%d to %d", s.from, s.to))
	c.store(cn)
}

// width checks the number of bits against the data type.
func (c *checker) width(cn *block) {
	n, at := cn.u32(8), cn.at
	switch {
	case cn.u8(0) == typeVirtual || cn.u8(0) == typeVirtualMaster:
		c.expect(n == 0, "bit count", at, "0 in a virtual channel", n)
	case cn.u8(2) < dataFloatLE:
		c.expect(n >= 1 && n <= 64, "bit count", at, "1-64 in an integer", n)
	case cn.u8(2) <= dataFloatBE:
		c.expect((n == 32 || n == 64) && cn.u8(3) == 0, "bit count", at, "32 or 64 in a float", n)
	default:
		c.expect(n > 0 && n%8 == 0 && cn.u8(3) == 0, "bit count", at, "whole bytes", n)
	}
}

// bits returns where the value of a channel stands in its record.
func bits(cn *block) span {
	from := 8*int64(cn.u32(4)) + int64(cn.u8(3))
	if t := cn.u8(0); t == typeVirtual || t == typeVirtualMaster {
		return span{}
	}
	return span{from, from + int64(cn.u32(8))}
}

// store checks the link to content outside of the record.
func (c *checker) store(cn *block) {
	if cn.u8(0) == typeVLSD {
		c.expect(cn.links[5] != 0, "VLSD channel", cn.at, "a link to its content", "none")
		return
	}
	c.expect(cn.links[5] == 0 || cn.u8(0) == typeMLSD, "channel data", cn.at, "no link", cn.links[5])
}

// siblings checks that channels of one list share their bits wholly or not at all.
func (c *checker) siblings(list []*block) {
	for i, a := range list {
		for _, b := range list[:i] {
			x, y := bits(a), bits(b)
			c.expect(x == y || !x.overlaps(y), "channel overlap", a.at, "bits of its own", c.text(a.links[2])+" and "+c.text(b.links[2]))
		}
	}
}

// Types of conversions.
const (
	ccLinear       = 1
	ccTable        = 4
	ccTableNearest = 5
	ccText         = 7
)

func (c *checker) conversion(cc *block) {
	kind, refs, values := cc.u8(0), int(cc.u16(4)), int(cc.u16(6))
	if !c.expect(len(cc.links) == 4+refs, "conversion", cc.at, fmt.Sprintf("%d links", 4+refs), len(cc.links)) ||
		!c.expect(len(cc.data) == 24+8*values, "conversion", cc.at, fmt.Sprintf("%d bytes of values", 8*values), len(cc.data)-24) {
		return
	}
	v := make([]float64, values)
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(cc.data[24+8*i:]))
		c.expect(!math.IsNaN(v[i]) && !math.IsInf(v[i], 0), "conversion", cc.at, "numbers", v[i])
	}
	switch kind {
	case ccLinear:
		c.expect(values == 2 && refs == 0, "conversion", cc.at, "2 values", values)
	case ccTable, ccTableNearest:
		c.expect(values > 0 && values%2 == 0 && refs == 0, "conversion", cc.at, "pairs of values", values)
		c.ascending(cc, v, 2)
	case ccText:
		c.expect(refs == values+1, "conversion", cc.at, fmt.Sprintf("%d texts and a default", values), refs)
		c.ascending(cc, v, 1)
	default:
		c.problem("conversion", cc.at, "type 1, 4, 5 or 7", "%d", kind)
	}
}

// ascending checks every step-th value.
func (c *checker) ascending(cc *block, v []float64, step int) {
	for i := step; i < len(v); i += step {
		c.expect(v[i] > v[i-step], "conversion keys", cc.at, fmt.Sprintf("a key above %g", v[i-step]), v[i])
	}
}
