package probe

import (
	"encoding/binary"
	"errors"
)

// On a serial line a datagram goes as COBS(datagram, CRC-16) and a zero byte.
// The check value is CRC-16/CCITT-FALSE (polynomial 1021h, initial value
// FFFFh), big-endian: it tells line errors from attacks, and protects from
// nothing else.

// errLine is a frame that the line has damaged.
var errLine = errors.New("damaged on the line")

// mostFrame bounds a frame on the line, before coding.
const mostFrame = 2048

var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()

func crc16(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, x := range b {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^x]
	}
	return crc
}

// appendFrame appends a frame with its end.
func appendFrame(dst, datagram []byte) []byte {
	b := binary.BigEndian.AppendUint16(append([]byte(nil), datagram...), crc16(datagram))
	code := len(dst) // place of the length of the present block
	dst = append(dst, 0)
	n := byte(1)
	for i, x := range b {
		if x != 0 {
			dst = append(dst, x)
			n++
		}
		if x == 0 || n == 0xFF && i < len(b)-1 {
			dst[code] = n
			code, n = len(dst), 1
			dst = append(dst, 0)
		}
	}
	dst[code] = n
	return append(dst, 0)
}

// parseFrame decodes a frame without its zero byte, in place.
func parseFrame(frame []byte) ([]byte, error) {
	out := frame[:0]
	for at := 0; at < len(frame); {
		n := int(frame[at])
		if n == 0 || at+n > len(frame) {
			return nil, errLine
		}
		out = append(out, frame[at+1:at+n]...)
		if at += n; n < 0xFF && at < len(frame) {
			out = append(out, 0)
		}
	}
	if len(out) < 2 || crc16(out[:len(out)-2]) != binary.BigEndian.Uint16(out[len(out)-2:]) {
		return nil, errLine
	}
	return out[:len(out)-2], nil
}
