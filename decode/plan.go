package decode

import (
	"canseal/can"
	"canseal/decode/dbc"
)

// Order says which message decodes a frame that several fit.
type Order uint8

const (
	ExactFirst Order = iota // the same identifier, then the same J1939 parameter group
	GroupFirst              // the other way round
)

// Rule assigns a DBC file.
type Rule struct {
	Device string // pattern of device identities, as path.Match reads it; "": all
	Bus    uint8  // 0: all
	File   *dbc.File
}

// PlanOptions are the choices of a Plan.
type PlanOptions struct {
	Order Order
	Keep  func(*dbc.Message) bool // which messages are wanted; nil: all
}

// Plan knows the message of each identifier of one device. It is safe for
// concurrent use; its messages never change.
type Plan struct{}

// NewPlan collects what the rules assign to a device. Of several files that
// fit a frame the first rule wins.
func NewPlan(device string, rules []Rule, o PlanOptions) (*Plan, error) { return nil, nil }

// Message returns the message that decodes frames of this identifier on a
// bus, nil if there is none. Flags tell Extended.
func (p *Plan) Message(bus uint8, id uint32, flags can.Flags) *Message { return nil }

// Message is a message of a DBC file made ready for decoding.
type Message struct {
	*dbc.Message
	File *dbc.File
}

// Value is one signal of one payload.
type Value struct {
	State State   // else than Present: Raw and Phys are 0
	Raw   int64   // before scaling; an unsigned signal of 64 bits: its bits; a float signal: its IEEE 754 bits
	Phys  float64 // after scaling
}

// Decode decodes one payload; dst gets one Value for each of m.Signals.
func (m *Message) Decode(dst []Value, data []byte, hidden uint64) []Value { return nil }
