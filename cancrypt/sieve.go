package cancrypt

import "encoding/binary"

// sieve tells of each value of three random bytes whether it makes a key under
// which the heartbeats of the next cycle are right, all but one of more than
// two. It does what Epoch.Updated and Suite.OpenHeartbeat do, with all that does
// not depend on the value done once.
type sieve struct {
	beats []beat
	need  int
	perm  Key
	turn  uint   // by which the new dynamic key is rotated
	epoch uint16 // of the new key
	old   speck64
	chain [2]uint64   // the two CBC-MACs of the update up to the first block with the value
	rest  [][2]uint64 // the blocks from there on
	shift uint        // of the value in the first of rest

	// With an AES pad the keys are made as members make them.
	aes   *Suite
	e     *Epoch
	parts []Heard
	place int
}

// newSieve is for the update of e by parts, of which the one at place has an
// unknown random value.
func newSieve(m Methods, e *Epoch, parts []Heard, place int, beats []beat) *sieve {
	f := &sieve{beats: beats, need: max(2, len(beats)-1), perm: e.Perm, epoch: e.Number + 1}
	if m.Pad() != PadSpeck {
		f.aes, _ = NewSuite(m) // the judge has the same
		f.e, f.parts, f.place = e, append([]Heard(nil), parts...), place
		return f
	}
	next := Epoch{Perm: e.Perm, Number: e.Number + 1}
	f.turn = next.rotation(0)
	mk := e.mixed(0, 0)
	f.old.expand(&mk)
	for half := range f.chain {
		f.prepare(e, parts, place, half)
	}
	return f
}

// prepare lays out the blocks of one of the two CBC-MACs of P1.6.
func (f *sieve) prepare(e *Epoch, parts []Heard, place, half int) {
	b := make([]byte, 8, 8+4*maxDevices+4)
	b[0], b[1], b[3] = 0x10, byte(half), byte(len(parts))
	binary.LittleEndian.PutUint16(b[4:], e.Number)
	for i, h := range parts {
		if i == place {
			h.Random = [4]byte{}
		}
		b = append(b, h.Address, h.Random[0], h.Random[1], h.Random[2])
	}
	b = append(b, make([]byte, -len(b)&7)...)
	at := 8 + 4*place
	f.shift = uint(8 * (at%8 + 1))
	for i := 0; i < len(b); i += 8 {
		block := binary.LittleEndian.Uint64(b[i:])
		switch k := (i - at/8*8) / 8; {
		case i < at/8*8:
			f.chain[half] = f.old.encrypt(f.chain[half] ^ block)
		case half == 0:
			f.rest = append(f.rest, [2]uint64{block})
		default:
			f.rest[k][1] = block
		}
	}
}

// key is MK of the new key under a value.
func (f *sieve) key(guess uint32) (k Key) {
	for half := range f.chain {
		c := f.chain[half]
		for i := range f.rest {
			block := f.rest[i][half]
			if i == 0 {
				block |= uint64(guess) << f.shift
			}
			c = f.old.encrypt(c ^ block)
		}
		binary.LittleEndian.PutUint64(k[8*half:], c)
	}
	k = k.rotated(f.turn)
	xor(k[:], f.perm[:])
	return k
}

// passes reports whether enough heartbeats are right under a value, 24 bits.
func (f *sieve) passes(guess uint32) bool {
	if f.aes != nil {
		return f.opened(guess)
	}
	mk := f.key(guess)
	var s speck64
	s.expand(&mk)
	right := 0
	for i := range f.beats {
		if f.right(&s, &f.beats[i]) {
			right++
		}
		if right+len(f.beats)-1-i < f.need {
			return false
		}
	}
	return true
}

// right checks a heartbeat with the pads of a key schedule (P1.8).
func (f *sieve) right(s *speck64, b *beat) bool {
	input := uint64(forHeartbeat) | uint64(b.sender)<<24 | uint64(f.epoch)<<32
	var hk [8]byte
	binary.LittleEndian.PutUint64(hk[:], s.encrypt(input))
	init := uint16(s.encrypt(input|1<<8)) ^ binary.LittleEndian.Uint16(f.perm[:])
	var c speck32
	c.expand(&hk)
	plain := c.decrypt([4]byte(b.bytes[1:]))
	signed := [4]byte{b.bytes[0], plain[0], plain[1], plain[2]}
	return fold(crc16(init, signed[:])) == plain[3]
}

func (f *sieve) opened(guess uint32) bool {
	f.parts[f.place].Random = [4]byte{byte(guess), byte(guess >> 8), byte(guess >> 16)}
	e := f.e.Updated(f.parts) // additional inputs do not count in heartbeats
	right := 0
	for i := range f.beats {
		if _, ok := f.aes.OpenHeartbeat(&e, f.beats[i].sender, f.beats[i].bytes); ok {
			right++
		}
		if right+len(f.beats)-1-i < f.need {
			return false
		}
	}
	return true
}
