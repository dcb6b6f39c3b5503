package cancrypt

import (
	"crypto/aes"
)

// SealPair encrypts a message as an AES pair (P1.10): the data of frame 1, on
// the sender's control ID, and of frame 2, on the message's. Unused bytes are
// taken from fill, which must be random.
func (s *Suite) SealPair(e *Epoch, at Place, m *Message, fill [8]byte) (first, second [8]byte) {
	p := Preamble{Count: 1, Context: at.Context, Epoch: uint8(e.Number & 3), Seq: uint8(at.Seq & 63), Word: m.Record.Announced()}
	head := p.Bytes()
	key, init := s.pairKey(e, at)
	plain := [16]byte(append(head[:], m.Data[:]...))
	plain[6] = m.Len
	plain[7] = pairSum(init, &plain)
	copy(plain[8+m.Len:], fill[:])
	s.work[0] = plain
	block, _ := aes.NewCipher(key[:])
	block.Encrypt(s.work[0][:], s.work[0][:])
	return [8]byte(s.work[0][:]), [8]byte(s.work[0][8:])
}

// OpenPair decrypts an AES pair for one place and reports whether it is right,
// about 60 bits of it: controls, word, length and checksum. The counter is
// inside the ciphertext but the key depends on it, so the receiver predicts it
// and tries a small window of places.
func (s *Suite) OpenPair(e *Epoch, at Place, r *Record, first, second [8]byte) (m Message, ok bool) {
	key, init := s.pairKey(e, at)
	copy(s.work[0][:], first[:])
	copy(s.work[0][8:], second[:])
	block, _ := aes.NewCipher(key[:])
	block.Decrypt(s.work[0][:], s.work[0][:])
	plain := s.work[0]
	p := Preamble{Count: 1, Context: at.Context, Epoch: uint8(e.Number & 3), Seq: uint8(at.Seq & 63), Word: r.Announced()}
	want := p.Bytes()
	if [6]byte(plain[:]) != [6]byte(want[:]) || plain[6] > 8 || plain[7] != pairSum(init, &plain) {
		return Message{}, false
	}
	m = Message{Record: *r, Len: plain[6]}
	copy(m.Data[:m.Len], plain[8:])
	return m, true
}

func (s *Suite) pairKey(e *Epoch, at Place) (key Key, init uint16) {
	s.start(e, at, true)
	init, _ = s.initializer(e, at)
	for i := range uint8(2) {
		b := s.pads.block(forPair, i)
		copy(key[8*i:], b[:])
	}
	return key, init
}

// pairSum is the checksum over bytes 0-6 and the true data.
func pairSum(init uint16, plain *[16]byte) byte {
	return fold(crc16(crc16(init, plain[:7]), plain[8:8+plain[6]]))
}
