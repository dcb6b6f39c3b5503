package mdf

import (
	"encoding/binary"
	"math/bits"

	"canseal/can"
)

// Frame records are put and taken by hand, because there are many of them.
// The shifts are those of the layout; a test holds both ways against it.

// putFrame puts a frame record with its id at the front of b, which is long
// enough for the largest, and returns its id and how many bytes it takes.
func putFrame(b []byte, time uint64, e *can.Event, encrypted bool) (uint8, int) {
	b = b[:1+dataAt+can.MaxData]
	binary.LittleEndian.PutUint64(b[1:], time)
	f := &e.Frame
	switch {
	case f.Flags&can.Error != 0:
		return putError(b, e)
	case f.Flags&can.Remote != 0:
		return putRemote(b, e)
	}
	word := headWord(e) | uint64(f.Flags/can.FD&7)<<edlShift | uint64(f.Len)<<lengthShift
	if encrypted {
		word |= 1 << encryptedShift
	}
	binary.LittleEndian.PutUint64(b[1+headAt:], word)
	if f.Len <= 8 {
		data := binary.LittleEndian.Uint64(f.Data[:]) & (1<<(8*f.Len) - 1)
		binary.LittleEndian.PutUint64(b[1+dataAt:], data)
		b[0] = ridData8
		return ridData8, 1 + dataAt + 8
	}
	return putLong(b, f)
}

// headWord returns what the heads of all frame records share.
func headWord(e *can.Event) uint64 {
	f, dir := &e.Frame, uint64(e.Dir)
	return uint64(f.ID&idMask)<<idShift |
		uint64(f.Flags&can.Extended)<<ideShift |
		uint64(e.Bus)<<busShift |
		uint64(f.DLC&15)<<dlcShift |
		(dir|dir>>1)&1<<dirShift | // Tx and OtherTx
		dir>>1&1<<otherTxShift | // OtherTx
		uint64(e.Verdict)<<verdictShift
}

// putLong adds the data of a frame with more than 8 bytes.
func putLong(b []byte, f *can.Frame) (uint8, int) {
	class := bits.Len8((f.Len - 1) >> 3) // 1-3: up to 16, 32, 64 bytes
	data := b[1+dataAt:][:8<<class]
	clear(data[copy(data, f.Payload()):])
	b[0] = ridData8 + uint8(class)
	return b[0], 1 + dataAt + len(data)
}

func putRemote(b []byte, e *can.Event) (uint8, int) {
	word := headWord(e) | uint64(min(e.Frame.DLC&15, 8))<<lengthShift
	binary.LittleEndian.PutUint64(b[1+headAt:], word)
	b[0] = ridRemote
	return ridRemote, 1 + 16
}

// Bits of the kernel's error messages (linux/can/error.h).
const (
	classProtocol    = 0x08
	classAcknowledge = 0x20

	typeByte, locationByte = 2, 3

	typeBits     = 0x19 // single bit, dominant, recessive
	typeForm     = 0x02
	typeStuffing = 0x04
	typeTx       = 0x80
	locationCRC  = 0x08
)

func putError(b []byte, e *can.Event) (uint8, int) {
	f := &e.Frame
	word := uint64(f.ID&idMask) | uint64(e.Bus)<<busShift | errorType(f)<<dlcShift
	if f.Data[typeByte]&typeTx != 0 {
		word |= 1 << dirShift
	}
	binary.LittleEndian.PutUint64(b[1+classAt:], word)
	copy(b[1+dataAt:], f.Data[:8])
	b[0] = ridError
	return ridError, 1 + dataAt + 8
}

// errorType returns the index in ErrorTypes of the first type that fits.
func errorType(f *can.Frame) uint64 {
	kind := f.Data[typeByte]
	switch {
	case f.ID&classAcknowledge != 0:
		return 5
	case f.ID&classProtocol == 0:
		return 0
	case f.Data[locationByte] == locationCRC:
		return 4
	case kind&typeBits != 0:
		return 1
	case kind&typeForm != 0:
		return 2
	case kind&typeStuffing != 0:
		return 3
	}
	return 0
}

// takeFrame reads a frame record, given with its id; what is wrong with it
// comes as a *CorruptError for a record at address at.
func takeFrame(f *Frame, rec []byte, start, at int64) error {
	*f = Frame{}
	t, ok := absolute(binary.LittleEndian.Uint64(rec[1:]), start)
	if !ok {
		return corrupt(at+1, "a time in ns", "bytes %x", rec[1:9])
	}
	word := binary.LittleEndian.Uint64(rec[1+headAt:])
	f.Time, f.Bus = t, uint8(word>>busShift)
	if rec[0] == ridError {
		takeError(&f.Frame, word, rec)
		return nil
	}
	takeHead(f, word)
	if rec[0] == ridRemote {
		f.Frame.Flags |= can.Remote
		return nil
	}
	n := int(word >> lengthShift & 0x7F)
	if data := rec[1+dataAt:]; n > min(len(data), can.MaxData) {
		return corrupt(at+1+14, "at most 64 data bytes and no more than the record has", "%d", n)
	}
	f.Frame.Len = uint8(n)
	f.Frame.Flags |= can.Flags(word>>edlShift&7) * can.FD
	f.Encrypted = word>>encryptedShift&1 != 0
	copy(f.Frame.Data[:n], rec[1+dataAt:])
	return nil
}

// takeHead reads what the heads of frame records share.
func takeHead(f *Frame, word uint64) {
	f.Frame.ID = uint32(word) & idMask
	f.Frame.Flags = can.Flags(word>>ideShift) & can.Extended
	f.Frame.DLC = uint8(word>>dlcShift) & 15
	f.Verdict = can.Verdict(word >> verdictShift)
	if word>>dirShift&1 != 0 {
		f.Dir = can.Tx + can.Direction(word>>otherTxShift&1)
	}
}

func takeError(f *can.Frame, word uint64, rec []byte) {
	f.ID, f.Flags, f.DLC, f.Len = uint32(word)&idMask, can.Error, 8, 8
	copy(f.Data[:8], rec[1+dataAt:])
}
