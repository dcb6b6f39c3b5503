package logger

import (
	"encoding/binary"

	"canseal/can"
)

// Signal is a number in the payload of a message, numbered as in a DBC file:
// bit n is bit n%8 (0: the lowest) of byte n/8.
type Signal struct {
	ID       uint32
	Extended bool
	// Start is the lowest bit of an Intel signal, which grows towards higher
	// bits and bytes, or the highest of a Motorola signal, which goes down to bit
	// 0 of its byte and on at bit 7 of the next.
	Start    int // 0-511
	Length   int // bits, 1-64
	Motorola bool
	Signed   bool // two's complement
	Factor   float64
	Offset   float64
}

// Value is raw x Factor + Offset. It reports false for frames of other
// identifiers, for remote frames and error messages, and when the payload does
// not have all bits of the signal.
func (s *Signal) Value(f *can.Frame) (float64, bool) {
	if f.ID != s.ID || f.Flags&(can.Remote|can.Error) != 0 || f.Is(can.Extended) != s.Extended {
		return 0, false
	}
	raw, ok := s.raw(f.Payload())
	if !ok {
		return 0, false
	}
	if s.Signed {
		return float64(int64(raw<<(64-s.Length))>>(64-s.Length))*s.Factor + s.Offset, true
	}
	return float64(raw)*s.Factor + s.Offset, true
}

// raw cuts the bits out of up to nine bytes.
func (s *Signal) raw(payload []byte) (uint64, bool) {
	first, skip := s.Start/8, s.Start%8 // bits before the signal, in its byte order
	if s.Motorola {
		skip = 7 - skip
	}
	end := first*8 + skip + s.Length
	if s.Start < 0 || s.Length < 1 || s.Length > 64 || end > len(payload)*8 {
		return 0, false
	}
	var window [9]byte
	copy(window[:], payload[first:(end+7)/8])
	if s.Motorola { // the shift by 8 of an aligned signal gives 0, as it should
		high := binary.BigEndian.Uint64(window[:])<<skip | uint64(window[8])>>(8-skip)
		return high >> (64 - s.Length), true
	}
	low := binary.LittleEndian.Uint64(window[:])>>skip | uint64(window[8])<<(64-skip)
	return low & (1<<s.Length - 1), true
}
