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
// Positions rise, so that a frame that waits for one which has gone by waits in
// vain.
type vlsd struct {
	pos     uint64  // of the next payload
	waiting waiters // a heap, the lowest position first
	newest  uint64  // position of the last frame that began to wait
	want    int     // bytes of its payload; less than 0: it does not say
	fresh   bool    // that one waits still
	lost    bool    // positions are not known, until a frame and its payload meet
	chunk   bool    // some that wait may stand in the present chunk

	early map[uint64][]byte // payloads without a frame, by position
	order []uint64          // positions of the last maxEarly of them
}

type waiting struct {
	record
	pos  uint64
	from int // where data begins in the chunk, unless it is its own
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
	if data, ok := v.early[pos]; ok {
		r.join(data)
		delete(v.early, pos)
		return true
	}
	if len(v.waiting) == maxWaiting {
		v.waiting.pop()
		s.p.report.bad(g.at, errNoPayload)
	}
	v.waiting.push(waiting{*r, pos, s.pos - g.size})
	v.newest, v.want, v.fresh, v.chunk = pos, -1, true, true
	if g.frame.length.there {
		v.want = int(g.frame.length.of(r.data))
	}
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
	if v.lost {
		if !v.fresh || v.want >= 0 && v.want != len(data) {
			return false // nobody knows whose it is
		}
		pos, v.lost = v.newest, false // it belongs to the frame before it
	}
	v.pos = pos + uint64(len(rec))
	if !v.reach(pos, s.p.report) {
		v.hold(pos, data)
		return false
	}
	w := v.waiting.pop()
	v.fresh = v.fresh && w.pos != v.newest
	*r = w.record
	if end := s.pos + slack; !r.own && end-w.from < maxRecord { // as a rule they stand one behind the other
		r.data = s.buf[w.from:end]
		r.at, r.n = uint16(s.pos-len(data)-w.from), uint16(len(data))
	} else {
		r.join(data)
	}
	return true
}

// lose notes that records are missing here: the payloads of frames before are
// among them, or cannot be told from those of frames that are missing.
func (s *stream) lose() {
	for _, v := range s.vlsd {
		v.lost, v.fresh = true, false
	}
}

// reach gives up on frames that wait for what has gone by; true if the first of
// the others waits for the payload at pos.
func (v *vlsd) reach(pos uint64, report *Report) bool {
	for len(v.waiting) > 0 && v.waiting[0].pos < pos {
		w := v.waiting.pop()
		v.fresh = v.fresh && w.pos != v.newest
		report.bad(w.g.at, errNoPayload)
	}
	return len(v.waiting) > 0 && v.waiting[0].pos == pos
}

// hold keeps a payload for a frame to come.
func (v *vlsd) hold(pos uint64, data []byte) {
	if v.early == nil {
		v.early = map[uint64][]byte{}
	}
	if len(v.order) == maxEarly {
		delete(v.early, v.order[0])
		v.order = v.order[1:]
	}
	v.early[pos] = slices.Clone(data)
	v.order = append(v.order, pos)
}

// keep makes the frames that wait independent of their chunk.
func (v *vlsd) keep() {
	if !v.chunk {
		return
	}
	for i := range v.waiting {
		v.waiting[i].keep()
	}
	v.chunk = false
}

// abandon gives up on frames that wait.
func (v *vlsd) abandon(report *Report) {
	for range v.waiting {
		report.bad(0, errNoPayload)
	}
	v.waiting = nil
}

// waiters is a heap. Frames mostly come in the order of their positions, and
// take no time to get in then.
type waiters []waiting

func (h *waiters) push(w waiting) {
	*h = append(*h, w)
	q := *h
	for i := len(q) - 1; i > 0 && q[i].pos < q[(i-1)/2].pos; i = (i - 1) / 2 {
		q[i], q[(i-1)/2] = q[(i-1)/2], q[i]
	}
}

// pop removes the frame with the lowest position.
func (h *waiters) pop() waiting {
	q, last := *h, len(*h)-1
	first := q[0]
	q[0], q[last] = q[last], waiting{}
	q = q[:last]
	for i, child := 0, 1; child < last; i, child = child, 2*child+1 {
		if child+1 < last && q[child+1].pos < q[child].pos {
			child++
		}
		if q[i].pos <= q[child].pos {
			break
		}
		q[i], q[child] = q[child], q[i]
	}
	*h = q
	return first
}
