package cancrypt

import "encoding/binary"

// MaxMessages is the number of messages that one preamble can announce.
const MaxMessages = 8

// Preamble is a preamble or an epilog, 8 bytes on the wire (P1.3).
type Preamble struct {
	Epilog    bool
	Count     uint8 // messages of the sequence, 1-8
	Context   uint8 // 0 the group, 1-15 the pairing of that device
	Epoch     uint8 // key epoch modulo 4
	Seq       uint8 // sequence number modulo 64
	Word      Word  // the next message's, in an epilog the last one's
	Signature [2]byte
}

// ParsePreamble reads the data of a frame. It refuses other lengths and words
// that name no identifier.
func ParsePreamble(b []byte) (Preamble, error) {
	if len(b) != 8 {
		return Preamble{}, wrong("preamble", "8 bytes", len(b))
	}
	p := readPreamble((*[8]byte)(b))
	if !p.Word.Valid() {
		return Preamble{}, wrong("preamble", "a CAN ID word at byte 2", uint32(p.Word))
	}
	return p, nil
}

func readPreamble(b *[8]byte) Preamble {
	return Preamble{
		Epilog: b[0]&0x80 == 0, Count: b[0]>>4&7 + 1, Context: b[0] & 15,
		Epoch: b[1] >> 6, Seq: b[1] & 63,
		Word: Word(binary.LittleEndian.Uint32(b[2:])), Signature: [2]byte{b[6], b[7]},
	}
}

// Bytes returns the data of the frame. Fields keep only the bits they have.
func (p *Preamble) Bytes() (b [8]byte) {
	b[0] = (p.Count-1)&7<<4 | p.Context&15
	if !p.Epilog {
		b[0] |= 0x80
	}
	b[1] = p.Epoch<<6 | p.Seq&63
	binary.LittleEndian.PutUint32(b[2:], uint32(p.Word))
	b[6], b[7] = p.Signature[0], p.Signature[1]
	return b
}
