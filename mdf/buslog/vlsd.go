package buslog

import (
	"errors"
	"slices"
)

var (
	errUndeclared = errors.New("a record id that is not declared")
	errNoPayload  = errors.New("a frame without its data bytes")
)

const (
	maxWaiting = 4096 // frames whose payloads may be outstanding
	maxEarly   = 1024 // payloads whose frames may be outstanding
)

// vlsd joins frames and payloads that stand as records of their own in one
// data group. Frames come first as a rule, with the position of the payload in
// the stream of payloads: each takes its bytes and four for their number.
type vlsd struct {
	pos     uint64 // of the next payload
	waiting []waiting
	early   []early
}

type waiting struct {
	record
	pos  uint64
	from int // where data begins in the chunk, unless it is its own
}

type early struct {
	pos  uint64
	data []byte
}

// await finds the payload of a frame; false if it has to wait for it.
func (s *stream) await(r *record) bool {
	g := r.g
	if g.frame.length.there && g.frame.length.of(r.data) == 0 {
		return true
	}
	v := s.vlsd[g]
	if v == nil {
		s.p.report.bad(g.at, errNoPayload)
		return false
	}
	pos := g.frame.payloads.offset.of(r.data)
	for i := range v.early {
		if v.early[i].pos == pos {
			r.join(v.early[i].data)
			v.early = append(v.early[:i], v.early[i+1:]...)
			return true
		}
	}
	if len(v.waiting) == maxWaiting {
		v.waiting = v.waiting[1:]
		s.p.report.bad(g.at, errNoPayload)
	}
	v.waiting = append(v.waiting, waiting{*r, pos, s.pos - g.size})
	return false
}

// join makes a record of its own that has a payload.
func (r *record) join(payload []byte) {
	b := make([]byte, len(r.data)+len(payload))
	copy(b[copy(b, r.data):], payload)
	r.at, r.n = uint16(len(r.data)), uint16(len(payload))
	r.data, r.own = b, true
}

// stored takes a payload; true if it makes the frame that waits for it whole.
func (s *stream) stored(r *record, g *group, rec []byte) bool {
	v, data := s.vlsd[g], rec[4:]
	if v == nil {
		return false
	}
	pos := v.pos
	if s.lost && len(v.waiting) > 0 { // positions are not known: it belongs to the frame before it
		pos = v.waiting[len(v.waiting)-1].pos
		s.lost = false
	}
	v.pos = pos + uint64(len(rec))
	for i := range v.waiting {
		if v.waiting[i].pos != pos {
			continue
		}
		from := v.waiting[i].from
		*r = v.waiting[i].record
		v.waiting = append(v.waiting[:i], v.waiting[i+1:]...)
		if end := s.pos + slack; !r.own && end-from < maxRecord { // as a rule they stand one behind the other
			r.data = s.buf[from:end]
			r.at, r.n = uint16(s.pos-len(data)-from), uint16(len(data))
		} else {
			r.join(data)
		}
		return true
	}
	if len(v.early) == maxEarly {
		v.early = v.early[1:]
	}
	v.early = append(v.early, early{pos, slices.Clone(data)})
	return false
}

// keep makes the frames that wait independent of their chunk.
func (v *vlsd) keep() {
	for i := range v.waiting {
		v.waiting[i].keep()
	}
}

// abandon gives up on frames that wait.
func (v *vlsd) abandon(report *Report) {
	for range v.waiting {
		report.bad(0, errNoPayload)
	}
	v.waiting = nil
}
