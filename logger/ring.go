package logger

import (
	"encoding/binary"

	"canseal/can"
)

const (
	ringBlock = 64 << 10 // bytes
	ringHead  = 16
)

// ring holds the newest frames of a bus, packed, in at most so many blocks of
// 64 KiB. Memory is taken block by block as it is needed and used again.
//
//	0 i64 time, not moved   8 u32 identifier   12 flags   13 DLC | direction<<4   14 length   15 verdict   16 data
//
// Little-endian; an entry lies within one block.
type ring struct {
	limit  int // blocks, at least 1
	blocks []*block
	free   *block // the one that ran empty last
	count  int    // frames
	moved  int64  // ns to add to the times in the blocks, for steps of the clock
}

// block is filled from the front and emptied from the front.
type block struct {
	from, to int
	bytes    [ringBlock]byte
}

// push adds a frame. When there is no room it first drops the oldest block's
// frames, and returns how many.
func (r *ring) push(e *can.Event) (dropped int) {
	f := &e.Frame
	n := ringHead + int(f.Len)
	if len(r.blocks) == 0 || r.last().to+n > ringBlock {
		dropped = r.grow()
	}
	b := r.last()
	p := b.bytes[b.to : b.to+n]
	binary.LittleEndian.PutUint64(p, uint64(e.Time-r.moved))
	binary.LittleEndian.PutUint32(p[8:], f.ID)
	p[12], p[13], p[14], p[15] = byte(f.Flags), f.DLC|byte(e.Dir)<<4, f.Len, byte(e.Verdict)
	copy(p[ringHead:], f.Payload())
	b.to += n
	r.count++
	return dropped
}

func (r *ring) last() *block { return r.blocks[len(r.blocks)-1] }

// grow adds an empty block behind the last.
func (r *ring) grow() (dropped int) {
	if len(r.blocks) == r.limit {
		for b := r.blocks[0]; b.from < b.to; dropped++ {
			b.from += ringHead + int(b.bytes[b.from+14])
		}
		r.count -= dropped
		r.shift()
	}
	b := r.free
	if b == nil {
		b = new(block)
	}
	r.free = nil
	r.blocks = append(r.blocks, b)
	return dropped
}

// shift takes the oldest block away.
func (r *ring) shift() {
	b := r.blocks[0]
	r.blocks = append(r.blocks[:0], r.blocks[1:]...)
	b.from, b.to = 0, 0
	r.free = b
}

// move adds to the times of all frames.
func (r *ring) move(by int64) { r.moved += by }

// oldest is the time of the oldest frame; there must be one.
func (r *ring) oldest() int64 {
	b := r.blocks[0]
	return int64(binary.LittleEndian.Uint64(b.bytes[b.from:])) + r.moved
}

// pop takes the oldest frame; there must be one. bus is the ring's.
func (r *ring) pop(e *can.Event, bus uint8) {
	b := r.blocks[0]
	p := b.bytes[b.from:]
	*e = can.Event{
		Time: int64(binary.LittleEndian.Uint64(p)) + r.moved, Bus: bus, Dir: can.Direction(p[13] >> 4), Verdict: can.Verdict(p[15]),
		Frame: can.Frame{ID: binary.LittleEndian.Uint32(p[8:]), Flags: can.Flags(p[12]), DLC: p[13] & 15, Len: p[14]},
	}
	copy(e.Frame.Data[:], p[ringHead:ringHead+int(p[14])])
	r.skip()
}

// skip drops the oldest frame; there must be one.
func (r *ring) skip() {
	b := r.blocks[0]
	b.from += ringHead + int(b.bytes[b.from+14])
	r.count--
	if b.from == b.to {
		r.shift()
	}
}
