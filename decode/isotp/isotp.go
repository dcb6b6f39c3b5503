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

// Assembler puts messages together. Its memory is bounded: 256 messages of up
// to MaxLength bytes at a time.
type Assembler struct {
	Stats Stats
	open  *sessions.Store[Key, struct{}]
}

// New makes an Assembler.
func New() *Assembler { return &Assembler{open: sessions.New[Key, struct{}](mostSessions)} }

// Add takes the payload of a frame, in the order of the bus, and returns the
// message that it completes. A tag is whatever the caller knows of the frame.
func (a *Assembler) Add(k Key, time int64, tag uint8, data []byte) (m Message, complete bool) {
	m = Message{Key: k, Time: time, Tag: tag}
	switch kind(data) {
	case 0:
		m.Payload = a.single(k, data)
	case 1:
		a.first(k, time, tag, data)
	case 2:
		a.consecutive(&m, data)
	case 3: // flow control: the receiver's, and no part of a message
	default:
		a.Stats.Stray++
	}
	if m.Payload == nil {
		return Message{}, false
	}
	a.Stats.Complete++
	return m, true
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
func (a *Assembler) first(k Key, time int64, tag uint8, data []byte) {
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
	m, lost := a.open.Begin(k, time, tag, int(n))
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

// consecutive adds a frame to a message and, if it is the last one, makes that
// the message of its sender. Frames are numbered 0-15 over and over.
func (a *Assembler) consecutive(frame *Message, data []byte) {
	m := a.open.Of(frame.Key)
	if m == nil {
		a.Stats.Stray++
		return
	}
	if int(data[0]&15) != m.Next&15 || frame.Time-m.Last > Timeout {
		a.abandon(frame.Key)
		a.Stats.Stray++
		return
	}
	m.Part(frame.Time, frame.Tag)
	m.Done += copy(m.Payload[m.Done:], data[1:])
	m.Next++
	if m.Done == len(m.Payload) {
		a.open.End(frame.Key)
		frame.Time, frame.Tag, frame.Payload = m.Time, m.Tag, m.Payload
	}
}

// Close forgets what is incomplete, and counts it.
func (a *Assembler) Close() { a.Stats.Lost += uint64(a.open.Clear()) }
