package cancrypt

import "encoding/binary"

// Status is the first byte of a heartbeat, not encrypted (P1.8). Bits 1..0 are
// the epoch of its key modulo 4, bits 4..2 zero.
type Status uint8

const (
	Authenticated  Status = 1 << 7 // the sender saw no manipulation
	Paired         Status = 1 << 6 // the sender is in a pairing
	Leaving        Status = 1 << 5 // the sender's last cycle
	statusReserved Status = 7 << 2
)

// Epoch returns the epoch of the key, modulo 4.
func (s Status) Epoch() uint8 { return uint8(s & 3) }

// heartbeatKeys returns the key of the four encrypted bytes and the checksum's
// initializer. Additional inputs do not count: they never break a group.
func (s *Suite) heartbeatKeys(e *Epoch, sender uint8) (hk [8]byte, init uint16) {
	s.start(e, Place{Sender: sender}, false)
	hk = s.pads.block(forHeartbeat, 0)
	b := s.pads.block(forHeartbeat, 1)
	return hk, binary.LittleEndian.Uint16(b[:]) ^ binary.LittleEndian.Uint16(e.Perm[:])
}

// SealHeartbeat returns the five bytes of a heartbeat. The epoch bits of the
// status are set here.
func (s *Suite) SealHeartbeat(e *Epoch, sender uint8, status Status, random [3]byte) (frame [5]byte) {
	status = status&^3 | Status(e.Number&3)
	hk, init := s.heartbeatKeys(e, sender)
	plain := [5]byte{byte(status), random[0], random[1], random[2]}
	plain[4] = fold(crc16(init, plain[:4]))
	var c speck32
	c.expand(&hk)
	secret := c.encrypt([4]byte(plain[1:]))
	frame[0] = byte(status)
	copy(frame[1:], secret[:])
	return frame
}

// OpenHeartbeat returns what the heartbeat carries and whether it is right: a
// guess is so once in 256. The caller has chosen the epoch by the status.
func (s *Suite) OpenHeartbeat(e *Epoch, sender uint8, frame [5]byte) (h Heard, ok bool) {
	hk, init := s.heartbeatKeys(e, sender)
	var c speck32
	c.expand(&hk)
	plain := c.decrypt([4]byte(frame[1:]))
	signed := [4]byte{frame[0], plain[0], plain[1], plain[2]}
	h = Heard{Address: sender, Status: Status(frame[0]), Random: [4]byte{plain[0], plain[1], plain[2]}}
	return h, fold(crc16(init, signed[:])) == plain[3] && h.Status&statusReserved == 0 && h.Status.Epoch() == uint8(e.Number&3)
}
