package container

import (
	"crypto/cipher"
	"encoding/binary"
)

// ghash is the universal hash of GCM (NIST SP 800-38D, 6.4), which crypto/cipher
// has for whole messages in memory only. Elements of the field are two words,
// bit 0 of the polynomial the most significant bit of the first.
type ghash struct {
	y     element
	table [16]element // multiples of H by four bits
	shift [16]uint64  // what four bits that leave at one end add at the other
	part  [16]byte
	n     int
}

type element struct{ hi, lo uint64 }

func newGHash(block cipher.Block) *ghash {
	var zero [16]byte
	block.Encrypt(zero[:], zero[:])
	g := &ghash{}
	h := element{binary.BigEndian.Uint64(zero[:]), binary.BigEndian.Uint64(zero[8:])}
	for bit := 8; bit > 0; bit >>= 1 { // bit 8 of four is the first of the polynomial
		g.table[bit] = h
		h = h.double()
	}
	for i := range g.table {
		out := element{0, uint64(i)}
		g.shift[i] = out.double().double().double().double().hi
		for bit := 8; bit > 0; bit >>= 1 {
			if i&bit != 0 && i != bit {
				g.table[i].hi ^= g.table[bit].hi
				g.table[i].lo ^= g.table[bit].lo
			}
		}
	}
	return g
}

// double multiplies by x.
func (e element) double() element {
	carry := e.lo & 1
	return element{e.hi>>1 ^ carry*0xE1<<56, e.hi<<63 | e.lo>>1}
}

// write takes bytes.
func (g *ghash) write(b []byte) {
	for len(b) > 0 {
		if g.n == 0 && len(b) >= 16 {
			g.block(b)
			b = b[16:]
			continue
		}
		k := copy(g.part[g.n:], b)
		g.n, b = g.n+k, b[k:]
		if g.n == 16 {
			g.n = 0
			g.block(g.part[:])
		}
	}
}

// pad fills up the block with zeros.
func (g *ghash) pad() {
	if g.n > 0 {
		clear(g.part[g.n:])
		g.n = 0
		g.block(g.part[:])
	}
}

// block takes 16 bytes: y = (y + b) H.
func (g *ghash) block(b []byte) {
	y := element{g.y.hi ^ binary.BigEndian.Uint64(b), g.y.lo ^ binary.BigEndian.Uint64(b[8:])}
	var z element
	for _, w := range [2]uint64{y.lo, y.hi} {
		for range 16 {
			out := z.lo & 15
			z.lo = z.lo>>4 | z.hi<<60
			z.hi = z.hi>>4 ^ g.shift[out]
			t := &g.table[w&15]
			z.hi ^= t.hi
			z.lo ^= t.lo
			w >>= 4
		}
	}
	g.y = z
}

// sum ends with the lengths, in bytes, of the associated data and the rest.
func (g *ghash) sum(to []byte, associated, rest uint64) {
	g.pad()
	var lengths [16]byte
	binary.BigEndian.PutUint64(lengths[:], 8*associated)
	binary.BigEndian.PutUint64(lengths[8:], 8*rest)
	g.block(lengths[:])
	binary.BigEndian.PutUint64(to, g.y.hi)
	binary.BigEndian.PutUint64(to[8:], g.y.lo)
}
