package dbc

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// withMessage runs f, when all of the file is read, on the message of that
// number. If the message was left out nothing happens; if there never was one,
// a warning.
func (p *parser) withMessage(number uint32, line int, f func(*draft)) {
	if p.err != nil {
		return
	}
	p.later = append(p.later, func() {
		switch d := p.messages[number]; {
		case d != nil:
			f(d)
		case !p.refused[number]:
			p.warn(line, "there is no message of number %d", number)
		}
	})
}

// withSignal is withMessage for a signal.
func (p *parser) withSignal(number uint32, name string, line int, f func(*draft, *draftSignal)) {
	p.withMessage(number, line, func(d *draft) {
		switch s := d.byName[name]; {
		case s != nil:
			f(d, s)
		case !d.refused[name]:
			p.warn(line, "message %s has no signal %s", d.Name, name)
		}
	})
}

// comment takes CM_, of the network or of an object.
func (p *parser) comment() {
	switch kind := p.object(); kind {
	case "":
		p.file.Comment = p.quoted()
	case "BU_":
		line, name := p.line(p.at), p.word("the name of a unit")
		text := p.quoted()
		p.withNode(name, line, func(n *Node) { n.Comment = text })
	case "BO_":
		number, line := p.number32()
		text := p.quoted()
		p.withMessage(number, line, func(d *draft) { d.Comment = text })
	case "SG_":
		number, line := p.number32()
		name, text := p.word("the name of a signal"), p.quoted()
		p.withSignal(number, name, line, func(_ *draft, s *draftSignal) { s.Comment = text })
	default:
		p.skipStatement()
	}
}

// object takes the keyword of the kind of object that a statement is about,
// "" if it is about the network.
func (p *parser) object() string {
	switch kind := p.peek(); kind {
	case "BU_", "BO_", "SG_", "EV_":
		p.at += len(kind)
		return kind
	}
	return ""
}

func (p *parser) withNode(name string, line int, f func(*Node)) {
	if p.err != nil {
		return
	}
	p.later = append(p.later, func() {
		if i, ok := p.nodes[name]; ok {
			f(&p.file.Nodes[i])
		} else if name != nobody {
			p.warn(line, "there is no unit %s", name)
		}
	})
}

// table takes VAL_TABLE_.
func (p *parser) table() {
	name := p.word("the name of a value table")
	if choices := p.choices(); p.err == nil {
		p.file.Tables = append(p.file.Tables, ValueTable{name, choices})
		p.tables[name] = choices
	}
}

// values takes VAL_: of a signal, given in full or as the name of a table, or
// of an environment variable, which is skipped.
func (p *parser) values() {
	if w := p.peek(); w == "" || w[0] < '0' || w[0] > '9' {
		p.skipStatement()
		return
	}
	number, line := p.number32()
	name := p.word("the name of a signal")
	if table := p.peek(); table != "" && p.err == nil && !startsNumber(table) {
		p.at += len(table)
		p.withSignal(number, name, line, func(_ *draft, s *draftSignal) { s.Choices = p.tableOf(table, line) })
		return
	}
	choices := p.choices()
	p.withSignal(number, name, line, func(_ *draft, s *draftSignal) { s.Choices = choices })
}

func startsNumber(w string) bool { return strings.IndexByte("+-0123456789", w[0]) >= 0 }

func (p *parser) tableOf(name string, line int) []Choice {
	choices, ok := p.tables[name]
	if !ok {
		p.warn(line, "there is no value table %s", name)
	}
	return choices
}

// choices takes pairs of a value and a text, and returns them sorted. Of
// several texts of one value the last counts.
func (p *parser) choices() (list []Choice) {
	for p.err == nil && p.next() != ';' && p.next() != 0 && !keywords[p.peek()] {
		at := p.at
		w := p.word("a value and its description, or ;")
		v, ok := integral(w)
		if !ok {
			p.fail(at, "a whole number")
		}
		list = append(list, Choice{v, p.quoted()})
	}
	slices.SortStableFunc(list, func(a, b Choice) int { return cmp.Compare(a.Value, b.Value) })
	kept := list[:0]
	for i, c := range list {
		if i+1 == len(list) || list[i+1].Value != c.Value {
			kept = append(kept, c)
		}
	}
	return kept
}

// integral reads a whole number, signed or up to 64 bits without sign.
func integral(w string) (int64, bool) {
	if v, err := strconv.ParseInt(w, 10, 64); err == nil {
		return v, true
	}
	if v, err := strconv.ParseUint(w, 10, 64); err == nil {
		return int64(v), true
	}
	f, err := strconv.ParseFloat(w, 64)
	return int64(f), err == nil && -1<<53 < f && f < 1<<53 && f == float64(int64(f))
}

// valueType takes SIG_VALTYPE_: 1 is float32, 2 is float64.
func (p *parser) valueType() {
	number, line := p.number32()
	name := p.word("the name of a signal")
	p.optional(':')
	kind := p.integer(3, "a type: 0 integer, 1 float32, 2 float64")
	p.withSignal(number, name, line, func(d *draft, s *draftSignal) { p.setKind(d, s, kind, line) })
}

func (p *parser) setKind(d *draft, s *draftSignal, kind uint64, line int) {
	switch {
	case kind == 0:
	case kind == 1 && s.Length == 32:
		s.Kind = Float32
	case kind == 2 && s.Length == 64:
		s.Kind = Float64
	default:
		p.warn(line, "signal %s.%s is left out: no float of type %d has %d bits", d.Name, s.Name, kind, s.Length)
		d.drop(s)
	}
}

// drop leaves a signal out that was there.
func (d *draft) drop(s *draftSignal) {
	delete(d.byName, s.ShortName)
	d.refused[s.ShortName] = true
}

// senders takes BO_TX_BU_.
func (p *parser) senders() {
	number, line := p.number32()
	p.optional(':')
	names := without(nobody, p.words())
	p.withMessage(number, line, func(d *draft) { d.Senders = append(d.Senders, names...) })
}
