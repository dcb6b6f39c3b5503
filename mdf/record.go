package mdf

import "canseal/can"

// Record is one record of a file: *Frame, or one of the side records Gap,
// VerdictChange, Clock, State, Security, Sender and Plain by value.
//
// Times are ns since 1970-01-01 UTC. The file holds them as float64 ns since
// its start: exact within 104 days of it, rounded beyond. Identifiers have 29
// bits; a Bus, Sender or count fills its whole integer.
type Record interface {
	appendTo(w *Writer) error
}

// Frame is a frame of any kind as it was recorded.
type Frame struct {
	can.Event      // Kind is KindFrame
	Encrypted bool // some or all data bytes are ciphertext
}

// Gap tells of frames that are known to be missing: they had From <= t <= To.
type Gap struct {
	Time     int64 // when the gap was noticed
	From, To int64 // may lie before the start of the file
	Count    uint64
	Bus      uint8 // 0: all
	Reason   can.Reason
	AtLeast  bool // Count is a lower bound
}

// VerdictChange settles the pending frames of a sender or an identifier with
// From <= t <= To on one bus.
type VerdictChange struct {
	Time     int64
	From, To int64
	ID       uint32 // 0 for ScopeSender
	Extended bool
	Bus      uint8
	Sender   uint8
	Scope    Scope
	Verdict  can.Verdict
}

// Clock is an anchor between the clocks of the machine.
type Clock struct {
	Time         int64  // wall clock plus clock offset
	Boot         int64  // CLOCK_BOOTTIME, ns
	Wall         int64  // CLOCK_REALTIME, ns since 1970-01-01 UTC
	Error        uint32 // estimated error in µs; UnknownError
	Source       ClockSource
	Synchronised bool
	Step         bool // the clock was set just before
	BelowFloor   bool // the wall clock is below what is known to have passed
}

// UnknownError stands in Clock.Error where nobody knows the error.
const UnknownError = 0xFFFFFFFF

// State is a change of state; the kind in the file is State.Kind().
type State struct {
	Time     int64
	Bus      uint8 // 0: none
	State    can.State
	TxErrors uint8
	RxErrors uint8
	ID       uint32 // the frame that caused it
	Extended bool
	Count    uint32 // frames left out since the last record of this kind
}

// Security counts an event of authentication.
type Security struct {
	Time     int64
	Count    uint64 // occurrences since the last record of bus, sender and kind
	ID       uint32
	Extended bool
	Bus      uint8
	Sender   uint8
	Kind     SecurityKind
}

// Sender is a row of the message table: who sends an identifier.
type Sender struct {
	Time          int64
	ID            uint32
	Extended      bool
	Bus           uint8
	Sender        uint8 // 1-254
	Secured       bool
	HeartbeatOnly bool
}

// Plain is the plaintext of an encrypted frame, at the time of that frame.
type Plain struct {
	Time     int64
	ID       uint32
	Extended bool
	Bus      uint8
	Sender   uint8
	Len      uint8 // bytes of Data in use, 0-64
	Data     [can.MaxData]byte
}
