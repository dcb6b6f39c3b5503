package cancrypt

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

var crcTable = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

// crc16 is CRC-16 with polynomial 1021h, most significant bit first, without
// final XOR.
func crc16(init uint16, b []byte) uint16 {
	for _, c := range b {
		init = init<<8 ^ crcTable[byte(init>>8)^c]
	}
	return init
}

// fold is the 8-bit checksum of a 16-bit one.
func fold(crc uint16) byte { return byte(crc>>8) ^ byte(crc) }

// speck64 is a key schedule of Speck64/128: 32-bit words, 27 rounds.
type speck64 [27]uint32

func (s *speck64) expand(key *Key) {
	k := binary.LittleEndian.Uint32(key[0:])
	a, b, c := binary.LittleEndian.Uint32(key[4:]), binary.LittleEndian.Uint32(key[8:]), binary.LittleEndian.Uint32(key[12:])
	for i := range s {
		s[i] = k
		next := k + bits.RotateLeft32(a, -8) ^ uint32(i)
		k = bits.RotateLeft32(k, 3) ^ next
		a, b, c = b, c, next
	}
}

func (s *speck64) encrypt(block uint64) uint64 {
	y, x := uint32(block), uint32(block>>32)
	for _, k := range s {
		x = bits.RotateLeft32(x, -8) + y ^ k
		y = bits.RotateLeft32(y, 3) ^ x
	}
	return uint64(x)<<32 | uint64(y)
}

// mac is CBC-MAC over b, zero-padded to whole blocks. The callers bind the
// length of b by their first block.
func (s *speck64) mac(b []byte) (out [8]byte) {
	var chain uint64
	for ; len(b) >= 8; b = b[8:] {
		chain = s.encrypt(chain ^ binary.LittleEndian.Uint64(b))
	}
	if len(b) > 0 {
		var last [8]byte
		copy(last[:], b)
		chain = s.encrypt(chain ^ binary.LittleEndian.Uint64(last[:]))
	}
	binary.LittleEndian.PutUint64(out[:], chain)
	return out
}

// speck32 is a key schedule of Speck32/64: 16-bit words, 22 rounds. Its block
// is just the encrypted part of a heartbeat.
type speck32 [22]uint16

func (s *speck32) expand(key *[8]byte) {
	k := binary.LittleEndian.Uint16(key[0:])
	a, b, c := binary.LittleEndian.Uint16(key[2:]), binary.LittleEndian.Uint16(key[4:]), binary.LittleEndian.Uint16(key[6:])
	for i := range s {
		s[i] = k
		next := k + bits.RotateLeft16(a, -7) ^ uint16(i)
		k = bits.RotateLeft16(k, 2) ^ next
		a, b, c = b, c, next
	}
}

func (s *speck32) encrypt(in [4]byte) (out [4]byte) {
	y, x := binary.LittleEndian.Uint16(in[0:]), binary.LittleEndian.Uint16(in[2:])
	for _, k := range s {
		x = bits.RotateLeft16(x, -7) + y ^ k
		y = bits.RotateLeft16(y, 2) ^ x
	}
	binary.LittleEndian.PutUint16(out[0:], y)
	binary.LittleEndian.PutUint16(out[2:], x)
	return out
}

func (s *speck32) decrypt(in [4]byte) (out [4]byte) {
	y, x := binary.LittleEndian.Uint16(in[0:]), binary.LittleEndian.Uint16(in[2:])
	for i := len(s) - 1; i >= 0; i-- {
		y = bits.RotateLeft16(y^x, -2)
		x = bits.RotateLeft16((x^s[i])-y, 7)
	}
	binary.LittleEndian.PutUint16(out[0:], y)
	binary.LittleEndian.PutUint16(out[2:], x)
	return out
}

// cmac is AES-CMAC (RFC 4493). It uses work as its memory.
func cmac(block cipher.Block, b []byte, work *[2][16]byte) [16]byte {
	chain, sub := &work[0], &work[1]
	*chain, *sub = [16]byte{}, [16]byte{}
	block.Encrypt(sub[:], sub[:])
	double(sub)
	for ; len(b) > 16; b = b[16:] {
		xor(chain[:], b[:16])
		block.Encrypt(chain[:], chain[:])
	}
	xor(chain[:], b)
	if len(b) < 16 {
		double(sub)
		chain[len(b)] ^= 0x80
	}
	xor(chain[:], sub[:])
	block.Encrypt(chain[:], chain[:])
	return *chain
}

// double multiplies by x in the field of RFC 4493, 2.3.
func double(b *[16]byte) {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	carry := hi >> 63
	binary.BigEndian.PutUint64(b[:8], hi<<1|lo>>63)
	binary.BigEndian.PutUint64(b[8:], lo<<1^carry*0x87)
}

func xor(dst, src []byte) {
	for i, c := range src {
		dst[i] ^= c
	}
}
