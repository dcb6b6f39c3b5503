package cancrypt

import (
	"math/rand/v2"
	"testing"

	"canseal/can"
)

// frameTime is what each frame takes on the simulated bus.
const frameTime = 230_000

// network is a bus in memory with members, a judge beside them, and whatever
// else sends. Time is virtual: it goes from one thing to the next.
type network struct {
	t      testing.TB
	rng    *rand.Rand
	o      JudgeOptions
	now    int64
	nodes  []*station
	busy   *onBus
	other  []waitsFor // frames of attackers, in order of time
	judge  *Judge
	log    []can.Event
	counts map[can.Verdict]int   // of the judge, settled
	marks  map[int64]can.Verdict // by stamp
	events map[EventKind]int     // of the judge

	// lost says that a receiver misses a frame, -1 the judge; nil: nobody does.
	lost func(to int, f *can.Frame) bool
	// gateway may change what happens to a frame that a station sends: it returns
	// what the others get, and when; those of no station are an attacker's. nil: the
	// frame, at once.
	gateway func(from *station, f can.Frame) []waitsFor
}

// station is a member and its transmit queue.
type station struct {
	n         *network
	i         int
	m         *Member
	queue     []Outgoing
	delivered []Delivery
	events    map[EventKind]int
	last      map[EventKind]int64
	down      bool // neither hears nor sends
}

type onBus struct {
	from  *station
	frame can.Frame // as the others get it
	own   can.Frame // as its station sent it
	end   int64
}

type waitsFor struct {
	at    int64
	frame can.Frame
	from  *station // nil: an attacker
	own   can.Frame
}

func memberOptions(o JudgeOptions, address uint8, rng *rand.Rand) MemberOptions {
	return MemberOptions{
		Table: o.Table, Members: o.Members, Address: address, KeyID: o.KeyID, Key: o.Key, Methods: o.Methods, Control: o.Control,
		Event: o.Event, Inhibit: o.Event / 4, HeartbeatOnly: o.HeartbeatOnly, AllowMethod0: true, FD: o.FD,
		Random: func(b []byte) {
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
		},
	}
}

// newNetwork makes a bus with a judge and n members 1 to n, all OFF.
func newNetwork(t testing.TB, n int, seed uint64, change func(o *MemberOptions)) *network {
	t.Helper()
	o := judgeOptions(t)
	o.Members = nil
	for a := range uint8(n) {
		o.Members = append(o.Members, a+1)
	}
	if n < 3 {
		o.HeartbeatOnly = nil
	}
	return networkOf(t, o, seed, change)
}

// networkOf makes a bus with a judge and all members that it knows.
func networkOf(t testing.TB, o JudgeOptions, seed uint64, change func(o *MemberOptions)) *network {
	t.Helper()
	w := &network{t: t, rng: rand.New(rand.NewPCG(seed, 1)), o: o, now: 1e15, counts: map[can.Verdict]int{}, marks: map[int64]can.Verdict{}, events: map[EventKind]int{}}
	var err error
	if w.judge, err = NewJudge(o); err != nil {
		t.Fatal(err)
	}
	for i, a := range o.Members {
		mo := memberOptions(o, a, w.rng)
		if change != nil {
			change(&mo)
		}
		m, err := NewMember(mo)
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, &station{n: w, i: i, m: m, events: map[EventKind]int{}, last: map[EventKind]int64{}})
	}
	return w
}

// do runs a call of a member and takes what comes out.
func (s *station) do(call func(out *MemberOut)) {
	var out MemberOut
	call(&out)
	if !s.down {
		s.queue = append(s.queue, out.Frames...)
	}
	s.delivered = append(s.delivered, out.Delivered...)
	for _, e := range out.Events {
		s.events[e.Kind]++
		s.last[e.Kind] = e.Time
	}
}

func (s *station) start() { s.do(func(out *MemberOut) { s.m.Start(s.n.now, out) }) }

func (s *station) send(frames ...can.Frame) error {
	var err error
	s.do(func(out *MemberOut) { err = s.m.Send(s.n.now, frames, out) })
	return err
}

func (w *network) start() {
	for _, s := range w.nodes {
		s.start()
	}
}

// inject puts an attacker's frame on the bus as soon as it is free after at.
func (w *network) inject(at int64, f can.Frame) {
	w.other = append(w.other, waitsFor{at: at, frame: f})
}

