package can

import "encoding/binary"

// AppendCandump appends a frame event as a line of a candump log, without a
// line end, and returns the longer slice. Time is cut to microseconds. The
// frame must be Valid and Time not negative, for candump text has no years
// before 1970; iface must not be empty nor hold white space or control
// characters. Then ParseCandump reads the same event back, but for Bus and
// Verdict, which the text cannot hold, and OtherTx, which comes back as Tx.
func AppendCandump(dst []byte, e *Event, iface string) []byte {
	dst = appendTime(dst, e.Time)
	dst = append(dst, iface...)
	dst = append(dst, ' ')
	dst = appendFrame(dst, &e.Frame)
	if e.Dir != Rx {
		dst = append(dst, " T"...)
	}
	return dst
}

// appendTime prints "(1735270496.916858) ": always ten digits of seconds.
func appendTime(dst []byte, ns int64) []byte {
	if ns < 0 {
		dst, ns = append(dst, "(-"...), -ns // nobody reads it back, nobody takes it for another time
	} else {
		dst = append(dst, '(')
	}
	micros := uint64(ns) / 1000
	seconds := micros / 1e6
	at := len(dst)
	dst = append(dst, "0000000000.000000) "...)
	b := dst[at : at+19 : at+19]
	b[0], b[1] = '0'+byte(seconds/1e9), '0'+byte(seconds/1e8%10)
	binary.LittleEndian.PutUint64(b[9:], decimal(uint32(micros%1e6)))
	binary.LittleEndian.PutUint64(b[2:], decimal(uint32(seconds%1e8)))
	b[10], b[17], b[18] = '.', ')', ' '
	return dst
}

func appendFrame(dst []byte, f *Frame) []byte {
	dst = appendID(dst, f)
	switch {
	case f.Is(Remote):
		dst = append(dst, 'R')
		if f.DLC > 0 {
			dst = append(dst, '0'+min(f.DLC, 8))
		}
	case f.Is(FD):
		dst = append(dst, '#', '0'+flagDigit(f.Flags))
	}
	dst = appendData(dst, f)
	if f.DLC > 8 && !f.Is(FD) {
		dst = append(dst, '_', "9ABCDEF"[(f.DLC-9)%7])
	}
	return dst
}

// errorFlag is CAN_ERR_FLAG of linux/can.h.
const errorFlag = 0x20000000

func appendID(dst []byte, f *Frame) []byte {
	switch {
	case f.Is(Error):
		dst = binary.BigEndian.AppendUint64(dst, hex(f.ID|errorFlag))
	case f.Is(Extended):
		dst = binary.BigEndian.AppendUint64(dst, hex(f.ID))
	default:
		dst = binary.BigEndian.AppendUint32(dst, uint32(hex(f.ID))<<8)
		dst = dst[:len(dst)-1]
	}
	return append(dst, '#')
}

func appendData(dst []byte, f *Frame) []byte {
	end := len(dst) + 2*int(f.Len)
	for i := 0; i < int(f.Len); i += 4 {
		dst = binary.BigEndian.AppendUint64(dst, hex(binary.BigEndian.Uint32(f.Data[i:])))
	}
	return dst[:end]
}

// The bits of canfd_frame.flags (linux/can.h), the digit behind ##.
const (
	digitBRS = 1
	digitESI = 2
	digitFDF = 4 // set by kernels since 5.14; older logs lack it
)

func flagDigit(f Flags) byte {
	digit := byte(digitFDF)
	if f&BRS != 0 {
		digit |= digitBRS
	}
	if f&ESI != 0 {
		digit |= digitESI
	}
	return digit
}
