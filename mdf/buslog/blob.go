package buslog

import "encoding/binary"

// history is how many bytes of payloads may be asked for again.
const history = 16 << 10

// blob is the payloads of a group in an SD block, read forward: each is four
// bytes for its length, and itself.
type blob struct {
	p    *pass
	flow flow
	buf  []byte
	n    int
	base int64 // position of buf[0]
	over bool
}

// at returns the payload at a position; false if it cannot be had.
func (b *blob) at(pos uint64) ([]byte, bool) {
	if !b.have(pos, 4) {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b.buf[int64(pos)-b.base:])
	if n > maxPayload || !b.have(pos, 4+int64(n)) {
		return nil, false
	}
	return b.buf[int64(pos)-b.base+4:][:n], true
}

// have reads on until n bytes at a position are there.
func (b *blob) have(pos uint64, n int64) bool {
	for pos <= timeLimit && int64(pos) >= b.base {
		if int64(pos)+n <= b.base+int64(b.n) {
			return true
		}
		if b.over {
			return false
		}
		b.more(int64(pos))
	}
	return false
}

// more reads on, keeping some history before what is asked for next.
func (b *blob) more(pos int64) {
	if b.n > len(b.buf)-slack-maxPayload {
		keep := min(b.n, history)
		if behind := b.base + int64(b.n) - pos; behind > int64(keep) { // the payload asked for stays
			keep = int(behind)
		}
		chunk := b.p.chunk()
		copy(chunk, b.buf[b.n-keep:b.n])
		b.base += int64(b.n - keep)
		b.p.retire(b.buf)
		b.buf, b.n = chunk, keep
	}
	k, err := b.flow.Read(b.buf[b.n : len(b.buf)-slack])
	b.n += k
	switch {
	case err == errBroken:
		b.base, b.n = b.flow.pos, 0
	case err != nil:
		b.over = true
	}
}

// lookup finds the payload of a frame; false if there is none.
func (s *stream) lookup(r *record) bool {
	if r.g.frame.length.there && r.g.frame.length.of(r.data) == 0 {
		return true
	}
	payload, ok := s.blob.at(r.g.frame.payloads.offset.of(r.data))
	if !ok {
		s.p.report.bad(s.flow.at, errNoPayload)
		return false
	}
	s.join(r, payload)
	return true
}

// join copies record and payload behind each other.
func (s *stream) join(r *record, payload []byte) {
	n := len(r.data) + len(payload)
	if n > len(s.joined) {
		s.p.retire(s.whole)
		s.whole = s.p.chunk()
		s.joined = s.whole
	}
	b := s.joined[:n:n]
	s.joined = s.joined[n:]
	copy(b[copy(b, r.data):], payload)
	r.at, r.n = uint16(len(r.data)), uint16(len(payload))
	r.data = b
}
