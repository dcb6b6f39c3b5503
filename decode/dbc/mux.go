package dbc

import (
	"strconv"
	"strings"
)

// muxValues takes SG_MUL_VAL_: "number signal multiplexer first-last, ...".
func (p *parser) muxValues() {
	number, line := p.number32()
	name, parent := p.word("the name of a signal"), p.word("the name of a multiplexer")
	var ranges []Range
	for p.err == nil && p.next() != ';' && p.next() != 0 && !keywords[p.peek()] {
		ranges = append(ranges, p.valueRange())
		p.optional(',')
	}
	p.withSignal(number, name, line, func(_ *draft, s *draftSignal) { s.parent, s.ranges = parent, ranges })
}

// valueRange takes "3-5".
func (p *parser) valueRange() (r Range) {
	const want = "a range of values: first-last"
	at := p.at
	first, last, found := strings.Cut(p.word(want), "-")
	if !found {
		last = first
	}
	var err1, err2 error
	r.First, err1 = strconv.ParseUint(first, 10, 64)
	r.Last, err2 = strconv.ParseUint(last, 10, 64)
	if err1 != nil || err2 != nil || r.First > r.Last {
		p.fail(at, want)
	}
	return r
}

// multiplex finds the multiplexer of each signal. SG_MUL_VAL_ names it; else
// it is the signal marked M, or the only one that is marked at all. A signal
// whose multiplexer is not there, or is below itself, is left out.
func (p *parser) multiplex(d *draft) {
	root := d.root()
	for _, s := range d.signals {
		if s.parent == "" && strings.HasPrefix(s.mark, "m") {
			v, _ := strconv.ParseUint(strings.Trim(s.mark, "mM"), 10, 64)
			s.parent, s.ranges = root, []Range{{v, v}}
		}
		s.Multiplexer = s.Multiplexer || strings.HasSuffix(s.mark, "M")
		if up := d.byName[s.parent]; up != nil {
			up.Multiplexer = true
		}
	}
	var lost []*draftSignal
	for _, s := range d.signals {
		if d.byName[s.ShortName] == s && !d.reachable(s) {
			lost = append(lost, s)
		}
	}
	for _, s := range lost {
		p.warn(s.Line, "signal %s.%s is left out: its multiplexer %q is missing, below itself, or too deep", d.Name, s.Name, s.parent)
		d.drop(s)
	}
}

// root returns the name of the multiplexer of signals that name none.
func (d *draft) root() string {
	name := ""
	for _, s := range d.signals {
		if d.byName[s.ShortName] != s {
			continue
		}
		if s.mark == "M" {
			return s.ShortName
		}
		if name == "" && strings.HasSuffix(s.mark, "M") {
			name = s.ShortName
		}
	}
	return name
}

// maxDepth is how many multiplexers may lie above a signal.
const maxDepth = 16

// reachable reports whether the way up from s ends at a signal that is always
// present.
func (d *draft) reachable(s *draftSignal) bool {
	for range maxDepth + 1 {
		if s.ranges == nil {
			return true
		}
		if s = d.byName[s.parent]; s == nil {
			return false
		}
	}
	return false
}
