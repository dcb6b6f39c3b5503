package buslog

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// joiner is a stream whose frames say where their payloads are in 8 bytes.
type joiner struct {
	s *stream
	g *group
}

func newJoiner() *joiner {
	g := &group{size: 8}
	g.frame.payloads.offset = number{there: true, mask: ^uint64(0)}
	v := &vlsd{}
	return &joiner{&stream{p: &pass{report: &Report{}}, vlsd: map[*group]*vlsd{g: v}}, g}
}

func (j *joiner) state() *vlsd { return j.s.vlsd[j.g] }

func (j *joiner) frame(pos uint64) (*record, bool) {
	r := &record{g: j.g, own: true, data: binary.LittleEndian.AppendUint64(nil, pos)}
	return r, j.s.await(r)
}

func (j *joiner) payload(text string) (*record, bool) {
	rec := append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	r := &record{}
	return r, j.s.stored(r, j.g, rec)
}

func TestFramesThatWaitInVainAreNotAskedAgain(t *testing.T) {
	j := newJoiner()
	j.payload("gone by")
	for range maxWaiting {
		j.frame(1)
	}
	j.payload("")
	if n := len(j.state().waiting); n != 0 {
		t.Errorf("%d frames wait for a payload that has gone by: each is asked at every other one", n)
	}
	if n := j.s.p.report.Bad; n != maxWaiting {
		t.Errorf("%d frames are reported, wanted %d", n, maxWaiting)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	j := newJoiner()
	for range 3 * maxEarly {
		j.payload("")
	}
	if v := j.state(); len(v.early) > maxEarly || len(v.order) > maxEarly {
		t.Errorf("%d payloads are kept, and %d positions", len(v.early), len(v.order))
	}
	for i := range uint64(3 * maxWaiting) {
		j.frame(1<<40 + i)
	}
	if n := len(j.state().waiting); n != maxWaiting {
		t.Errorf("%d frames wait", n)
	}
}

func TestPayloadsFindTheirFramesInAnyOrder(t *testing.T) {
	const n, size = 1000, 4 + 2
	j, r, joined := newJoiner(), rand.New(rand.NewPCG(1, 2)), 0
	order := r.Perm(n)
	take := func(r *record, found bool) {
		if !found {
			return
		}
		joined++
		if pos := binary.LittleEndian.Uint64(r.data); binary.LittleEndian.Uint16(r.payload()) != uint16(pos/size) {
			t.Errorf("the frame for %d got %x", pos, r.payload())
		}
	}
	for i := range n {
		if i == n/2 {
			for k := range n / 2 {
				take(j.payload(string(binary.LittleEndian.AppendUint16(nil, uint16(k)))))
			}
		}
		take(j.frame(uint64(order[i] * size)))
	}
	for k := range n / 2 {
		take(j.payload(string(binary.LittleEndian.AppendUint16(nil, uint16(n/2+k)))))
	}
	if v := j.state(); joined != n || len(v.waiting) != 0 || len(v.early) != 0 {
		t.Errorf("%d of %d frames are whole; %d wait, %d payloads do", joined, n, len(v.waiting), len(v.early))
	}
}

func TestFramesLeaveInTheOrderOfTheirPositions(t *testing.T) {
	var h waiters
	var want, got []uint64
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		pos := r.Uint64N(300)
		want = append(want, pos)
		h.push(waiting{pos: pos})
	}
	for len(h) > 0 {
		got = append(got, h.pop().pos)
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
