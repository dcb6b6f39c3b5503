//go:build !linux

package socketcan

import "canseal/can"

// Capture records interfaces; here it cannot be made.
type Capture struct{}

// Open returns ErrUnsupported.
func Open(Options) (*Capture, error) { return nil, ErrUnsupported }

// Read returns ErrUnsupported.
func (*Capture) Read([]can.Event) (int, error) { return 0, ErrUnsupported }

// Close does nothing.
func (*Capture) Close() error { return nil }

// Status returns nothing.
func (*Capture) Status() []InterfaceStatus { return nil }

// Sent does nothing.
func (*Capture) Sent(uint8, can.Frame) {}

// Port sends frames; here it cannot be made.
type Port struct{}

// OpenPort returns ErrUnsupported.
func OpenPort(PortOptions) (*Port, error) { return nil, ErrUnsupported }

// Send returns ErrUnsupported.
func (*Port) Send(can.Frame) error { return ErrUnsupported }

func (*Port) send(can.Frame, bool) error { return ErrUnsupported }

// Run returns ErrUnsupported.
func (*Port) Run(func(can.Frame)) error { return ErrUnsupported }

// Close does nothing.
func (*Port) Close() error { return nil }

// Participant takes part in a bus; here it cannot be made.
type Participant struct{ Port }

// OpenParticipant returns ErrUnsupported.
func OpenParticipant(PortOptions) (*Participant, error) { return nil, ErrUnsupported }

// Idle returns true.
func (*Participant) Idle() bool { return true }

// Run returns ErrUnsupported.
func (*Participant) Run(func(can.Event)) error { return ErrUnsupported }
