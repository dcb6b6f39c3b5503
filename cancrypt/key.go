package cancrypt

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
)

// Key is a 128-bit key; as an integer byte 0 is the least significant. No
// formatting, logging or marshalling gives its bytes away.
type Key [16]byte

const redacted = "[key]"

// Format writes "[key]" for every verb.
func (Key) Format(f fmt.State, _ rune)   { f.Write([]byte(redacted)) }
func (Key) String() string               { return redacted }
func (Key) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// rotated returns the key rotated left by n bits, n 0-127.
func (k *Key) rotated(n uint) (out Key) {
	lo, hi := binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
	if n >= 64 {
		lo, hi, n = hi, lo, n-64
	}
	binary.LittleEndian.PutUint64(out[:8], lo<<n|hi>>(64-n))
	binary.LittleEndian.PutUint64(out[8:], hi<<n|lo>>(64-n))
	return out
}

// Shifted returns the dynamic key of a pairing after one more bit: shifted
// right, the bit on top (P1.6).
func (k Key) Shifted(one bool) (out Key) {
	lo, hi := binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
	lo, hi = lo>>1|hi<<63, hi>>1|uint64(bit(one, 1))<<63
	binary.LittleEndian.PutUint64(out[:8], lo)
	binary.LittleEndian.PutUint64(out[8:], hi)
	return out
}

// Epoch is what a context shares between two key updates.
type Epoch struct {
	Perm, Dyn Key
	Number    uint16 // updates since the start, wrapping
	Mask      Key    // of additional inputs, see ExtraMask; zero without
}

// rotation returns the bits by which the dynamic key is rotated for a sequence.
func (e *Epoch) rotation(seq uint16) uint {
	var f byte
	for _, c := range e.Perm {
		f ^= c
	}
	return (uint(f) + uint(e.Number) + uint(seq)) % 128
}

// mixed returns the mixed key MK of a sequence, or with by 64 the second key
// MK' of AES-256 (P1.4), both without mask.
func (e *Epoch) mixed(seq uint16, by uint) Key {
	k := e.Dyn.rotated((e.rotation(seq) + by) % 128)
	xor(k[:], e.Perm[:])
	return k
}

// Heard is one member's part in a key update or a group start.
type Heard struct {
	Address uint8
	Status  Status
	Random  [4]byte // a heartbeat has 3 bytes, a start nonce 4
}

// Updated returns the epoch after a heartbeat cycle (P1.6). The contributors
// are in ascending order of address; Mask is cleared.
func (e *Epoch) Updated(from []Heard) Epoch {
	mk := e.mixed(0, 0)
	b := make([]byte, 8, 8+4*maxDevices)
	b[0], b[3] = 0x10, byte(len(from))
	binary.LittleEndian.PutUint16(b[4:], e.Number)
	for _, h := range from {
		b = append(b, h.Address, h.Random[0], h.Random[1], h.Random[2])
	}
	return Epoch{Perm: e.Perm, Dyn: derive(&mk, b), Number: e.Number + 1}
}

// derive returns the two CBC-MACs over b that make a key; byte 1 numbers them.
func derive(key *Key, b []byte) (out Key) {
	var s speck64
	s.expand(key)
	for i := range 2 {
		b[1] = byte(i)
		half := s.mac(b)
		copy(out[8*i:], half[:])
	}
	return out
}

// GroupStart returns Dyn0 of a group (P1.7) from the nonces of its members, in
// ascending order of address.
func GroupStart(perm Key, keyID uint8, members []Heard) Key {
	b := make([]byte, 8, 8+8*maxDevices)
	b[0], b[2], b[3] = 0x12, keyID, byte(len(members))
	for _, m := range members {
		b = append(append(b, m.Address, 0, 0, 0), m.Random[:]...)
	}
	return derive(&perm, b)
}

// PairStart returns Dyn0 of a pairing (P1.7); serial is zero when it is not
// used, keyID 0 when the pairing generates its key.
func PairStart(perm Key, keyID, device uint8, configurator, answer [4]byte, serial [8]byte) Key {
	b := []byte{0x11, 0, keyID, device, 0, 0, 0, 0}
	b = append(append(append(b, configurator[:]...), answer[:]...), serial[:]...)
	return derive(&perm, b)
}

// Proof returns what CONFIRM carries: the sender, 0 for the configurator or
// the device's address, holds both keys.
func Proof(perm, dyn0 Key, device, sender uint8) [4]byte {
	e := Epoch{Perm: perm, Dyn: dyn0}
	mk := e.mixed(0, 0)
	var s speck64
	s.expand(&mk)
	m := s.mac([]byte{0x13, 0, device, sender, 0, 0, 0, 0})
	return [4]byte(m[:])
}

// ExtraMask returns the mask of additional inputs (P1.4), at most 255 bytes;
// zero for none.
func ExtraMask(perm Key, extra []byte) Key {
	if len(extra) == 0 {
		return Key{}
	}
	b := append([]byte{0x14, 0, 0, byte(len(extra)), 0, 0, 0, 0}, extra...)
	return derive(&perm, b)
}

// HeartbeatExtra appends the additional input "heartbeats": what the
// contributors to an update sent, in ascending order of address.
func HeartbeatExtra(dst []byte, from []Heard) []byte {
	for _, h := range from {
		dst = append(dst, h.Address, byte(h.Status), h.Random[0], h.Random[1], h.Random[2])
	}
	return dst
}

// StartTag returns the tag by which an observer knows a start key again (5.3).
func StartTag(perm Key, keyID uint8, dyn0 Key) [8]byte {
	h := hmac.New(sha256.New, perm[:])
	h.Write([]byte{0x15, keyID})
	h.Write(dyn0[:])
	return [8]byte(h.Sum(nil))
}

// ascending sorts by address.
func ascending(h []Heard) []Heard {
	slices.SortFunc(h, func(a, b Heard) int { return cmp.Compare(a.Address, b.Address) })
	return h
}
