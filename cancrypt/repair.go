package cancrypt

import (
	"math/bits"

	"canseal/can"
)

// A judge that missed one heartbeat of a cycle, or heard one that the members
// did not count, holds a wrong key from that close on. What the members hold is
// found again by search (5.10):
//
//	Judge.Repair ──► Search.Run, anywhere but on the capture path ──► Judge.Mend
//
// The search tries all heard members but one, then the heard ones and the
// missing one with each of 2^24 random values. What a key must explain are the
// heartbeats and sequences that came since.

const (
	maxTrail = 1 << 15 // frames since the last heartbeat under a proven key
	margin   = 24      // bits that the checks of a key must count above log2 of the keys tried
	guesses  = 1 << 24 // of the random bytes of a heartbeat
)

// trail is the state after the last heartbeat of the leader, and the frames
// since: what a repair begins with.
type trail struct {
	points [2]*point // under a proven key; under one that is not proven yet
	frames []traced
	full   bool
	tried  bool   // a search was made from here
	starts uint32 // group starts seen: a newer one ends a repair
}

// point is the state after a heartbeat; the frames from there on follow.
type point struct {
	group
	from int
}

type traced struct {
	n uint64
	e can.Event
}

// note keeps a frame.
func (t *trail) note(e *can.Event, n uint64) {
	if t == nil || t.points[0] == nil && t.points[1] == nil {
		return
	}
	if len(t.frames) == maxTrail {
		t.full = true
		return
	}
	t.frames = append(t.frames, traced{n, *e})
}

// mark keeps the state after a heartbeat. A proven key makes older states
// worthless.
func (t *trail) mark(g *group) {
	if t == nil {
		return
	}
	i := 1
	if g.proven {
		i = 0
		t.frames, t.points[1], t.full, t.tried = t.frames[:0], nil, false, false
	}
	if t.points[i] == nil {
		t.points[i] = &point{}
	}
	t.points[i].group, t.points[i].from = *g, len(t.frames)
}

// forget ends what could be repaired.
func (t *trail) forget() {
	if t != nil {
		*t = trail{frames: t.frames[:0], starts: t.starts + 1}
	}
}

// Search is one repair. It is independent of its judge.
type Search struct {
	o      JudgeOptions
	starts uint32
	opened int64 // when the last window did
	points []point
	frames []traced
	keys   uint32 // random values to try: all of them, in a test fewer
	found  *point
	parts  []Heard
}

// Repair returns the search that can bring the judge into step again, once for
// each time that it is out of step. It is nil while the judge is in step, while
// less than three cycles came since, or where nothing can be searched for. It
// needs JudgeOptions.Repair.
func (j *Judge) Repair() *Search {
	t := j.trail
	if j.inStep || t == nil || t.full || t.tried || len(j.candidates) > 1 || j.candidates[0].joining {
		return nil
	}
	s := &Search{o: j.o, starts: t.starts, opened: j.opened, keys: guesses}
	s.o.Seen, s.o.Plaintext, s.o.Repair = nil, false, false
	for _, p := range t.points {
		if p == nil || !p.suits() {
			continue
		}
		if j.now-p.cycle.start < 3*j.o.Event+2*cycleTime {
			return nil
		}
		s.points = append(s.points, *p)
	}
	if len(s.points) == 0 {
		return nil
	}
	t.tried = true
	s.frames = append([]traced(nil), t.frames...)
	return s
}

// suits reports whether one heartbeat can be what is wrong: one expected member
// was not heard, or all were.
func (p *point) suits() bool {
	return p.cycle.open && (p.expected()&^p.cycle.heard).count() <= 1
}

// Run searches; stop is asked now and then. It reports whether there is one key,
// and only one, that explains what came.
func (s *Search) Run(stop func() bool) bool {
	for i := range s.points {
		p := &s.points[i]
		if parts, ok := s.without(p); ok {
			s.found, s.parts = p, parts
			return true
		}
		if parts, ok := s.with(p, stop); ok {
			s.found, s.parts = p, parts
			return true
		}
	}
	return false
}

// without tries all heard members but one.
func (s *Search) without(p *point) (found []Heard, ok bool) {
	heard := p.cycle.contributors()
	if len(heard) < 3 {
		return nil, false
	}
	tried := bits.Len(uint(len(heard)))
	for i := range heard {
		parts := append(append([]Heard(nil), heard[:i]...), heard[i+1:]...)
		if s.score(p, parts) < margin+tried {
			continue
		}
		if found != nil {
			return nil, false
		}
		found = parts
	}
	return found, found != nil
}

