package decode

import (
	"canseal/can"
)

// Frame is what is decoded: a data frame, or a message that a transport
// protocol carried in several.
type Frame struct {
	Time    int64  // ns since 1970 UTC
	ID      uint32 // 11 or 29 bits
	Bus     uint8  // from 1
	Flags   can.Flags
	Verdict can.Verdict
	Mark    uint8  // the caller's own, handed on with the row: how good the time is, say
	Hidden  uint64 // bit n: byte n is ciphertext; bit 63: byte 63 and all behind it
	Data    []byte // borrowed
}

// State says whether a signal is in a payload, and if not, why.
type State uint8

const (
	Present    State = iota
	Short            // the payload ends before the signal does
	Unselected       // the multiplexer has another value, or is not there
	Encrypted        // some of its bits are ciphertext
)

// States lists the texts of the codes in order.
var States = []string{"present", "payload too short", "not selected", "encrypted"}

func (s State) String() string { return States[s] }

// Fate is what became of a frame.
type Fate uint8

const (
	Unknown  Fate = iota // no DBC has it
	Decoded              // it is a row of a batch
	Part                 // it belongs to a transport protocol
	NoSignal             // a remote frame or an error message: nothing to decode
)
