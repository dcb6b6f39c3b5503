package dbc

import (
	"strconv"
	"strings"
)

// draft is a message while its file is read.
type draft struct {
	*Message
	number  uint32
	signals []*draftSignal
	byName  map[string]*draftSignal // by short name
	refused map[string]bool         // signals left out: what refers to them is silent
}

type draftSignal struct {
	Signal
	mark   string // multiplexing mark of SG_: "", "M", "m3", "m3M"
	parent string // short name of the multiplexer; "": none
	ranges []Range
}

const (
	extendedBit = 1 << 31
	orphanage   = "VECTOR__INDEPENDENT_SIG_MSG" // holds signals of no message
	nobody      = "Vector__XXX"                 // stands where no unit is named
)

// message takes "BO_ number name: length sender".
func (p *parser) message() {
	p.current, p.begun = nil, true
	number, line := p.number32()
	if p.err != nil {
		return
	}
	name := p.word("the name of a message")
	p.punct(':')
	length := p.integer(1<<32-1, "the length of a message in bytes")
	senders := p.lineWords()
	if p.err != nil {
		p.refused[number] = true
		return
	}
	p.addMessage(number, name, int(min(length, maxLength+1)), without(nobody, senders[:min(1, len(senders))]), line)
}

// number32 takes the number of a message, and tells the line where it stands.
func (p *parser) number32() (number uint32, line int) {
	number = uint32(p.integer(1<<32-1, "a message number up to 4294967295"))
	return number, p.line(p.at)
}

func (p *parser) addMessage(number uint32, name string, length int, senders []string, line int) {
	problem := ""
	id, extended := number&^extendedBit, number&extendedBit != 0
	_, twice := p.messages[number]
	switch {
	case name == orphanage:
		p.refused[number] = true
		return
	case extended && id > 1<<29-1:
		problem = "its identifier has more than 29 bits"
	case !extended && id > 1<<11-1:
		problem = "its identifier has more than 11 bits, and bit 31 is not set"
	case length > maxLength:
		problem = "it is longer than " + strconv.Itoa(maxLength) + " bytes"
	case twice:
		p.warn(line, "message %s is left out: %s has its identifier", name, p.messages[number].Name)
		return // what refers to the number means the first
	}
	if problem != "" {
		p.refused[number] = true
		p.warn(line, "message %s (number %d) is left out: %s", name, number, problem)
		return
	}
	p.current = &draft{
		Message: &Message{
			Name: name, ShortName: name, ID: id, Extended: extended, Length: length,
			Senders: senders, Attributes: Attributes{}, Line: line,
		},
		number: number, byName: map[string]*draftSignal{}, refused: map[string]bool{},
	}
	p.messages[number] = p.current
	p.drafts = append(p.drafts, p.current)
}

// signal takes "SG_ name mark : start|length@order sign (scale,offset)
// [min|max] "unit" receivers". If its message was left out, so is it.
func (p *parser) signal() {
	s := &draftSignal{}
	at := p.at
	s.Name = p.word("the name of a signal")
	s.ShortName = s.Name
	if p.next() != ':' {
		s.mark = p.mark()
	}
	p.punct(':')
	p.bits(&s.Signal)
	p.punct('(')
	s.Scale = p.number()
	p.punct(',')
	s.Offset = p.number()
	p.punct(')')
	p.limits(&s.Signal)
	s.Unit = p.quotedHere()
	s.Receivers = without(nobody, p.lineWords())
	switch {
	case !p.begun:
		p.fail(at, "BO_ before the first signal")
		return
	case p.current == nil && p.err != nil:
		p.resync()
		return
	case p.current == nil:
		return
	case p.err != nil:
		p.current.refused[s.Name] = true
		return
	}
	s.Line = p.line(at)
	s.Attributes = Attributes{}
	p.addSignal(s)
}

// mark takes M, m3 or m3M.
func (p *parser) mark() string {
	at := p.at
	mark := p.word("M or m with a number")
	digits := strings.TrimSuffix(strings.TrimPrefix(mark, "m"), "M")
	_, err := strconv.ParseUint(digits, 10, 64)
	if p.err == nil && mark != "M" && (err != nil || mark[0] != 'm') {
		p.fail(at, "M or m with a number")
	}
	return mark
}

// bits takes "start|length@order sign".
func (p *parser) bits(s *Signal) {
	s.Start = int(p.integer(8*maxLength-1, "a start bit"))
	p.punct('|')
	s.Length = int(p.integer(8*maxLength, "a length in bits"))
	p.punct('@')
	at := p.at
	order := p.word("byte order and sign: 0+, 0-, 1+ or 1-")
	if len(order) == 1 {
		order += p.word("a sign: + or -")
	}
	if p.err != nil {
		return
	}
	switch order {
	case "0+", "0-", "1+", "1-":
		s.Motorola = order[0] == '0'
	default:
		p.fail(at, "byte order and sign: 0+, 0-, 1+ or 1-")
	}
	if order[1] == '-' {
		s.Kind = Signed
	}
}

// limits takes "[min|max]". What is no number there costs the limits only.
func (p *parser) limits(s *Signal) {
	p.punct('[')
	low := p.word("the smallest value")
	p.punct('|')
	at := p.at
	high := p.word("the largest value")
	p.punct(']')
	if p.err != nil {
		return
	}
	a, ok1 := float(low)
	b, ok2 := float(high)
	if !ok1 || !ok2 {
		p.warn(p.line(at), "signal %s: the limits [%s|%s] are not numbers", s.Name, low, high)
		return
	}
	s.Min, s.Max = a, b
}

func without(name string, list []string) []string {
	kept := list[:0]
	for _, n := range list {
		if n != name {
			kept = append(kept, n)
		}
	}
	return kept
}

func (p *parser) addSignal(s *draftSignal) {
	d := p.current
	problem := ""
	_, twice := d.byName[s.Name]
	switch {
	case twice:
		p.warn(s.Line, "signal %s.%s is left out: the message has one of this name", d.Name, s.Name)
		return
	case s.Length == 0 || s.Length > 64:
		problem = strconv.Itoa(s.Length) + " bits are no number; 1-64 are"
	case s.end() > 8*d.Length:
		problem = "it does not fit in the message of " + strconv.Itoa(d.Length) + " bytes"
	}
	if problem != "" {
		d.refused[s.Name] = true
		p.warn(s.Line, "signal %s.%s is left out: %s", d.Name, s.Name, problem)
		return
	}
	d.byName[s.Name] = s
	d.signals = append(d.signals, s)
}

// First returns where the signal begins, in bits from the start of the
// payload: for Intel, bit 0 is the least significant one of byte 0; for
// Motorola, its most significant one.
func (s *Signal) First() int {
	if s.Motorola {
		return s.Start ^ 7
	}
	return s.Start
}

// end is the bit behind the signal, counted as First does.
func (s *Signal) end() int { return s.First() + s.Length }

// Bytes returns how many bytes a payload needs so that the signal is in it.
func (s *Signal) Bytes() int { return (s.end() + 7) / 8 }