// with tries the heard members and the missing one with each random value. The
// heartbeats of the next cycle leave few of them over.
func (s *Search) with(p *point, stop func() bool) (found []Heard, ok bool) {
	missing := p.expected() &^ p.cycle.heard
	beats := s.next(p)
	if missing.count() != 1 || p.cycle.heard.count() < 1 || len(beats) < 2 {
		return nil, false
	}
	a := uint8(bits.TrailingZeros16(uint16(missing)))
	parts := ascending(append(p.cycle.contributors(), Heard{Address: a, Status: Authenticated | Status(p.cur.Number&3)}))
	place := 0
	for parts[place].Address != a {
		place++
	}
	f := newSieve(s.o.Methods, &p.cur, parts, place, beats)
	for guess := range s.keys {
		if guess%4096 == 0 && stop() {
			return nil, false
		}
		if !f.passes(guess) {
			continue
		}
		parts[place].Random = [4]byte{byte(guess), byte(guess >> 8), byte(guess >> 16)}
		if s.score(p, parts) < margin+24 {
			continue
		}
		if found != nil {
			return nil, false
		}
		found = append([]Heard(nil), parts...)
	}
	return found, found != nil
}

// next returns the first heartbeat of each member under the key after p.
func (s *Search) next(p *point) (beats []beat) {
	var heard addresses
	for i := p.from; i < len(s.frames); i++ {
		b, ok := s.o.beat(&s.frames[i].e.Frame)
		if ok && b.epoch == uint8(p.cur.Number+1)&3 && p.members.has(b.sender) && !heard.has(b.sender) {
			heard.add(b.sender)
			beats = append(beats, b)
		}
	}
	return beats
}

// beat is a heartbeat as it stands in a frame, the record of CANcrypt FD left
// out.
type beat struct {
	sender, epoch uint8
	bytes         [5]byte
}

func (o *JudgeOptions) beat(f *can.Frame) (beat, bool) {
	w, size := WordOf(f), uint8(5)
	if o.FD {
		size = fdHeartbeatLen
	}
	if w&^15 != o.Control || f.Len != size || f.Is(can.FD) != o.FD || f.Is(can.Remote) {
		return beat{}, false
	}
	return beat{uint8(w & 15), f.Data[0] & 3, [5]byte(f.Data[:5])}, true
}

// score counts the bits of what is right since p if these contributed.
func (s *Search) score(p *point, parts []Heard) int {
	j := s.replay(p, parts)
	var out Out
	for i := p.from; i < len(s.frames); i++ {
		out.Reset()
		j.Frame(&s.frames[i].e, &out)
	}
	return j.bits
}

// replay is a judge that goes on from p as if its cycle had closed with these
// contributors. Until the members' deadline both keys are good.
func (s *Search) replay(p *point, parts []Heard) *Judge {
	j, _ := NewJudge(s.o) // its options have been taken before
	c := j.candidates[0]
	c.group = p.group
	c.cycle.heard = 0
	for _, h := range parts {
		c.cycle.heard.add(h.Address)
		c.cycle.parts[h.Address] = h
	}
	c.decided, c.won = 0, false
	j.begun, j.started, j.opened = true, true, s.opened
	j.out = &Out{}
	j.at = ref{time: p.cycle.start}
	j.rightAt = p.cycle.start
	j.close(c, p.cycle.start+cycleTime)
	c.earliest()
	j.bits = 0
	return j
}

// Mend takes the result of a search: the state is carried forward through the
// frames that came since, and the judge is in step again. Out.Late has what is
// known now of these frames: live, what was given as 15 stays so; offline it is
// their verdict. False: a start of the group came meanwhile, or too many frames.
func (j *Judge) Mend(s *Search, out *Out) bool {
	t := j.trail
	if s.found == nil || t == nil || t.starts != s.starts || t.full || j.inStep || len(j.candidates) > 1 || len(t.frames) < len(s.frames) {
		return false
	}
	j.out = out
	r := s.replay(s.found, s.parts)
	var said Out
	for i := s.found.from; i < len(t.frames); i++ {
		f := &t.frames[i]
		r.n = f.n - 1
		said.Reset()
		if v := r.Frame(&f.e, &said); v != can.Pending {
			out.Late = append(out.Late, Late{N: f.n, Time: f.e.Time, Word: WordOf(&f.e.Frame), Verdict: v})
		}
		out.Late = append(out.Late, said.Late...)
	}
	j.adopt(r)
	return true
}

// adopt goes on with the state of another judge of the same group.
func (j *Judge) adopt(r *Judge) {
	j.candidates, j.held, j.warned = r.candidates, r.held, nil
	j.rightAt, j.names, j.inStep = r.rightAt, r.names, true
	j.trail.forget()
	j.event(InStep, 0, 0, j.now)
}
