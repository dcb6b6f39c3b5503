package decode

import (
	"slices"

	"canseal/can"
	"canseal/decode/isotp"
	"canseal/decode/j1939"
)

// TransportOptions choose what is put together before it is decoded.
type TransportOptions struct {
	Off          bool     // no transport protocol at all
	PlainPayload bool     // ISO-TP: without the low length byte that the public diagnostic DBC files want in front
	ISOTP        []uint32 // identifiers with ISO-TP beside those found by the DBC files; bit 31: extended
}

// protocol is a transport protocol that carries the frames of an identifier.
type protocol uint8

const (
	none       protocol = iota
	diagnostic          // ISO-TP
	groups              // J1939 transport protocol
	fastPacket          // NMEA 2000
)

// transport puts messages together.
type transport struct {
	options TransportOptions
	isotp   *isotp.Assembler
	j1939   *j1939.Assembler
	fast    *j1939.FastPacket
	hidden  uint64 // parts with ciphertext
	buffer  []byte // of a message with its length in front
}

func newTransport(o TransportOptions) transport {
	return transport{options: o, isotp: isotp.New(), j1939: j1939.New(), fast: j1939.NewFastPacket()}
}

// protocolOf tells what carries the frames of an identifier whose message, if
// any, is m: a message that is longer than a frame needs one, the identifiers
// of J1939's protocol and those that legislated diagnostics answer with say
// it themselves.
func (t *transport) protocolOf(m *Message, id uint32, flags can.Flags) protocol {
	extended := flags&can.Extended != 0
	switch {
	case t.options.Off:
		return none
	case t.listed(id, extended):
		return diagnostic
	case extended && j1939.Carries(id):
		return groups
	case m == nil:
		return none
	case extended && m.isGroup() && m.Length > 8 && j1939.PGN(id) >= j1939.FirstFastPacket:
		return fastPacket
	case extended && m.isGroup():
		return none
	case m.Length > can.MaxData, m.Length > 8 && !m.FD && flags&can.FD == 0, answersDiagnostics(id, extended):
		return diagnostic
	}
	return none
}

func (t *transport) listed(id uint32, extended bool) bool {
	if extended {
		id |= extendedBit
	}
	return slices.Contains(t.options.ISOTP, id)
}

// answersDiagnostics knows the identifiers of ISO 15765-4: 7E8-7EF, and
// 18DAF1xx from a control unit to the tester.
func answersDiagnostics(id uint32, extended bool) bool {
	return !extended && id&^7 == 0x7e8 || extended && id&^0xff == 0x18daf100
}

// assemble takes a part and returns the message that it completes. Its data
// are borrowed until the next part; its verdict is that of all its parts, or
// NotJudged if they have several; its mark is that of the last one.
func (t *transport) assemble(p protocol, f *Frame) (whole Frame, complete bool) {
	whole = Frame{Bus: f.Bus, ID: f.ID, Flags: f.Flags, Mark: f.Mark}
	tag := uint8(f.Verdict)
	switch {
	case f.Hidden != 0: // ciphertext cannot be put together
		t.hidden++
		return Frame{}, false
	case p == diagnostic:
		var m isotp.Message
		k := isotp.Key{Bus: f.Bus, ID: f.ID, Extended: f.Flags&can.Extended != 0}
		m, complete = t.isotp.Add(k, f.Time, tag, f.Data)
		whole.Time, tag, whole.Data = m.Time, m.Tag, t.prefixed(m.Payload)
	default:
		var m j1939.Message
		add := t.fast.Add
		if p == groups {
			add = t.j1939.Add
		}
		m, complete = add(f.Time, f.Bus, f.ID, tag, f.Data)
		whole.Time, whole.ID, tag, whole.Data = m.Time, m.ID, m.Tag, m.Payload
	}
	if whole.Verdict = can.Verdict(tag); tag == isotp.Mixed {
		whole.Verdict = can.NotJudged
	}
	return whole, complete
}

// prefixed puts the low byte of the length in front of an ISO-TP payload: the
// frames of a short message and the messages of DBC files for diagnostics have
// it there.
func (t *transport) prefixed(payload []byte) []byte {
	if t.options.PlainPayload {
		return payload
	}
	t.buffer = append(append(t.buffer[:0], byte(len(payload))), payload...)
	return t.buffer
}

func (t *transport) close() {
	t.isotp.Close()
	t.j1939.Close()
	t.fast.Close()
}

// lost counts messages that stayed incomplete.
func (t *transport) lost() uint64 {
	return t.isotp.Stats.Lost + t.j1939.Stats.Lost + t.fast.Stats.Lost
}

// stray counts frames that belong to no message.
func (t *transport) stray() uint64 {
	return t.hidden + t.isotp.Stats.Stray + t.j1939.Stats.Stray + t.fast.Stats.Stray
}
