package j1939

import "canseal/decode/internal/sessions"

const (
	MaxFastPacket     = 6 + 31*7    // bytes of a message
	FastPacketTimeout = 750_000_000 // ns between two frames of a message

	// FirstFastPacket is the lowest group that NMEA 2000 may send so: 1ED00.
	FirstFastPacket = 0x1ed00
)

// FastPacket puts the messages of NMEA 2000 together that take several frames.
// A frame says neither its group's kind nor its length: the caller knows from
// its DBC which groups are sent so. Memory is bounded: 256 messages of up to
// MaxFastPacket bytes at a time.
type FastPacket struct {
	Stats Stats
	open  *sessions.Store[stream, uint8] // own: number of the message, 0-7
}

type stream struct {
	bus uint8
	id  uint32
}

// NewFastPacket makes a FastPacket.
func NewFastPacket() *FastPacket {
	return &FastPacket{open: sessions.New[stream, uint8](mostSessions)}
}

// Add takes a frame, in the order of the bus, and returns the message that it
// completes, under the frames' own identifier.
//
//	byte 0    number of the message (3 bits), of the frame in it (5 bits)
//	byte 1    first frame: length of the message in bytes
//	then      the bytes of the message
func (f *FastPacket) Add(time int64, bus uint8, id uint32, tag uint8, data []byte) (Message, bool) {
	k := stream{bus, id}
	if len(data) < 2 {
		f.Stats.Stray++
		return Message{}, false
	}
	if data[0]&31 == 0 {
		f.begin(k, time, tag, data)
	} else if !f.goOn(k, time, tag, data) {
		return Message{}, false
	}
	m := f.open.Of(k)
	if m == nil || m.Done < len(m.Payload) {
		return Message{}, false
	}
	f.open.End(k)
	f.Stats.Complete++
	return Message{m.Time, bus, id, m.Tag, m.Payload}, true
}

func (f *FastPacket) begin(k stream, time int64, tag uint8, data []byte) {
	n := int(data[1])
	if n == 0 || n > MaxFastPacket {
		f.abandon(k)
		f.Stats.Stray++
		return
	}
	m, lost := f.open.Begin(k, time, tag, n)
	f.Stats.Lost += uint64(lost)
	m.Own, m.Next, m.Done = data[0]>>5, 1, copy(m.Payload, data[2:])
}

func (f *FastPacket) goOn(k stream, time int64, tag uint8, data []byte) bool {
	m := f.open.Of(k)
	if m == nil || m.Own != data[0]>>5 || m.Next != int(data[0]&31) || time-m.Last > FastPacketTimeout {
		f.abandon(k)
		f.Stats.Stray++
		return false
	}
	m.Part(time, tag)
	m.Done += copy(m.Payload[m.Done:], data[1:])
	m.Next++
	return true
}

func (f *FastPacket) abandon(k stream) {
	if f.open.Of(k) != nil {
		f.open.End(k)
		f.Stats.Lost++
	}
}

// Close forgets what is incomplete, and counts it.
func (f *FastPacket) Close() { f.Stats.Lost += uint64(f.open.Clear()) }
