package cancrypt

import (
	"errors"
	"fmt"

	"canseal/can"
)

// Word is a CAN ID word, little-endian on the wire (P1.3): bits 28..0 the
// identifier, bit 31 a 29-bit frame, bit 30 that the message's table record
// has encrypted bytes. Bit 29 is zero.
type Word uint32

const (
	Extended  Word = 1 << 31
	Encrypted Word = 1 << 30

	wordReserved Word = 1 << 29
	wordID       Word = 1<<29 - 1
)

// WordOf returns the identity of a frame: its identifier and its format.
func WordOf(f *can.Frame) Word {
	w := Word(f.ID)
	if f.Is(can.Extended) {
		w |= Extended
	}
	return w
}

// frameOf returns a classic data frame of at most 8 bytes.
func frameOf(w Word, data []byte) can.Frame {
	f := can.Frame{ID: w.ID(), DLC: uint8(len(data)), Len: uint8(len(data))}
	if w&Extended != 0 {
		f.Flags = can.Extended
	}
	copy(f.Data[:], data)
	return f
}

// ID returns the identifier, 11 or 29 bits.
func (w Word) ID() uint32 { return uint32(w & wordID) }

// Identity returns the word without bit 30: what names a frame on the bus, what
// the table holds and what is signed.
func (w Word) Identity() Word { return w &^ Encrypted }

// Valid reports whether a frame can bear the word's identifier.
func (w Word) Valid() bool {
	return w&wordReserved == 0 && (w&Extended != 0 || w.ID() <= 0x7FF)
}

func (w Word) String() string {
	if w&Extended != 0 {
		return fmt.Sprintf("%08X", w.ID())
	}
	return fmt.Sprintf("%03X", w.ID())
}

// ErrFormat is what every parser of this package returns, wrapped, for bytes
// that are not what it reads.
var ErrFormat = errors.New("not the CANcrypt format")

func wrong(object, want string, got any) error {
	return fmt.Errorf("%s: %w: want %s, got %v", object, ErrFormat, want, got)
}
