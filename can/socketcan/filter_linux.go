package socketcan

import (
	"golang.org/x/sys/unix"

	"canseal/can"
)

const (
	// slowFilters is how many filters the kernel may have to try one after the
	// other with each frame; those for one identifier it finds at once.
	slowFilters = 64
	// maxFilters is CAN_RAW_FILTER_MAX (linux/can/raw.h).
	maxFilters = 512
	headBits   = unix.CAN_EFF_FLAG | unix.CAN_RTR_FLAG
)

// everything is the filter of a new socket.
var everything = []unix.CanFilter{{}}

// kernelFilters turns a list of rules into filters of which a frame has to
// match any, and which say exactly what the list says; ids pass whatever it
// says. It reports false where that takes more filters than is good.
//
// A filter is a cube: the identifiers that have certain values at certain
// bits. A range is a few of them. What an earlier rule rejects is cut out of
// the cubes of a later one, bit by bit.
func kernelFilters(rules []can.Rule, ids []ID) ([]unix.CanFilter, bool) {
	var accepted, rejected []unix.CanFilter
	for _, r := range rules {
		cubes := cubesOf(r)
		if r.Reject {
			rejected = append(rejected, cubes...)
			continue
		}
		for _, c := range cubes {
			parts, ok := without(c, rejected)
			if accepted = append(accepted, parts...); !ok || len(accepted) > maxFilters {
				return nil, false
			}
		}
	}
	for _, id := range ids {
		accepted = append(accepted, cubesOf(can.Rule{Extended: id.Extended, First: id.Number, Last: id.Number, Remote: true})...)
	}
	accepted = distinct(accepted)
	slow := 0
	for _, c := range accepted {
		if !direct(c) {
			slow++
		}
	}
	return accepted, slow <= slowFilters && len(accepted) <= maxFilters
}

// cubesOf returns the identifiers of a rule, without regard to Reject.
func cubesOf(r can.Rule) (cubes []unix.CanFilter) {
	head, mask, bits := uint32(0), uint32(unix.CAN_EFF_FLAG), 11
	if r.Extended {
		head, bits = unix.CAN_EFF_FLAG, 29
	}
	if !r.Remote {
		mask |= unix.CAN_RTR_FLAG
	}
	all := uint32(1)<<bits - 1
	if r.Mask != 0 {
		return []unix.CanFilter{{Id: head | r.First&r.Mask&all, Mask: mask | r.Mask&all}}
	}
	for first, last := uint64(r.First), uint64(min(r.Last, all)); first <= last; {
		size := uint64(1) // the largest aligned block that begins here and does not reach too far
		for first&(2*size-1) == 0 && first+2*size-1 <= last {
			size *= 2
		}
		cubes = append(cubes, unix.CanFilter{Id: head | uint32(first), Mask: mask | all&^uint32(size-1)})
		first += size
	}
	return cubes
}

// without cuts cubes out of one. It reports false when that leaves too many.
func without(c unix.CanFilter, holes []unix.CanFilter) ([]unix.CanFilter, bool) {
	parts := []unix.CanFilter{c}
	for _, hole := range holes {
		var next []unix.CanFilter
		for _, p := range parts {
			next = cut(next, p, hole)
		}
		if parts = next; len(parts) > maxFilters {
			return nil, false
		}
	}
	return parts, true
}

// cut appends the cubes that make up c without hole. They do not overlap: each
// differs from the hole in one more bit.
func cut(list []unix.CanFilter, c, hole unix.CanFilter) []unix.CanFilter {
	if (c.Id^hole.Id)&c.Mask&hole.Mask != 0 {
		return append(list, c)
	}
	for free := hole.Mask &^ c.Mask; free != 0; free &= free - 1 {
		bit := free & -free
		list = append(list, unix.CanFilter{Id: c.Id | ^hole.Id&bit, Mask: c.Mask | bit})
		c.Id, c.Mask = c.Id|hole.Id&bit, c.Mask|bit
	}
	return list
}

// distinct drops cubes that lie within another one.
func distinct(cubes []unix.CanFilter) []unix.CanFilter {
	list := []unix.CanFilter{}
	for i, c := range cubes {
		within := false
		for j, d := range cubes {
			if i != j && d.Mask&^c.Mask == 0 && (c.Id^d.Id)&d.Mask == 0 {
				within = within || c != d || j < i
			}
		}
		if !within {
			list = append(list, c)
		}
	}
	return list
}

// direct tells whether the kernel finds a filter by the identifier: it is for
// data frames of a single one (net/can/af_can.c, can_rcv_list_find).
func direct(c unix.CanFilter) bool {
	mask := uint32(headBits | unix.CAN_SFF_MASK)
	if c.Id&unix.CAN_EFF_FLAG != 0 {
		mask = headBits | unix.CAN_EFF_MASK
	}
	return c.Mask == mask
}

// push hands the filters to the kernel once a valid frame has come, and takes
// them back when that has to be shown again: a filter would hide it.
func (c *Capture) push(ch *channel) {
	if ch.filters == nil || ch.heard == ch.pushed {
		return
	}
	filters := everything
	if ch.heard {
		filters = ch.filters
	}
	if err := unix.SetsockoptCanRawFilter(ch.fd, unix.SOL_CAN_RAW, unix.CAN_RAW_FILTER, filters); err != nil {
		c.log.Warn("filters not set in the kernel", "interface", ch.Name, "bus", ch.Bus, "error", err)
		ch.filters = nil
		return
	}
	ch.pushed = ch.heard
}

// countFiltered compares what the interface received with what came here:
// the kernel left the rest out. Frames that are on their way at this moment
// count until the next look.
func (ch *channel) countFiltered(l *link) {
	s := &ch.status
	s.Filters = 0
	if ch.pushed {
		s.Filters = len(ch.filters)
		s.FilteredUnknown = s.FilteredUnknown || !l.counted
	}
	if ch.filters == nil || !l.counted {
		return
	}
	came := s.Frames + s.LostSocket + s.LostInterface + s.LeftOut
	if !l.loops {
		came -= s.Sent + s.OtherTx
	}
	if !l.controller { // an error message is what somebody sent for a test
		came += s.Errors
	}
	if ch.base.set {
		s.Filtered = ch.base.filtered + grown(came-ch.base.came, grown(ch.base.received, l.received))
		return
	}
	ch.base = base{set: true, received: l.received, came: came, filtered: s.Filtered}
}

// base is where the counting of filtered frames began on a socket.
type base struct {
	set                      bool
	received, came, filtered uint64
}
