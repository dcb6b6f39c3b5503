package dbc

import "strconv"

// definition is what BA_DEF_ and BA_DEF_DEF_ say of an attribute.
type definition struct {
	texts  []string // of an enumeration
	preset string   // "": none
}

func (p *parser) define(name string) *definition {
	d := p.rules[name]
	if d == nil {
		d = &definition{}
		p.rules[name] = d
	}
	return d
}

// attributeRule takes BA_DEF_: only the texts of an enumeration matter.
func (p *parser) attributeRule() {
	p.object()
	name := p.quoted()
	if p.peek() == "ENUM" {
		p.at += len("ENUM")
		d := p.define(name)
		for d.texts = nil; p.next() == '"'; p.optional(',') {
			d.texts = append(d.texts, p.quoted())
		}
	}
	if p.err == nil {
		p.skipStatement()
	}
}

func (p *parser) attributeDefault() {
	name := p.quoted()
	if value := p.attributeValue(); p.err == nil {
		p.define(name).preset = value
	}
}

// attributeValue takes a text or a number, as it stands.
func (p *parser) attributeValue() string {
	if p.next() == '"' {
		return p.quoted()
	}
	return p.word("a value")
}

// attribute takes BA_.
func (p *parser) attribute() {
	name := p.quoted()
	switch p.object() {
	case "":
		if value := p.attributeValue(); p.err == nil {
			p.later = append(p.later, func() { p.file.Attributes[name] = p.meaning(name, value) })
		}
	case "BU_":
		line, unit := p.line(p.at), p.word("the name of a unit")
		value := p.attributeValue()
		p.withNode(unit, line, func(n *Node) { n.Attributes[name] = p.meaning(name, value) })
	case "BO_":
		number, line := p.number32()
		value := p.attributeValue()
		p.withMessage(number, line, func(d *draft) { d.Attributes[name] = p.meaning(name, value) })
	case "SG_":
		number, line := p.number32()
		signal, value := p.word("the name of a signal"), p.attributeValue()
		p.withSignal(number, signal, line, func(_ *draft, s *draftSignal) { s.Attributes[name] = p.meaning(name, value) })
	default:
		p.skipStatement()
	}
}

// meaning returns the text of an enumeration's number, and all else as it is.
func (p *parser) meaning(name, value string) string {
	if d := p.rules[name]; d != nil {
		if i, err := strconv.Atoi(value); err == nil && 0 <= i && i < len(d.texts) {
			return d.texts[i]
		}
	}
	return value
}

// valueOf returns the value of an attribute, or what the file presets for it.
func (p *parser) valueOf(a Attributes, name string) string {
	if v, ok := a[name]; ok {
		return v
	}
	if d := p.rules[name]; d != nil {
		return p.meaning(name, d.preset)
	}
	return ""
}
