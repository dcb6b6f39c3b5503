package cancrypt

import (
	"fmt"

	"canseal/can"
)

// Send secures one message, or a stream of 2-8, and sends it. Messages are data
// frames of the member's own records; a single heartbeat-only message goes out
// as it is. In GROUPED and SILENT; else ErrNotGrouped. A frame is to be handed
// to the controller soon: the key lasts for one cycle. With CANcrypt FD it is one message of 0-56 bytes.
func (m *Member) Send(now int64, messages []can.Frame, out *MemberOut) error {
	m.out = out
	m.advance(now)
	if len(messages) < 1 || len(messages) > MaxMessages {
		return fmt.Errorf("send %d messages: %w: want 1-8", len(messages), ErrNotOwn)
	}
	if only, err := m.plainSend(&messages[0], len(messages)); only || err != nil {
		return err
	}
	for i := range messages {
		if err := m.take(i, &messages[i], len(messages)); err != nil {
			return err
		}
	}
	switch {
	case m.state != StateGrouped && m.state != StateSilent || m.joining:
		return ErrNotGrouped
	case m.seq > 0xFFFF:
		return ErrExhausted
	}
	if m.o.FD {
		m.sealFD(&messages[0])
		return nil
	}
	m.seal(m.messages[:len(messages)])
	return nil
}

// plainSend sends an own heartbeat-only message as it is.
func (m *Member) plainSend(f *can.Frame, n int) (bool, error) {
	w := WordOf(f)
	if n != 1 || !m.own[w] || m.o.Table.Find(w) != nil || w&^15 == m.o.Control {
		return false, nil
	}
	if !m.running {
		return false, ErrNotGrouped
	}
	m.emit(*f, 0)
	return true, nil
}

// take checks message i of n and keeps it.
func (m *Member) take(i int, f *can.Frame, n int) error {
	if m.o.FD {
		return m.takeFD(f, n)
	}
	w := WordOf(f)
	r := m.o.Table.Find(w)
	switch {
	case r == nil || !m.own[w] || f.Flags&^can.Extended != 0 || f.Len > 8:
		return fmt.Errorf("send %v: %w: want a classical data frame of an own record", w, ErrNotOwn)
	case r.Cipher == AESPair && n > 1:
		return fmt.Errorf("send %v: %w: an AES pair is no part of a stream", w, ErrNotOwn)
	}
	m.messages[i] = Message{Record: *r, Len: f.Len, Data: [8]byte(f.Data[:8])}
	return nil
}

// seal sends a sequence under the current key.
func (m *Member) seal(messages []Message) {
	at := Place{Sender: m.o.Address, Seq: uint16(m.seq)}
	until := m.at + cycleTime
	m.seq++
	if first := &messages[0]; first.Record.Cipher == AESPair {
		m.o.Random(m.random[:])
		head, data := m.suite.SealPair(&m.cur, at, first, m.random)
		m.emit(m.onControl(head[:]), until)
		m.emit(frameOf(first.Record.Word, data[:]), until)
		return
	}
	preamble, epilog := m.suite.Seal(&m.cur, at, messages)
	m.emit(m.onControl(preamble[:]), until)
	for i := range messages {
		msg := &messages[i]
		m.emit(frameOf(msg.Record.Word, msg.Data[:msg.Len]), until)
	}
	if len(messages) > 1 {
		m.emit(m.onControl(epilog[:]), until)
	}
}

// sendHeartbeat sends the own heartbeat.
func (m *Member) sendHeartbeat(s Status, random [3]byte, until int64) {
	if m.o.FD {
		w := m.o.Control + Word(m.o.Address)
		b := m.suite.SealFDHeartbeat(&m.cur, w, m.o.Methods.Signature(), m.o.Address, s, random)
		m.emit(frameFD(w, m.flagsFD(), b[:]), until)
		return
	}
	b := m.suite.SealHeartbeat(&m.cur, m.o.Address, s, random)
	m.emit(m.onControl(b[:]), until)
}

// control sends a control message.
func (m *Member) control(c Control, until int64) {
	m.emit(m.onControl(AppendControl(nil, 0, c)), until)
}

// onControl returns a frame of the own control ID.
func (m *Member) onControl(data []byte) can.Frame {
	return frameOf(m.o.Control+Word(m.o.Address), data)
}

func (m *Member) emit(f can.Frame, until int64) {
	m.airborne.handed(WordOf(&f), m.at)
	m.out.Frames = append(m.out.Frames, Outgoing{f, until})
}
