package socketcan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// request is an rtnetlink message about one link in the machine's byte order:
// struct nlmsghdr, struct ifinfomsg, attributes.
type request []byte

// newRequest begins a message. IFF_ flags outside change stay as they are.
func newRequest(kind uint16, flags, change uint32) request {
	r := make(request, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg)
	e := binary.NativeEndian
	e.PutUint16(r[4:], kind)
	e.PutUint16(r[6:], unix.NLM_F_REQUEST)
	if kind != unix.RTM_GETLINK {
		e.PutUint16(r[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	}
	e.PutUint32(r[unix.SizeofNlMsghdr+8:], flags)
	e.PutUint32(r[unix.SizeofNlMsghdr+12:], change)
	return r
}

// of says which link is meant.
func (r request) of(index int) request {
	binary.NativeEndian.PutUint32(r[unix.SizeofNlMsghdr+4:], uint32(index))
	return r
}

// message is the whole, ready to be sent.
func (r request) message(seq uint32) []byte {
	binary.NativeEndian.PutUint32(r, uint32(len(r)))
	binary.NativeEndian.PutUint32(r[8:], seq)
	return r
}

func (r request) text(kind uint16, s string) request {
	return appendAttribute(r, kind, append([]byte(s), 0))
}

// appendAttribute adds u16 length with header, u16 kind, and the value, padded
// to 4 bytes.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

// appendNumbers adds an attribute of 32-bit numbers.
func appendNumbers(b []byte, kind uint16, numbers ...uint32) []byte {
	value := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		value = binary.NativeEndian.AppendUint32(value, n)
	}
	return appendAttribute(b, kind, value)
}
