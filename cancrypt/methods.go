package cancrypt

// Methods is the methods word (P1.14). Both sides of a context must have the
// same one.
type Methods uint16

// PadCipher makes the blocks of the one-time pad (P1.4).
type PadCipher uint8

const (
	PadSpeck  PadCipher = 0 // Speck64/128
	PadAES128 PadCipher = 2
	PadAES256 PadCipher = 3
)

// Signature is a signature method (P1.5).
type Signature uint8

const (
	CRCXor   Signature = iota // 0: forgeable without a key, see weakness 1 in the package manual
	SpeckMAC                  // 1: the default
	AESCMAC                   // 2
)

// Pad returns bits 4..2.
func (m Methods) Pad() PadCipher { return PadCipher(m >> 2 & 7) }

// Signature returns bits 7..5, the method of secured control messages and FD.
func (m Methods) Signature() Signature { return Signature(m >> 5 & 7) }

// Direct reports whether bit cycles send their claims at once (bits 13..12).
func (m Methods) Direct() bool { return m>>12&3 == 1 }

// Serial reports whether the serial number goes into start keys of pairings.
func (m Methods) Serial() bool { return m&(1<<14) != 0 }

// Extra reports whether additional inputs go into the pad.
func (m Methods) Extra() bool { return m&(1<<15) != 0 }

// NewMethods packs a pad cipher and a signature method; the data field says
// "XOR pad", the period 1 s.
func NewMethods(p PadCipher, s Signature) Methods {
	return Methods(p)<<2 | Methods(s)<<5 | 1<<8 | 1<<10
}

// Check refuses what P1 reserves: keys above 128 bit, XTEA-64, and numbers
// without meaning.
func (m Methods) Check() error {
	switch {
	case m&3 != 0:
		return wrong("methods word", "128-bit keys (0)", m&3)
	case m.Pad() > PadAES256 || m.Pad() == 1:
		return wrong("methods word", "pad cipher 0, 2 or 3", m.Pad())
	case m.Signature() > AESCMAC:
		return wrong("methods word", "signature 0, 1 or 2", m.Signature())
	case m>>8&3 == 3:
		return wrong("methods word", "data 0, 1 or 2", 3)
	case m>>12&3 > 1:
		return wrong("methods word", "bit method 0 or 1", m>>12&3)
	}
	return nil
}
