package mdf

import (
	"errors"
	"fmt"

	"canseal/can"
)

// walker is a side record: walk visits its values in the order of its layout.
type walker interface {
	walk(c *codec)
}

func (f *Frame) appendTo(w *Writer) error        { return w.frame(&f.Event, f.Encrypted) }
func (g Gap) appendTo(w *Writer) error           { return w.gap(&g) }
func (v VerdictChange) appendTo(w *Writer) error { return w.side(ridVerdict, v.Time, &v) }
func (a Clock) appendTo(w *Writer) error         { return w.side(ridClock, a.Time, &a) }
func (s State) appendTo(w *Writer) error         { return w.side(ridState, s.Time, &s) }
func (s Security) appendTo(w *Writer) error      { return w.side(ridSecurity, s.Time, &s) }
func (s Sender) appendTo(w *Writer) error        { return w.side(ridSender, s.Time, &s) }
func (p Plain) appendTo(w *Writer) error         { return w.side(ridPlain, p.Time, &p) }

func (g *Gap) walk(c *codec) {
	c.instant(0, &g.Time)
	c.time(&g.From)
	c.time(&g.To)
	number(c, &g.Count)
	number(c, &g.Bus)
	number(c, &g.Reason)
	c.flag(&g.AtLeast)
}

func (v *VerdictChange) walk(c *codec) {
	c.instant(0, &v.Time)
	c.time(&v.From)
	c.time(&v.To)
	number(c, &v.ID)
	c.flag(&v.Extended)
	number(c, &v.Bus)
	number(c, &v.Sender)
	number(c, &v.Scope)
	number(c, &v.Verdict)
}

func (a *Clock) walk(c *codec) {
	c.instant(0, &a.Time)
	number(c, &a.Boot)
	number(c, &a.Wall)
	number(c, &a.Error)
	number(c, &a.Source)
	c.flag(&a.Synchronised)
	c.flag(&a.Step)
	c.flag(&a.BelowFloor)
}

func (s *State) walk(c *codec) {
	kind := s.State.Kind() // follows from the state; not read back
	c.instant(0, &s.Time)
	number(c, &s.Bus)
	number(c, &kind)
	number(c, &s.State)
	number(c, &s.TxErrors)
	number(c, &s.RxErrors)
	number(c, &s.ID)
	c.flag(&s.Extended)
	number(c, &s.Count)
}

func (s *Security) walk(c *codec) {
	c.instant(0, &s.Time)
	number(c, &s.Count)
	number(c, &s.ID)
	c.flag(&s.Extended)
	number(c, &s.Bus)
	number(c, &s.Sender)
	number(c, &s.Kind)
}

func (s *Sender) walk(c *codec) {
	c.instant(0, &s.Time)
	number(c, &s.ID)
	c.flag(&s.Extended)
	number(c, &s.Bus)
	number(c, &s.Sender)
	c.flag(&s.Secured)
	c.flag(&s.HeartbeatOnly)
}

func (p *Plain) walk(c *codec) {
	p.Len = min(p.Len, can.MaxData)
	c.instant(0, &p.Time)
	number(c, &p.ID)
	c.flag(&p.Extended)
	number(c, &p.Bus)
	number(c, &p.Sender)
	number(c, &p.Len)
	c.bytes(p.Data[:])
	if p.Len > can.MaxData {
		c.err = fmt.Errorf("%d data bytes", p.Len)
	}
}

// mark ends every write to a file and tells our bytes from what a power cut
// leaves behind them.
type mark struct {
	time   int64
	offset uint64 // bytes of the stream before this record
	crc    uint32 // CRC-32C of the file's start (u64) and the bytes from the end of the mark before to the end of offset
}

func (m *mark) walk(c *codec) {
	c.instant(0, &m.time)
	number(c, &m.offset)
	number(c, &m.crc)
}

// decodeSide reads a side record, given without its id; nil for a mark and
// for an id that this version does not know.
func decodeSide(rid uint8, rec []byte, start int64) (Record, error) {
	switch rid {
	case ridGap:
		return read[Gap](rid, rec, start)
	case ridVerdict:
		return read[VerdictChange](rid, rec, start)
	case ridClock:
		return read[Clock](rid, rec, start)
	case ridState:
		return read[State](rid, rec, start)
	case ridSecurity:
		return read[Security](rid, rec, start)
	case ridSender:
		return read[Sender](rid, rec, start)
	case ridPlain:
		return read[Plain](rid, rec, start)
	}
	return nil, nil
}

func read[T Record, P interface {
	*T
	walker
}](rid uint8, rec []byte, start int64) (Record, error) {
	var v T
	c := codec{rec: rec, fields: find(rid).fields, start: start, read: true}
	P(&v).walk(&c)
	return v, c.err
}

var errNotDeclared = errors.New("no group for plaintext in this file: Header.Plain was not set")
