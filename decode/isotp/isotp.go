package isotp

import (
	"encoding/binary"

	"canseal/decode/internal/sessions"
)

const (
	MaxLength = 4095          // bytes of a message that is put together
	Timeout   = 1_000_000_000 // ns between two frames of a message (N_Cr)

	mostSessions = 256
)

// Key is the identifier that a sender uses on one bus.
type Key struct {
	Bus      uint8
	Extended bool
	ID       uint32
}

// Message is a complete one.
type Message struct {
	Key
	Time    int64  // ns since 1970 UTC, of the first frame
	Payload []byte // borrowed: valid until the next Add
}

// Stats counts.
type Stats struct {
	Complete uint64
	Lost     uint64 // messages that began and did not end
	Stray    uint64 // frames that belong to no message, or to none that can be
}

// Assembler puts messages together. Its memory is bounded: 256 messages of up
// to MaxLength bytes at a time.
type Assembler struct {
	Stats Stats
	open  *sessions.Store[Key, struct{}]
}

// New makes an Assembler.
func New() *Assembler { return &Assembler{open: sessions.New[Key, struct{}](mostSessions)} }

// Add takes the payload of a frame, in the order of the bus, and returns the
// message that it completes.
func (a *Assembler) Add(k Key, time int64, data []byte) (m Message, complete bool) {
	var payload []byte
	begun := time
	switch kind(data) {
	case 0:
		payload = a.single(k, data)
	case 1:
		a.first(k, time, data)
	case 2:
		begun, payload = a.consecutive(k, time, data)
	case 3: // flow control: the receiver's, and no part of a message
	default:
		a.Stats.Stray++
	}
	if payload == nil {
		return Message{}, false
	}
	a.Stats.Complete++
	return Message{Key: k, Time: begun, Payload: payload}, true
}

// kind returns the upper half of the first byte, which says what a frame is.
func kind(data []byte) byte {
	if len(data) == 0 {
		return 0xff
	}
	return data[0] >> 4
}

// single is a message in one frame. FD frames of more than 8 bytes have the
// length in the second byte.
func (a *Assembler) single(k Key, data []byte) []byte {
	a.abandon(k)
	n, from := int(data[0]&15), 1
	if n == 0 && len(data) > 8 {
		n, from = int(data[1]), 2
	}
	if n == 0 || from+n > len(data) {
		a.Stats.Stray++
		return nil
	}
	return data[from : from+n]
}

// first begins a message: 12 bits of length or, if they are 0, 32.
func (a *Assembler) first(k Key, time int64, data []byte) {
	a.abandon(k)
	if len(data) < 8 {
		a.Stats.Stray++
		return
	}
	n, from := int64(binary.BigEndian.Uint16(data)&0xfff), 2
	if n == 0 {
		n, from = int64(binary.BigEndian.Uint32(data[2:])), 6
	}
	if n <= int64(len(data)-from) || n > MaxLength {
		a.Stats.Stray++
		return
	}
	m, lost := a.open.Begin(k, time, int(n))
	a.Stats.Lost += uint64(lost)
	m.Done, m.Next = copy(m.Payload, data[from:]), 1
}

// abandon ends the message of a sender that begins another.
func (a *Assembler) abandon(k Key) {
	if a.open.Of(k) != nil {
		a.open.End(k)
		a.Stats.Lost++
	}
}

// consecutive adds to a message; frames are numbered 0-15 over and over.
func (a *Assembler) consecutive(k Key, time int64, data []byte) (begun int64, payload []byte) {
	m := a.open.Of(k)
	switch {
	case m == nil:
		a.Stats.Stray++
		return 0, nil
	case int(data[0]&15) != m.Next&15 || time-m.Last > Timeout:
		a.abandon(k)
		a.Stats.Stray++
		return 0, nil
	}
	m.Done += copy(m.Payload[m.Done:], data[1:])
	m.Last = time
	m.Next++
	if m.Done < len(m.Payload) {
		return 0, nil
	}
	a.open.End(k)
	return m.Time, m.Payload
}

// Close forgets what is incomplete, and counts it.
func (a *Assembler) Close() { a.Stats.Lost += uint64(a.open.Clear()) }
