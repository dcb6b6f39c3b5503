package j1939

import (
	"encoding/binary"
	"math/bits"

	"canseal/decode/internal/sessions"
)

// Parameter groups of the transport protocol (SAE J1939-21, 5.10).
const (
	Connection   = 0xec00 // TP.CM: announces, ends and controls
	DataTransfer = 0xeb00 // TP.DT: seven bytes at a time
)

const (
	MaxLength = 255 * 7       // bytes of a message
	Timeout   = 1_250_000_000 // ns between two frames of a message (T2, the longest)

	mostSessions = 256
)

// Message is a complete one.
type Message struct {
	Time    int64 // ns since 1970 UTC, of the first frame
	Bus     uint8
	ID      uint32 // priority 6, the group, source and destination of the message
	Tag     uint8  // of all its frames, Mixed if they differ
	Payload []byte // borrowed: valid until the next Add
}

// Mixed is the tag of a message whose frames have different ones.
const Mixed = sessions.Mixed

// Stats counts.
type Stats struct {
	Complete uint64
	Lost     uint64 // messages that began and did not end
	Stray    uint64 // frames that belong to no message, or to none that can be
}

// Assembler puts messages together that were announced to all (BAM) or sent
// on a connection (CMDT). Packets may be repeated and come in any order. Its
// memory is bounded: 256 messages of up to MaxLength bytes at a time.
type Assembler struct {
	Stats Stats
	open  *sessions.Store[connection, parts]
}

// connection is a pair of addresses; it carries one message at a time.
type connection struct {
	bus, source, destination uint8
}

// parts is what a message needs beside its bytes.
type parts struct {
	pgn  uint32
	seen [4]uint64 // bit n-1: packet n is there
}

// New makes an Assembler.
func New() *Assembler { return &Assembler{open: sessions.New[connection, parts](mostSessions)} }

// Carries reports whether frames of a 29-bit identifier belong to the
// transport protocol.
func Carries(id uint32) bool {
	pgn := PGN(id)
	return pgn == Connection || pgn == DataTransfer
}

// Add takes a frame that the protocol carries, in the order of the bus, and
// returns the message that it completes. A tag is whatever the caller knows of
// the frame.
func (a *Assembler) Add(time int64, bus uint8, id uint32, tag uint8, data []byte) (m Message, complete bool) {
	c := connection{bus, Source(id), Destination(id)}
	switch {
	case len(data) < 8:
		a.Stats.Stray++
	case PGN(id) == Connection:
		a.control(c, time, tag, data)
	default:
		return a.packet(c, time, tag, data)
	}
	return Message{}, false
}

// Control bytes of TP.CM.
const (
	requestToSend = 16
	clearToSend   = 17
	endOfMessage  = 19
	broadcast     = 32
	abort         = 255
)

func (a *Assembler) control(c connection, time int64, tag uint8, data []byte) {
	back := connection{c.bus, c.destination, c.source} // the answering side speaks
	switch data[0] {
	case requestToSend, broadcast:
		a.begin(c, time, tag, data)
	case clearToSend:
		if m := a.open.Of(back); m != nil {
			m.Last = time
		}
	case endOfMessage:
		a.abandon(back)
	case abort:
		a.abandon(c)
		a.abandon(back)
	default:
		a.Stats.Stray++
	}
}

// begin takes the announcement of a message: control, bytes (16 bits, little-
// endian), packets, most packets at a time, group (24 bits, little-endian).
func (a *Assembler) begin(c connection, time int64, tag uint8, data []byte) {
	n, packets := int(binary.LittleEndian.Uint16(data[1:])), int(data[3])
	if n == 0 || n > MaxLength || packets != (n+6)/7 {
		a.abandon(c)
		a.Stats.Stray++
		return
	}
	m, lost := a.open.Begin(c, time, tag, n)
	a.Stats.Lost += uint64(lost)
	m.Own.pgn = uint32(data[5]) | uint32(data[6])<<8 | uint32(data[7])<<16
}

func (a *Assembler) abandon(c connection) {
	if a.open.Of(c) != nil {
		a.open.End(c)
		a.Stats.Lost++
	}
}

func (a *Assembler) packet(c connection, time int64, tag uint8, data []byte) (Message, bool) {
	m := a.open.Of(c)
	if m != nil && time-m.Last > Timeout {
		a.abandon(c)
		m = nil
	}
	at := (int(data[0]) - 1) * 7
	if m == nil || at < 0 || at >= len(m.Payload) {
		a.Stats.Stray++
		return Message{}, false
	}
	m.Part(time, tag)
	copy(m.Payload[at:], data[1:8])
	m.Own.seen[(data[0]-1)/64] |= 1 << ((data[0] - 1) % 64)
	if m.Own.count()*7 < len(m.Payload) {
		return Message{}, false
	}
	a.open.End(c)
	a.Stats.Complete++
	return Message{m.Time, c.bus, ID(6, m.Own.pgn, c.source, c.destination), m.Tag, m.Payload}, true
}

func (p *parts) count() (n int) {
	for _, word := range p.seen {
		n += bits.OnesCount64(word)
	}
	return n
}

// Close forgets what is incomplete, and counts it.
func (a *Assembler) Close() { a.Stats.Lost += uint64(a.open.Clear()) }