// run lets time pass.
func (w *network) run(ms int64) {
	for end := w.now + ms*millisecond; w.now < end; {
		w.arbitrate()
		w.now = min(w.next(), end)
		if w.busy != nil && w.busy.end == w.now {
			b := *w.busy
			w.busy = nil
			w.hear(b)
		}
		for _, s := range w.nodes {
			if s.m.Next() <= w.now {
				s.do(func(out *MemberOut) { s.m.Tick(w.now, out) })
			}
		}
	}
	var out Out
	w.judge.Tick(w.now, &out)
	w.take(&out)
}

// next is the time of the next thing to happen.
func (w *network) next() int64 {
	at := int64(never)
	if w.busy != nil {
		at = w.busy.end
	}
	for _, s := range w.nodes {
		at = min(at, s.m.Next())
	}
	for _, f := range w.other {
		if f.at > w.now {
			at = min(at, f.at)
		}
	}
	return max(at, w.now)
}

// arbitrate puts the frame of the lowest identifier on a free bus.
func (w *network) arbitrate() {
	for w.busy == nil {
		best, from := uint32(1<<31), -1
		for i, s := range w.nodes {
			if len(s.queue) > 0 && s.queue[0].Frame.ID < best {
				best, from = s.queue[0].Frame.ID, i
			}
		}
		other := -1
		for i, f := range w.other {
			if f.at <= w.now && f.frame.ID < best {
				best, from, other = f.frame.ID, -1, i
			}
		}
		switch {
		case other >= 0:
			f := w.other[other]
			w.other = append(w.other[:other:other], w.other[other+1:]...)
			w.busy = &onBus{f.from, f.frame, f.own, w.now + frameTime}
		case from >= 0:
			w.transmit(w.nodes[from])
		default:
			return
		}
	}
}

func (w *network) transmit(s *station) {
	out := s.queue[0]
	s.queue = s.queue[1:]
	if out.Until != 0 && w.now > out.Until {
		return // withdrawn
	}
	if w.gateway != nil {
		for _, f := range w.gateway(s, out.Frame) {
			f.own = out.Frame
			w.other = append(w.other, f)
		}
		return
	}
	w.busy = &onBus{s, out.Frame, out.Frame, w.now + frameTime}
}

// hear gives a frame that has ended to everybody.
func (w *network) hear(b onBus) {
	e := can.Event{Time: b.end, Frame: b.frame}
	w.log = append(w.log, e)
	for _, s := range w.nodes {
		if s.down || s != b.from && w.lost != nil && w.lost(s.i, &b.frame) {
			continue
		}
		e.Dir, e.Frame = can.Rx, b.frame
		if s == b.from {
			e.Dir, e.Frame = can.Tx, b.own
		}
		s.do(func(out *MemberOut) { s.m.Receive(&e, out) })
	}
	e.Dir, e.Frame = can.Rx, b.frame
	var out Out
	if w.lost != nil && w.lost(-1, &b.frame) {
		w.judge.Lost(&can.Event{Kind: can.KindLost, From: b.end, Time: b.end}, &out)
	} else {
		w.mark(e.Time, w.judge.Frame(&e, &out))
	}
	w.take(&out)
}

func (w *network) mark(at int64, v can.Verdict) {
	w.marks[at] = v
}

func (w *network) take(out *Out) {
	for _, l := range out.Late {
		if l.From == 0 {
			w.mark(l.Time, l.Verdict)
		}
	}
	for _, e := range out.Events {
		w.events[e.Kind]++
	}
}

// tally counts the judge's verdicts so far.
func (w *network) tally() map[can.Verdict]int {
	clear(w.counts)
	for _, v := range w.marks {
		w.counts[v]++
	}
	return w.counts
}

func (w *network) states() (out []State) {
	for _, s := range w.nodes {
		out = append(out, s.m.State())
	}
	return out
}

// all reports whether every member is in a state.
func (w *network) all(s State) bool {
	for _, n := range w.nodes {
		if n.m.State() != s {
			return false
		}
	}
	return true
}

// agree reports whether all members are grouped under the same key. A passive
// one may wait for the next start.
func (w *network) agree() bool {
	for _, n := range w.nodes {
		if !n.m.active() && n.m.State() == StateJoin {
			continue
		}
		if n.m.State() != StateGrouped || n.m.cur != w.nodes[0].m.cur {
			return false
		}
	}
	return true
}
