package dbc

import (
	"fmt"
	"slices"
)

// File is what a DBC file says. Names are the long ones of the attributes
// System...LongSymbol where the file has them. All text is UTF-8.
type File struct {
	Name       string // as given to Parse
	SHA256     string // of the bytes of the file, in hex: as sha256sum prints it
	Encoding   Encoding
	Version    string
	Comment    string
	Nodes      []Node
	Messages   []*Message // in the order of the file
	Tables     []ValueTable
	Attributes Attributes // of the network
}

// Node is a control unit.
type Node struct {
	Name, Comment string
	Attributes    Attributes
}

// ValueTable is a VAL_TABLE_: descriptions that no signal need use.
type ValueTable struct {
	Name    string
	Choices []Choice
}

// Choice describes one raw value of a signal.
type Choice struct {
	Value int64
	Text  string
}

// Message is a frame, or a longer message that a transport protocol carries.
type Message struct {
	Name       string
	ShortName  string // as BO_ spells it
	ID         uint32 // 11 or 29 bits
	Extended   bool
	FD         bool // VFrameFormat says CAN FD
	J1939      bool // marked as a J1939 parameter group: VFrameFormat or ProtocolType
	Length     int  // bytes; more than 64 only with a transport protocol
	CycleTime  int  // ms; 0: none
	Senders    []string
	Comment    string
	Signals    []Signal // in the order of the file
	Attributes Attributes
	Line       int
}

// Kind is how the bits of a signal are a number.
type Kind uint8

const (
	Unsigned Kind = iota
	Signed        // two's complement
	Float32       // IEEE 754, 32 bits
	Float64       // IEEE 754, 64 bits
)

// Signal is a number within a message. The physical value is raw*Scale+Offset.
//
// Start is the number of a bit as DBC counts them: bit 0 is the least
// significant one of byte 0, bit 8 that of byte 1. It is the least significant
// bit of an Intel signal, the most significant one of a Motorola signal.
type Signal struct {
	Name        string
	ShortName   string // as SG_ spells it
	Start       int
	Length      int // bits, 1-64
	Motorola    bool
	Kind        Kind
	Scale       float64
	Offset      float64
	Min, Max    float64 // physical; both 0: not stated
	Unit        string
	Comment     string
	Receivers   []string
	Choices     []Choice // sorted by value, each value once
	Multiplexer bool
	Mux         *Mux   // nil: always present
	SPN         uint32 // J1939 suspect parameter number; 0: none
	Attributes  Attributes
	Line        int
}

// Mux says when a multiplexed signal is present: the multiplexer is present
// itself, and its raw value lies in one of the ranges.
type Mux struct {
	Signal int // index of the multiplexer in Message.Signals
	Ranges []Range
}

// Range holds both of its ends.
type Range struct{ First, Last uint64 }

// Holds reports whether the raw value v of a multiplexer selects the signal.
func (m *Mux) Holds(v uint64) bool {
	return slices.ContainsFunc(m.Ranges, func(r Range) bool { return r.First <= v && v <= r.Last })
}

// Text returns the description of a raw value.
func (s *Signal) Text(raw int64) (string, bool) {
	i, ok := slices.BinarySearchFunc(s.Choices, raw, func(c Choice, v int64) int {
		switch {
		case c.Value < v:
			return -1
		case c.Value > v:
			return 1
		}
		return 0
	})
	if !ok {
		return "", false
	}
	return s.Choices[i].Text, true
}

// Attributes are the values that a file gives to one object, by name, texts of
// enumerations instead of their numbers. Defaults are not filled in.
type Attributes map[string]string

// Warning is one item of a file that was left out or taken with a grain of salt.
type Warning struct {
	Line int // from 1
	Text string
}

func (w Warning) String() string { return fmt.Sprintf("line %d: %s", w.Line, w.Text) }
