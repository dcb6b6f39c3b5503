package cancrypt

import (
	"fmt"

	"canseal/can"
)

// active reports whether the member makes keys: an address up to 15. The other
// members of a CANcrypt FD group only follow the keys and use them.
func (m *Member) active() bool { return m.o.Address <= maxDevices }

// frameFD takes a data frame of somebody else where the group speaks CANcrypt
// FD (P1.15). Preambles exist in pairings only.
func (m *Member) frameFD(record *Record, f *can.Frame) {
	fd, control := f.Is(can.FD), m.word&^15 == m.o.Control
	switch {
	case record != nil && record.Scope == 0 && fd:
		m.boot()
		m.securedFD(record, f)
	case record != nil && record.Scope == 0:
		m.structure(NoPreamble, record.Producer)
	case !control:
	case fd && f.Len == fdHeartbeatLen:
		m.heartbeat(uint8(m.word&15), f.Data[:fdHeartbeatLen])
	case !fd && f.Len == 5: // always wrong here
		m.heartbeat(uint8(m.word&15), f.Data[:0])
	case !fd && f.Len != 8:
		m.message(uint8(m.word&15), f)
	}
}

// securedFD verifies an FD frame of a listed identifier.
func (m *Member) securedFD(r *Record, f *can.Frame) {
	payload := f.Data
	data, rec, found, err := ParseFD(payload[:f.Len])
	switch {
	case !found:
		m.structure(NoPreamble, r.Producer)
		return
	case err != nil || r.Producer != 0 && r.Producer != rec.Sender:
		m.wrongSignature(rec.Sender, m.curKey)
		return
	case m.curKey == 0:
		return
	}
	e, key, _ := m.keyFor(rec.Epoch, m.at)
	t := m.counting(key)
	switch {
	case t == nil:
		m.count(Desync, rec.Sender)
	case !m.suite.OpenFD(e, m.word, m.o.Methods.Signature(), data, &rec):
		m.wrongSignature(rec.Sender, key)
	case rec.Sender == m.o.Address: // our own frame, sent again by somebody else
		m.tampered(EventKind(Injection))
	default:
		m.openedFD(t, &rec, data, f.Flags)
	}
}

// openedFD delivers an FD frame whose signature is right, if it is new, its
// sender a member that is neither lost nor left, and nobody guesses (R14).
func (m *Member) openedFD(t *tally, rec *FDRecord, data []byte, flags can.Flags) {
	m.right()
	if int32(rec.Seq) <= t.last[rec.Sender] {
		m.count(ReplayedSeq, rec.Sender)
		return
	}
	t.last[rec.Sender] = int32(rec.Seq)
	if rec.Sender <= maxDevices && !m.expected().has(rec.Sender) || rec.Sender > maxDevices && !m.passive[rec.Sender] || t.failures[rec.Sender] > 8 {
		return
	}
	f := frameFD(m.word, flags, data)
	m.deliver(rec.Sender, m.at, &f, can.Authentic)
}

// frameFD returns an FD frame. Its data may have any length up to 64; the DLC is
// that of the next FD length.
func frameFD(w Word, flags can.Flags, data []byte) can.Frame {
	f := can.Frame{ID: w.ID(), Flags: flags&can.BRS | can.FD, DLC: can.DLC(len(data)), Len: uint8(len(data))}
	if w&Extended != 0 {
		f.Flags |= can.Extended
	}
	copy(f.Data[:], data)
	return f
}

// flagsFD are those of the frames that the member sends.
func (m *Member) flagsFD() can.Flags {
	if m.o.BRS {
		return can.FD | can.BRS
	}
	return can.FD
}

// takeFD checks a message of 0-56 bytes that is to be secured.
func (m *Member) takeFD(f *can.Frame, n int) error {
	w := WordOf(f)
	r := m.o.Table.Find(w)
	if n != 1 || r == nil || r.Scope != 0 || r.Producer != 0 && r.Producer != m.o.Address || f.Flags&(can.Remote|can.Error) != 0 || f.Len > maxFDData {
		return fmt.Errorf("send %v: %w: want one message of at most 56 bytes of an own record", w, ErrNotOwn)
	}
	return nil
}

// sealFD sends a message under the current key. The table says whether its data
// is encrypted: all of it, if the record has encrypted bytes.
func (m *Member) sealFD(f *can.Frame) {
	w := WordOf(f)
	o := FDOptions{Word: w, Signature: m.o.Methods.Signature(), Encrypted: m.o.Table.Find(w).Count > 0}
	at := Place{Sender: m.o.Address, Seq: uint16(m.seq)}
	m.seq++
	m.emit(frameFD(w, m.flagsFD(), m.suite.SealFD(m.buffer[:0], &m.cur, at, o, f.Payload())), m.at+cycleTime)
}
