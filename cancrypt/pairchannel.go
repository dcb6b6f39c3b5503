package cancrypt

import (
	"fmt"

	"canseal/can"
)

// incoming is a control message of the other side.
type incoming struct {
	message Control
	secured bool
}

// receive takes a frame from the bus. It returns the control message of the
// other side that the frame carries or completes, if it does.
func (p *pairing) receive(e *can.Event) (in incoming, ok bool) {
	f := &e.Frame
	w := WordOf(f)
	switch {
	case f.Flags&^can.Extended != 0:
	case e.Dir == can.Tx:
		p.sent(w, e)
	case w == p.o.Claims[0] || w == p.o.Claims[1]:
		if f.Len == 0 {
			p.claimSeen(e.Time, uint8(bit(w == p.o.Claims[1], 1)))
		}
	case w == p.own.Word:
		p.posed(f)
	case w == p.other.Word && f.Len == 8:
		p.preamble((*[8]byte)(f.Data[:8]))
	case w == p.other.Word && f.Len != 5:
		return p.control(f)
	case p.state == PairPaired:
		if r := p.listed(w); r != nil && r.Producer == p.other.Producer {
			p.message(r, f)
		}
	}
	return in, false
}

// posed looks at a frame with the own control ID that this side has not sent:
// of a pairing that is going on, it is manipulation. Heartbeats and the group's
// messages are a member's business.
func (p *pairing) posed(f *can.Frame) {
	if f.Len == 0 || f.Len == 5 || f.Data[0]&15 != p.o.Device {
		return
	}
	if p.raise(Injection); p.state != PairIdle {
		p.abort(AbortManipulation)
	}
}

// control reads a control message of this pairing's context; where a secured one
// is awaited, the frame is that one.
func (p *pairing) control(f *can.Frame) (in incoming, ok bool) {
	context, m, err := ParseControl(f.Payload())
	if err != nil || context != p.o.Device {
		return in, false
	}
	q := &p.sequence
	if !q.active || q.head.Word != p.other.Word {
		return incoming{message: m}, true
	}
	if q.data(ref{time: p.now}, &p.other, f) != completed || !p.verify(nil) {
		return in, false
	}
	return incoming{m, true}, true
}

// preamble takes a preamble or epilog of the other side.
func (p *pairing) preamble(b *[8]byte) {
	head := readPreamble(b)
	if head.Context != p.o.Device || p.state != PairPaired {
		return
	}
	q := &p.sequence
	if head.Epilog {
		p.epilog(&head, b)
		return
	}
	if q.active {
		p.raise(NoMessage)
	}
	q.active = false
	if !p.announced(&head) {
		p.failed()
		return
	}
	q.arm(ref{time: p.now}, p.other.Producer, b, head, p.keyFor(head.Epoch))
}

// announced reports whether the word of a preamble names what the other side may
// send: one control message, or its messages of scope 1.
func (p *pairing) announced(head *Preamble) bool {
	if head.Word == p.other.Word {
		return head.Count == 1
	}
	r := p.listed(head.Word.Identity())
	return r != nil && r.Announced() == head.Word && r.Producer == p.other.Producer
}

func (p *pairing) epilog(head *Preamble, b *[8]byte) {
	q := &p.sequence
	switch q.epilog(ref{time: p.now}, head, b) {
	case completed:
		if p.verify(b) {
			p.deliver()
		}
	case tooEarly:
		q.active = false
		p.raise(NoMessage)
	case unfit:
		q.active = false
		p.failed()
	default:
		p.raise(NoPreamble)
	}
}

// message takes a listed frame of the other side.
func (p *pairing) message(r *Record, f *can.Frame) {
	q := &p.sequence
	if q.active && q.head.Word == p.other.Word {
		p.raise(NoPreamble)
		return
	}
	switch q.data(ref{time: p.now}, r, f) {
	case completed:
		if p.verify(nil) {
			p.deliver()
		}
	case unawaited:
		p.raise(NoPreamble)
	}
}

// deliver hands on the messages of a sequence that was right.
func (p *pairing) deliver() {
	q := &p.sequence
	for i := range q.messages[:q.got] {
		m := &q.messages[i]
		p.out.Messages = append(p.out.Messages, PairMessage{Word: m.Record.Word, Len: m.Len, Data: m.Data})
	}
}

// keyFor chooses the key that a preamble names (P1.3).
func (p *pairing) keyFor(bits uint8) (s selected) {
	r := &p.roll
	switch (bits - uint8(r.cur.Number)) & 3 {
	case 0:
		s.epoch[0], s.key[0] = r.cur, 1
	case 3:
		if r.grace != 0 && p.now <= r.grace {
			s.epoch[0], s.key[0] = r.prev, 2
		}
	}
	return s
}

