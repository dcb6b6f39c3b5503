package socketcan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// Sizes of the kernel's messages in bytes (linux/can.h): struct can_frame and
// struct canfd_frame. They tell the two apart.
const (
	classicSize = 16
	fdSize      = 72
)

// Flags of struct canfd_frame (linux/can.h).
const (
	wireBRS = 1
	wireESI = 2
	wireFDF = 4
)

// decode reads a kernel message of 16 or 72 bytes in the machine's byte order:
//
//	0  u32 identifier; bit 31 extended, 30 remote, 29 error message
//	4  u8  length        5 u8 FD flags     7 u8 DLC 9-15 of a classic frame
//	8  data, 8 or 64 bytes
//
// It reports false for anything else, such as CAN XL. f is overwritten. An
// error message always has 8 bytes. An FD length between two codes, which only
// a virtual link carries, is filled up with zeros as a controller would.
func decode(b []byte, f *can.Frame) bool {
	size := len(b)
	if size != classicSize && size != fdSize || int(b[4]) > size-8 {
		return false
	}
	id := binary.NativeEndian.Uint32(b)
	if size == fdSize && id&unix.CAN_ERR_FLAG != 0 {
		return false
	}
	*f = can.Frame{ID: id & unix.CAN_SFF_MASK, Len: b[4], DLC: b[4]}
	if id&unix.CAN_EFF_FLAG != 0 {
		f.ID, f.Flags = id&unix.CAN_EFF_MASK, can.Extended
	}
	switch {
	case size == fdSize:
		decodeFD(b, f)
	case id&unix.CAN_ERR_FLAG != 0:
		*f = can.Frame{ID: id & unix.CAN_ERR_MASK, Flags: can.Error, DLC: 8, Len: 8}
	case id&unix.CAN_RTR_FLAG != 0:
		f.Flags |= can.Remote
		f.Len = 0
	}
	if size == classicSize && f.Flags&can.Error == 0 && b[4] == 8 && b[7] > 8 && b[7] <= 15 {
		f.DLC = b[7]
	}
	if f.Flags&can.Remote == 0 {
		copy(f.Data[:], b[8:8+b[4]])
	}
	return true
}

func decodeFD(b []byte, f *can.Frame) {
	f.Flags |= can.FD
	f.DLC = can.DLC(int(b[4]))
	f.Len = uint8(can.Length(f.DLC, true))
	if b[5]&wireBRS != 0 {
		f.Flags |= can.BRS
	}
	if b[5]&wireESI != 0 {
		f.Flags |= can.ESI
	}
}

// encode is the inverse of decode. It returns the size, or 0 for a frame that
// is not valid. Error messages are encoded too: tests inject them.
func encode(f *can.Frame, b *[fdSize]byte) int {
	if !f.Valid() {
		return 0
	}
	id := f.ID
	if f.Is(can.Extended) {
		id |= unix.CAN_EFF_FLAG
	}
	if f.Is(can.Error) {
		id |= unix.CAN_ERR_FLAG
	}
	if f.Is(can.Remote) {
		id |= unix.CAN_RTR_FLAG
	}
	*b = [fdSize]byte{4: byte(can.Length(f.DLC, f.Is(can.FD)))}
	binary.NativeEndian.PutUint32(b[:], id)
	copy(b[8:], f.Payload())
	if f.Is(can.FD) {
		b[5] = fdFlags(f.Flags)
		return fdSize
	}
	if f.DLC > 8 {
		b[7] = f.DLC
	}
	return classicSize
}

func fdFlags(f can.Flags) byte {
	b := byte(wireFDF)
	if f&can.BRS != 0 {
		b |= wireBRS
	}
	if f&can.ESI != 0 {
		b |= wireESI
	}
	return b
}
