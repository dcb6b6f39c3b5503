package mdf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// codec carries the values of one side record to or from its bytes, field by
// field in the order of the layout. One walk of a record's type serves both
// ways, so that reading is the inverse of writing by construction.
type codec struct {
	rec    []byte // without id
	fields []field
	start  int64 // of the file, ns since 1970 UTC
	read   bool
	err    error // reading: what a value cannot be
}

func (c *codec) next() field {
	f := c.fields[0]
	c.fields = c.fields[1:]
	return f
}

// number carries an integer.
func number[T ~uint8 | ~uint32 | ~uint64 | ~int64](c *codec, v *T) {
	f := c.next()
	if c.read {
		*v = T(f.get(c.rec))
		return
	}
	f.put(c.rec, uint64(*v))
}

func (c *codec) flag(v *bool) {
	f := c.next()
	if c.read {
		*v = f.get(c.rec) != 0
		return
	}
	if *v {
		f.put(c.rec, 1)
	}
}

// time carries an absolute time.
func (c *codec) time(v *int64) {
	c.instant(c.next().at, v)
}

// instant carries the absolute time at a byte.
func (c *codec) instant(at int, v *int64) {
	b := c.rec[at : at+8]
	if !c.read {
		binary.LittleEndian.PutUint64(b, relative(*v, c.start))
		return
	}
	t, ok := absolute(binary.LittleEndian.Uint64(b), c.start)
	if !ok {
		c.err = fmt.Errorf("%g ns", math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	*v = t
}

func (c *codec) bytes(v []byte) {
	at := c.next().at
	if c.read {
		copy(v, c.rec[at:])
		return
	}
	copy(c.rec[at:], v)
}

// relative returns the bits of the f64 that stands for time t in a file.
func relative(t, start int64) uint64 {
	return math.Float64bits(float64(t - start))
}

// timeLimit bounds the times of records, ns from the start of the file.
const timeLimit = 1 << 62

// absolute is the inverse of relative; false if the bits are no time.
func absolute(bits uint64, start int64) (int64, bool) {
	f := math.Float64frombits(bits)
	if !(f > -timeLimit && f < timeLimit) {
		return 0, false
	}
	return start + int64(f), true
}

// put sets the field of a zeroed record; bits of v beyond the field are lost.
func (f field) put(rec []byte, v uint64) {
	v &= ^uint64(0) >> (64 - f.bits)
	for i := range f.bytes() {
		rec[f.at+i] |= byte(v << f.bit >> (8 * i))
	}
}

func (f field) get(rec []byte) uint64 {
	var v uint64
	for i := range f.bytes() {
		v |= uint64(rec[f.at+i]) << (8 * i)
	}
	return v >> f.bit & (^uint64(0) >> (64 - f.bits))
}

// bytes tells how many bytes an integer field touches, 1-8.
func (f field) bytes() int { return (f.bit + f.bits + 7) / 8 }
