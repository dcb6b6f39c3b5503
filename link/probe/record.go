package probe

import "encoding/binary"

// What DTLS 1.2 records show of themselves (RFC 6347, RFC 9146).
const (
	contentChangeCipherSpec = 20
	contentHandshake        = 22
	contentWithID           = 25

	recordHead    = 13
	clientHello   = 1
	handshakeHead = 12
	randomSize    = 32

	// idSize is the length of our connection ids, bytes.
	idSize = 4
)

// record is the head of one.
type record struct {
	content uint8
	epoch   uint16
	id      []byte // connection id, if it has one
	body    []byte
}

// nextRecord takes the first record off a datagram.
func nextRecord(b []byte) (r record, rest []byte, ok bool) {
	head := recordHead
	if len(b) > 0 && b[0] == contentWithID {
		head += idSize
	}
	if len(b) < head {
		return r, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[head-2:]))
	if len(b) < head+n {
		return r, nil, false
	}
	r = record{content: b[0], epoch: binary.BigEndian.Uint16(b[3:]), body: b[head : head+n]}
	if head > recordHead {
		r.id = b[11 : 11+idSize]
	}
	return r, b[head+n:], true
}

// hello returns the random of a ClientHello; false if the record is none, or a
// later fragment of one.
func (r *record) hello() (random [randomSize]byte, ok bool) {
	b := r.body
	if r.content != contentHandshake || r.epoch != 0 || len(b) < handshakeHead+2+randomSize || b[0] != clientHello {
		return random, false
	}
	if b[6] != 0 || b[7] != 0 || b[8] != 0 { // fragment offset
		return random, false
	}
	copy(random[:], b[handshakeHead+2:])
	return random, true
}

// harmless tells whether an established association may see a datagram. The
// library answers some records that nobody has authenticated with a fatal
// alert, which ends the association at the other side: those never reach it.
func harmless(b []byte) bool {
	for len(b) > 0 {
		r, rest, ok := nextRecord(b)
		if !ok {
			return false
		}
		switch {
		case r.epoch > 0:
		case r.content == contentHandshake:
		case r.content == contentChangeCipherSpec && len(r.body) == 1 && r.body[0] == 1:
		default:
			return false
		}
		b = rest
	}
	return true
}
