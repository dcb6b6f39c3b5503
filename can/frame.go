package can

// lengths maps a DLC to the bytes of an FD frame.
var lengths = [16]uint8{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64}

// Length returns the number of data bytes that a DLC stands for, 0-64. Codes
// 9-15 of a classic frame stand for 8 (ISO 11898-1, 8.4.2.4).
func Length(dlc uint8, fd bool) int {
	n := int(lengths[dlc&15])
	if !fd && n > 8 {
		return 8
	}
	return n
}

// DLC returns the smallest code whose length is at least n bytes, n 0-64.
func DLC(n int) uint8 {
	for code, l := range lengths {
		if int(l) >= n {
			return uint8(code)
		}
	}
	return 15
}

// Is reports whether all of the given flags are set.
func (f *Frame) Is(flags Flags) bool { return f.Flags&flags == flags }

// Payload returns the bytes in use; the slice shares the frame's memory.
func (f *Frame) Payload() []byte { return f.Data[:f.Len] }

// Valid reports whether the fields agree with each other as Frame demands, so
// that the frame could be on a bus, or be an error message of the kernel. An
// error message has 0-8 bytes and a DLC to match, though kernels always send 8.
func (f *Frame) Valid() bool {
	if f.DLC > 15 || f.Len > MaxData {
		return false
	}
	length, idBits := Length(f.DLC, f.Is(FD)), 11
	switch f.Flags &^ Extended {
	case Remote:
		length = 0
	case Error:
		idBits = 29
		if f.Is(Extended) || f.DLC > 8 {
			return false
		}
	case 0, FD, FD | BRS, FD | ESI, FD | BRS | ESI:
	default:
		return false
	}
	if f.Is(Extended) {
		idBits = 29
	}
	unused := [MaxData]byte{}
	return f.ID>>idBits == 0 && int(f.Len) == length && string(f.Data[f.Len:]) == string(unused[f.Len:])
}
