package probe

import (
	"fmt"

	"go.bug.st/serial"
)

// OpenLine opens a serial port, 8N1, and carries datagrams over it.
func OpenLine(o LineOptions) (*Line, error) {
	port, err := serial.Open(o.Name, &serial.Mode{BaudRate: o.Baud, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit})
	if err != nil {
		return nil, fmt.Errorf("open %s at %d baud: %w", o.Name, o.Baud, err)
	}
	return NewLine(port, o), nil
}
