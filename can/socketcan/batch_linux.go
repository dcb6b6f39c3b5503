package socketcan

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many messages one system call brings; beyond 16 nothing
// more is gained.
const batchSize = 64

// controlSize holds the stamps (64 bytes at most) and the drop counter (24).
const controlSize = 128

// batch is the memory of one recvmmsg call. It must not be copied: the
// headers point into it.
type batch struct {
	heads [batchSize]unix.Mmsghdr
	parts [batchSize]unix.Iovec
	data  [batchSize][fdSize]byte
	notes [batchSize][controlSize]byte
}

func newBatch() *batch {
	b := new(batch)
	for i := range b.heads {
		b.parts[i].Base = &b.data[i][0]
		b.parts[i].SetLen(fdSize)
		b.heads[i].Hdr.Iov = &b.parts[i]
		b.heads[i].Hdr.SetIovlen(1)
		b.heads[i].Hdr.Control = &b.notes[i][0]
	}
	return b
}

// receive takes what is queued, without waiting, and returns how many
// messages came. x/sys has no wrapper for this call.
func (b *batch) receive(fd int) (int, error) {
	for i := range b.heads {
		b.heads[i].Hdr.SetControllen(controlSize)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.heads[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// message returns the bytes of message i; a longer message is cut, and then
// MSG_TRUNC is set in its flags.
func (b *batch) message(i int) []byte { return b.data[i][:min(b.heads[i].Len, fdSize)] }

// flags returns the MSG_ flags of message i.
func (b *batch) flags(i int) int { return int(b.heads[i].Hdr.Flags) }

// control returns the control messages of message i.
func (b *batch) control(i int) control {
	return parseControl(b.notes[i][:min(int(b.heads[i].Hdr.Controllen), controlSize)])
}

// control is what the kernel says about one message. Absent parts are zero.
type control struct {
	stamp int64  // ns since 1970 UTC, when the frame arrived
	drops uint32 // frames that the socket has dropped since it was opened; absent while it is 0
}

const (
	wordSize   = int(unsafe.Sizeof(uintptr(0)))
	headerSize = unix.SizeofCmsghdr // length (one word), level, type (32 bits each)
)

// parseControl walks control messages in the machine's byte order and word
// size:
//
//	word length of header and body, i32 level, i32 type, body; padded to words
//
// SO_TIMESTAMPING_NEW has bodies of three pairs of 64 bits (s, ns), the old
// form pairs of words; the first pair is the software stamp. SO_RXQ_OVFL has
// 32 bits. Anything cut or unknown is skipped.
func parseControl(b []byte) (c control) {
	for len(b) >= headerSize {
		length := int(word(b))
		if length < headerSize || length > len(b) {
			return c
		}
		level, kind := int(binary.NativeEndian.Uint32(b[wordSize:])), int(binary.NativeEndian.Uint32(b[wordSize+4:]))
		if level == unix.SOL_SOCKET {
			c.take(kind, b[headerSize:length])
		}
		b = b[min(len(b), (length+wordSize-1)&^(wordSize-1)):]
	}
	return c
}

func (c *control) take(kind int, body []byte) {
	switch {
	case kind == unix.SO_RXQ_OVFL && len(body) >= 4:
		c.drops = binary.NativeEndian.Uint32(body)
	case kind == unix.SO_TIMESTAMPING_NEW && len(body) >= 16:
		c.stamp = int64(binary.NativeEndian.Uint64(body))*1e9 + int64(binary.NativeEndian.Uint64(body[8:]))
	case kind == unix.SO_TIMESTAMPING && len(body) >= 2*wordSize:
		c.stamp = word(body)*1e9 + word(body[wordSize:])
	}
}

// word reads a signed number of the machine's word size.
func word(b []byte) int64 {
	if wordSize == 4 {
		return int64(int32(binary.NativeEndian.Uint32(b)))
	}
	return int64(binary.NativeEndian.Uint64(b))
}