// verify checks the complete sequence and decrypts its messages in place. Only
// after a true answer they are the other side's.
func (p *pairing) verify(end *[8]byte) bool {
	q := &p.sequence
	q.active = false
	if q.with.key[0] == 0 {
		p.raise(Desync)
		return false
	}
	e := &q.with.epoch[0]
	last := p.lastUnder(e.Number)
	if last == nil || q.unzeroed {
		p.failed()
		return false
	}
	found, seq, _ := p.suite.check(q, [2]int32{*last}, end)
	switch found {
	case replayed:
		p.raise(ReplayedSeq)
		return false
	case bad:
		p.failed()
		return false
	}
	p.suite.Open(e, Place{p.o.Device, q.sender, seq}, &q.preamble, q.messages[:q.got], end)
	*last = int32(seq)
	p.wrong, p.alive = 0, p.now
	if e.Number == p.roll.cur.Number {
		p.undo = false
	}
	return true
}

// lastUnder returns where the last verified number of an epoch stands, nil for
// an epoch whose key is gone.
func (p *pairing) lastUnder(number uint16) *int32 {
	switch number {
	case p.roll.cur.Number:
		return &p.roll.last[0]
	case p.roll.cur.Number - 1:
		return &p.roll.last[1]
	}
	return nil
}

// failed counts a wrong signature. Several in a row say that the keys of the two
// sides differ.
func (p *pairing) failed() {
	p.raise(BadSignature)
	if p.wrong++; p.wrong >= mostWrong {
		p.abort(AbortProofFailed)
	}
}

// sendSecured sends a message under the current key. A key has numbers for
// 65,536 of them.
func (p *pairing) sendSecured(r Record, data []byte) error {
	if p.roll.next > 0xFFFF {
		return fmt.Errorf("send %v: %w", r.Word, ErrExhausted)
	}
	one := []Message{{Record: r, Len: uint8(len(data))}}
	copy(one[0].Data[:], data)
	head, _ := p.suite.Seal(&p.roll.cur, Place{p.o.Device, p.sender, uint16(p.roll.next)}, one)
	p.roll.next++
	p.undo = false
	p.out.Frames = append(p.out.Frames, frameOf(p.own.Word, head[:]), frameOf(r.Word, one[0].Data[:one[0].Len]))
	return nil
}

// sendControl sends a secured control message.
func (p *pairing) sendControl(m Control) error {
	return p.sendSecured(p.own, AppendControl(nil, p.o.Device, m))
}

// sendMessage sends a message of the table.
func (p *pairing) sendMessage(w Word, data []byte) error {
	switch {
	case p.state != PairPaired:
		return fmt.Errorf("send %v: %w: %v", w, ErrNotPaired, p.state)
	case len(data) > 8:
		return wrong("message "+w.String(), "at most 8 bytes", len(data))
	}
	if r := p.listed(w); r != nil && r.Producer == p.sender {
		return p.sendSecured(*r, data)
	}
	return fmt.Errorf("send %v: %w: not of scope pairing from address %d", w, ErrNotOwn, p.sender)
}

// listed returns the record of a message of pairings, nil for any other.
func (p *pairing) listed(w Word) *Record {
	if p.o.Table == nil {
		return nil
	}
	if r := p.o.Table.Find(w); r != nil && r.Scope == 1 && r.Cipher == XORPad {
		return r
	}
	return nil
}

// deadline returns when the pairing itself wants to be called again.
func (p *pairing) deadline() int64 {
	if p.state == PairIdle {
		return never
	}
	at := p.alive + mostPeriods*p.o.Period
	if p.sequence.active {
		at = min(at, p.sequence.deadline)
	}
	if p.cycle.open {
		at = min(at, p.cycle.end, p.cycle.claim)
	}
	return at
}

// elapsed does what is due at a time and is the same on both sides; it reports
// that the window of a bit cycle ended, and how.
func (p *pairing) elapsed(at int64) (closed bool, result outcome) {
	switch {
	case p.cycle.open && p.cycle.claim <= at:
		p.claim()
	case p.cycle.open && p.cycle.end <= at:
		return true, p.closeCycle()
	case p.sequence.active && p.sequence.deadline <= at:
		p.sequence.active = false
		p.raise(NoMessage)
	case p.state != PairIdle && p.alive+mostPeriods*p.o.Period <= at:
		p.abort(AbortTimeout)
	}
	return false, discarded
}
