package cancrypt

import "canseal/can"

// frame takes a data frame of somebody else.
func (m *Member) frame(f *can.Frame) {
	record, only := m.o.Table.Find(m.word), false
	switch {
	case m.o.FD && (record != nil || m.word&^15 == m.o.Control):
		m.frameFD(record, f)
	case m.word&^15 == m.o.Control:
		if !f.Is(can.FD) {
			m.controlFrame(uint8(m.word&15), f)
		}
	case record != nil:
		m.listed(record, f)
	default:
		var sender uint8
		if sender, only = m.o.HeartbeatOnly[m.word]; only {
			m.unsecured(sender, f)
		}
	}
}

// ownControl takes a frame of the member's own control ID that is on the bus.
func (m *Member) ownControl(f *can.Frame) {
	switch {
	case m.o.FD:
		m.frameFD(nil, f)
	case f.Len != 8 && !f.Is(can.FD):
		m.controlFrame(m.o.Address, f)
	}
}

func (m *Member) controlFrame(sender uint8, f *can.Frame) {
	switch f.Len {
	case 5:
		m.heartbeat(sender, f.Data[:5])
	case 8:
		m.preamble(sender, (*[8]byte)(f.Data[:8]))
	default:
		m.message(sender, f)
	}
}

// message takes a control message. Those of pairings, and an ABORT, change
// nothing here.
func (m *Member) message(sender uint8, f *can.Frame) {
	if f.Len == 0 || f.Data[0]&15 != 0 {
		return
	}
	switch code := Code(f.Data[0] >> 4); code {
	case CodeGroup, CodeAlert:
		_, c, err := ParseControl(f.Payload())
		if err != nil {
			return
		}
		if g, ok := c.(Group); ok {
			m.groupFrame(sender, g)
		} else if sender != m.o.Address {
			m.event(AlertHeard, sender)
		}
	}
}

// preamble takes a control frame of 8 bytes.
func (m *Member) preamble(sender uint8, b *[8]byte) {
	head := readPreamble(b)
	switch m.listing.kind(sender, &head) {
	case plainHead:
		if head.Context != 0 {
			return
		}
		s := &m.sequences[slot(sender, 0)]
		if head.Epilog {
			m.progress(s, sender, s.epilog(ref{time: m.at}, &head, b), b)
			return
		}
		m.arm(s, sender, b, head, false)
	case pairHead:
		m.arm(&m.sequences[slot(sender, 0)], sender, b, Preamble{Count: 1}, true)
	case impossible:
		m.wrongSignature(sender, m.curKey)
	}
}

// arm starts a sequence; the one that was pending ends.
func (m *Member) arm(s *sequence, sender uint8, b *[8]byte, head Preamble, pair bool) {
	if s.active {
		m.count(NoMessage, sender)
	}
	s.arm(ref{time: m.at}, sender, b, head, m.choose(head.Epoch, m.at, pair))
	s.pair = pair
	m.deadline(s.deadline)
}

// listed takes a frame of the table.
func (m *Member) listed(r *Record, f *can.Frame) {
	if r.Scope != 0 {
		return
	}
	m.boot()
	if f.Is(can.FD) {
		m.structure(NoPreamble, r.Producer)
		return
	}
	s := &m.sequences[slot(r.Producer, 0)]
	m.progress(s, r.Producer, s.data(ref{time: m.at}, r, f), nil)
}

// structure counts what needs no key to be wrong; before the first key a member
// has not heard what came before.
func (m *Member) structure(c Counter, sender uint8) {
	if m.curKey != 0 {
		m.count(c, sender)
	}
}

// progress goes on with a sequence after a frame was offered to it.
func (m *Member) progress(s *sequence, sender uint8, p progress, end *[8]byte) {
	switch p {
	case unawaited:
		m.structure(NoPreamble, sender)
	case taken:
		m.deadline(s.deadline)
	case tooEarly:
		s.active = false
		m.structure(NoMessage, sender)
	case unfit:
		s.active = false
		m.wrongSignature(sender, s.with.key[0])
	case completed:
		s.active = false
		m.complete(s, end)
	}
}

// complete verifies a sequence whose last frame has come.
func (m *Member) complete(s *sequence, end *[8]byte) {
	if s.unzeroed {
		m.wrongSignature(s.sender, s.with.key[0])
		return
	}
	if m.curKey == 0 {
		return
	}
	var last [2]int32
	var tallies [2]*tally
	for i, key := range s.with.key {
		if tallies[i] = m.counting(key); tallies[i] != nil {
			last[i] = tallies[i].last[s.sender]
		}
	}
	if tallies[0] == nil {
		m.count(Desync, s.sender)
		return
	}
	found, seq, key := m.suite.check(s, last, end)
	switch found {
	case bad:
		m.wrongSignature(s.sender, s.with.key[0])
	case replayed:
		m.right()
		m.count(ReplayedSeq, s.sender)
	default:
		m.right()
		tallies[key].last[s.sender] = int32(seq)
		m.verified(s, tallies[key], seq, key)
	}
}

// verified delivers a sequence whose signature is right and new, if its sender
// is a member that is neither lost nor left, and nobody guesses (R14).
func (m *Member) verified(s *sequence, t *tally, seq uint16, key int) {
	if !m.expected().has(s.sender) || t.failures[s.sender] > 8 {
		return
	}
	m.decrypt(s, seq, key)
	for i := range s.messages[:s.got] {
		msg := &s.messages[i]
		d := Delivery{Time: s.refs[1+i].time, Sender: s.sender, Verdict: can.Authentic, Frame: frameOf(msg.Record.Word, msg.Data[:msg.Len])}
		if !s.pair && s.messages[0].Record.Signature == CRCXor {
			d.Verdict = can.ChecksumOK
		}
		m.out.Delivered = append(m.out.Delivered, d)
	}
}

// decrypt turns the messages of a sequence that is right into plain text.
func (m *Member) decrypt(s *sequence, seq uint16, key int) {
	e, at := &s.with.epoch[key], Place{Sender: s.sender, Seq: seq}
	if s.pair {
		s.messages[0], _ = m.suite.OpenPair(e, at, &s.messages[0].Record, s.preamble, s.messages[0].Data)
		return
	}
	m.suite.start(e, at, true)
	for i := range s.messages[:s.got] {
		m.suite.crypt(i, &s.messages[i])
	}
}

// wrongSignature counts a failure for the sender; more than 8 are guessing.
func (m *Member) wrongSignature(sender uint8, key uint32) {
	if m.curKey == 0 {
		return
	}
	m.count(BadSignature, sender)
	t := m.counting(key)
	if t == nil {
		t = &m.counts
	}
	t.failures[sender] = min(t.failures[sender]+1, 1<<15)
	if t.failures[sender] == 9 {
		m.event(UnderGuessing, sender)
	}
}
