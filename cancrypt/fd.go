package cancrypt

import (
	"crypto/subtle"
	"encoding/binary"

	"canseal/can"
)

const (
	recordLen = 8  // bytes of the FD security record
	maxFDData = 56 // bytes of data beside it

	fdHeartbeatLen = 16 // heartbeat, three zero bytes, record

	fdEncrypted = 1 << 5
	fdReserved  = 1 << 4
)

// FDRecord is the security record at the end of an FD frame (P1.15).
type FDRecord struct {
	Sender    uint8 // 1-254
	Epoch     uint8 // modulo 4
	Encrypted bool
	Padding   uint8 // zero bytes between data and record, 0-15
	Seq       uint16
	Signature [4]byte
}

// Bytes returns the record as it stands in the frame.
func (r *FDRecord) Bytes() (b [8]byte) {
	b[0] = r.Sender
	b[1] = r.Epoch<<6 | bit(r.Encrypted, fdEncrypted) | r.Padding&15
	binary.LittleEndian.PutUint16(b[2:], r.Seq)
	copy(b[4:], r.Signature[:])
	return b
}

// padding returns the fewest zero bytes that make n bytes of data and a record
// an FD length.
func padding(n int) int {
	return can.Length(can.DLC(n+recordLen), true) - n - recordLen
}

// ParseFD splits the payload of an FD frame into its data, which shares the
// frame's memory, and its record. found is false for a frame without a record
// (verdict 12); an error is a record whose padding is wrong (verdict 9).
func ParseFD(payload []byte) (data []byte, r FDRecord, found bool, err error) {
	n := len(payload) - recordLen
	if n < 0 || n > maxFDData {
		return nil, r, false, nil
	}
	b := payload[n:]
	r = FDRecord{
		Sender: b[0], Epoch: b[1] >> 6, Encrypted: b[1]&fdEncrypted != 0, Padding: b[1] & 15,
		Seq: binary.LittleEndian.Uint16(b[2:]), Signature: [4]byte(b[4:]),
	}
	if r.Sender == 0 || r.Sender == 255 || b[1]&fdReserved != 0 {
		return nil, FDRecord{}, false, nil
	}
	size := n - int(r.Padding)
	if size < 0 || padding(size) != int(r.Padding) {
		return nil, r, true, wrong("FD record", "the fewest padding bytes", r.Padding)
	}
	for _, c := range payload[size:n] {
		if c != 0 {
			return nil, r, true, wrong("FD record", "padding of zero bytes", c)
		}
	}
	return payload[:size], r, true, nil
}

// FDOptions say how an FD frame is sealed.
type FDOptions struct {
	Word      Word // identity of the frame
	Signature Signature
	Encrypted bool
}

// SealFD appends an FD payload to dst: data of 0-56 bytes, padding, record.
// Place's context is 0 and the signature method 1 or 2.
func (s *Suite) SealFD(dst []byte, e *Epoch, at Place, o FDOptions, data []byte) []byte {
	mk := s.start(e, at, true)
	r := FDRecord{Sender: at.Sender, Epoch: uint8(e.Number & 3), Encrypted: o.Encrypted, Padding: uint8(padding(len(data))), Seq: at.Seq}
	r.Signature = s.fdSignature(e, at, &mk, o.Word, o.Signature, data, &r)
	start := len(dst)
	dst = append(dst, data...)
	if o.Encrypted {
		s.cryptFD(dst[start:])
	}
	dst = append(dst, make([]byte, r.Padding)...)
	b := r.Bytes()
	return append(dst, b[:]...)
}

// OpenFD decrypts the data in place when the record says so, and reports
// whether the signature is right.
func (s *Suite) OpenFD(e *Epoch, word Word, method Signature, data []byte, r *FDRecord) bool {
	at := Place{Sender: r.Sender, Seq: r.Seq}
	mk := s.start(e, at, true)
	if r.Encrypted {
		s.cryptFD(data)
	}
	t := s.fdSignature(e, at, &mk, word, method, data, r)
	return subtle.ConstantTimeCompare(t[:], r.Signature[:]) == 1
}

func (s *Suite) cryptFD(data []byte) {
	for i := range data {
		if i%8 == 0 {
			b := s.pads.block(forFD, uint8(i/8))
			xor(data[i:min(i+8, len(data))], b[:min(8, len(data)-i)])
		}
	}
}

func (s *Suite) fdSignature(e *Epoch, at Place, mk *Key, word Word, method Signature, data []byte, r *FDRecord) [4]byte {
	b := binary.LittleEndian.AppendUint32(s.buf[:8], uint32(word))
	b = append(append(b, byte(len(data))), data...)
	record := r.Bytes()
	b = append(b, record[:4]...)
	if method == AESCMAC {
		return s.tag(AESCMAC, 0x33, len(b)-8, e, at, mk)
	}
	return s.tag(SpeckMAC, 0x31, len(b)-8, e, at, mk)
}

// SealFDHeartbeat returns the 16 bytes of an FD heartbeat on a control ID. Its
// signature is over the heartbeat as sent and knows no additional inputs.
func (s *Suite) SealFDHeartbeat(e *Epoch, word Word, method Signature, sender uint8, status Status, random [3]byte) (frame [16]byte) {
	h := s.SealHeartbeat(e, sender, status, random)
	r := FDRecord{Sender: sender, Epoch: uint8(e.Number & 3), Padding: 3}
	mk := e.mixed(0, 0)
	r.Signature = s.fdSignature(e, Place{Sender: sender}, &mk, word, method, h[:], &r)
	copy(frame[:], h[:])
	b := r.Bytes()
	copy(frame[8:], b[:])
	return frame
}

// OpenFDHeartbeat checks the signature first, then the heartbeat's own
// checksum.
func (s *Suite) OpenFDHeartbeat(e *Epoch, word Word, method Signature, frame [16]byte) (Heard, bool) {
	data, r, found, err := ParseFD(frame[:])
	if !found || err != nil || len(data) != 5 || r.Encrypted || r.Seq != 0 || r.Epoch != uint8(e.Number&3) {
		return Heard{}, false
	}
	mk := e.mixed(0, 0)
	t := s.fdSignature(e, Place{Sender: r.Sender}, &mk, word, method, data, &r)
	if subtle.ConstantTimeCompare(t[:], r.Signature[:]) != 1 {
		return Heard{}, false
	}
	return s.OpenHeartbeat(e, r.Sender, [5]byte(data))
}
