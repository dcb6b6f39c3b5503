package j1939

// Addresses with a meaning of their own.
const (
	Null   = 0xfe // no address yet; in DBC files: any address
	Global = 0xff // destination: everybody
)

// PGN returns the parameter group number of a 29-bit identifier, 18 bits:
// extended data page, data page, PDU format and, with PDU2 (format 240 and
// above), the group extension. With PDU1 the low byte is 0, as the identifier
// has the destination there (SAE J1939-21, 5.2).
func PGN(id uint32) uint32 {
	pgn := id >> 8 & 0x3ffff
	if pgn>>8&0xff < 240 {
		pgn &^= 0xff
	}
	return pgn
}

// Source returns the address of the sender.
func Source(id uint32) uint8 { return uint8(id) }

// Destination returns the address that a frame is meant for, Global with PDU2.
func Destination(id uint32) uint8 {
	if id>>16&0xff < 240 {
		return uint8(id >> 8)
	}
	return Global
}

// ID makes the identifier of a group; the destination counts with PDU1 only.
func ID(priority uint8, pgn uint32, source, destination uint8) uint32 {
	if pgn>>8&0xff < 240 {
		pgn = pgn&^0xff | uint32(destination)
	}
	return uint32(priority&7)<<26 | pgn&0x3ffff<<8 | uint32(source)
}

// Available reports whether the raw value of an unsigned parameter is a
// measurement: what lies above FA, FAFF, FAFFFF... says "error" or "not
// available". Parameters below 4 bits have no such rule of their own and count
// as 4 bits wide (SAE J1939-71, 5.1).
func Available(raw uint64, bits int) bool {
	switch {
	case bits < 4:
		return true
	case bits < 8:
		return raw <= 1<<bits-1-5
	}
	return raw <= 0xfa<<(bits-8)|1<<(bits-8)-1
}
