package cancrypt

import (
	"errors"
	"slices"
	"testing"

	"canseal/can"
)

// grouping is a network of n members in GROUPED.
func grouping(t testing.TB, n int, change func(o *MemberOptions)) *network {
	t.Helper()
	w := newNetwork(t, n, uint64(n), change)
	w.start()
	w.run(1100)
	w.agreed("after the start")
	return w
}

func (w *network) agreed(when string) {
	w.t.Helper()
	if !w.agree() {
		var numbers []uint16
		for _, s := range w.nodes {
			numbers = append(numbers, s.m.cur.Number)
		}
		w.t.Fatalf("%s: states %v, epochs %v", when, w.states(), numbers)
	}
}

// nextCycle runs until member 1 has the next key.
func (w *network) nextCycle() {
	for number := w.nodes[0].m.cur.Number; w.nodes[0].m.cur.Number == number; {
		w.run(1)
	}
}

// honest fails if the judge accuses a frame of a bus without attackers.
func (w *network) honest() {
	w.t.Helper()
	for v, n := range w.tally() {
		switch v {
		case can.Authentic, can.ChecksumOK, can.HeartbeatOK, can.NotListed, can.NotJudged, can.Pending:
		default:
			w.t.Errorf("the judge says %v %d times", v, n)
		}
	}
}

// R6, R13: what was sent under the previous key is taken for 100 ms.
func TestMemberTakesThePreviousKeyInItsGrace(t *testing.T) {
	for _, late := range []int64{99, 101} {
		w := grouping(t, 2, nil)
		a, b := w.nodes[0], w.nodes[1]
		w.run(400)
		if err := a.send(frameOf(secured, []byte{9})); err != nil {
			t.Fatal(err)
		}
		queue := a.queue
		a.queue = nil
		number := b.m.cur.Number
		for b.m.cur.Number == number {
			w.run(1)
		}
		w.run(late - 1)
		for _, f := range queue {
			w.other = append(w.other, waitsFor{w.now, f.Frame, a, f.Frame})
		}
		w.run(5)
		if n := len(b.delivered); n != int(bit(late < 100, 1)) {
			t.Errorf("%d ms after the update: %d messages delivered", late, n)
		}
		if n := b.m.Counters()[Desync]; n != uint16(bit(late > 100, 1)) {
			t.Errorf("%d ms after the update: key desync %d", late, n)
		}
	}
}

// R10: a heartbeat is answered at once, unless one was sent within the inhibit
// time; anybody may start a cycle early after that.
func TestHeartbeatsAreAnsweredAndStartedEarly(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nextCycle()
	number := w.nodes[0].m.cur.Number
	w.run(1)
	w.nodes[1].do(func(out *MemberOut) { w.nodes[1].m.Vouch(w.now, out) })
	w.run(248)
	if w.nodes[0].m.cur.Number != number {
		t.Error("a cycle within the inhibit time")
	}
	from := len(w.log)
	w.run(10)
	if w.nodes[0].m.cur.Number != number+1 {
		t.Fatal("no cycle after the inhibit time")
	}
	beats := w.log[from:]
	if len(beats) != 3 || beats[0].Frame.ID != 0x172 || beats[2].Time-beats[0].Time > promptTime {
		t.Errorf("cycle %v", beats)
	}
	w.agreed("after the early cycle")
}

// A heartbeat that one receiver misses makes its key another one: everybody
// notices and the group starts anew.
func TestAHeartbeatThatOneMisses(t *testing.T) {
	w := grouping(t, 4, nil)
	w.run(6000)
	missed := false
	w.lost = func(to int, f *can.Frame) bool {
		if to == 2 && f.ID == 0x171 && f.Len == 5 && !missed {
			missed = true
			return true
		}
		return false
	}
	w.run(1000)
	if w.agree() {
		t.Fatal("the key does not depend on a heartbeat")
	}
	w.run(2300)
	for _, s := range w.nodes {
		if s.m.Counters()[BadHeartbeat] == 0 || s.events[Join] != 2 {
			t.Errorf("member %d does not notice: %v", s.i+1, s.events)
		}
	}
	w.run(700)
	w.agreed("after the new start")
}

// R17: injection of an own identifier silences the heartbeat, not the messages;
// the others lose the member; it joins again after three clean event times.
func TestInjectionSilencesTheHeartbeat(t *testing.T) {
	for name, f := range map[string]can.Frame{
		"control ID": frameOf(control+1, []byte{1, 2}), "listed": frameOf(secured, []byte{1}), "remote frame": {ID: 0x191, Flags: can.Remote},
	} {
		w := grouping(t, 3, nil)
		w.inject(w.now, f)
		w.run(5)
		a := w.nodes[0]
		if a.m.State() != StateSilent || a.m.Counters()[Injection] != 1 {
			t.Errorf("%s: state %v, counters %v", name, a.m.State(), a.m.Counters())
		}
		if alert := w.log[len(w.log)-1].Frame; string(alert.Payload()) != string([]byte{0x20, byte(Injection), 1, 0}) {
			t.Errorf("%s: no ALERT but % x", name, alert.Payload())
		}
		if err := a.send(frameOf(secured, []byte{1})); err != nil {
			t.Errorf("%s: a silent member may send: %v", name, err)
		}
		w.run(2500)
		for _, s := range w.nodes[1:] {
			if s.events[MemberLost] != 1 || len(s.delivered) != 1 {
				t.Errorf("%s: events %v, delivered %v", name, s.events, s.delivered)
			}
		}
		if err := a.send(frameOf(secured, []byte{2})); err != nil {
			t.Errorf("%s: a silent member may send: %v", name, err)
		}
		w.run(10)
		if n := len(w.nodes[1].delivered); n != 1 {
			t.Errorf("%s: message of a lost member is delivered", name)
		}
		if w.run(1500 + 2500); !w.agree() {
			t.Errorf("%s: not joined again: %v", name, w.states())
		}
	}
}

func TestAnotherProgramOfThisMachineIsAnAttacker(t *testing.T) {
	w := grouping(t, 2, nil)
	w.nodes[0].do(func(out *MemberOut) {
		w.nodes[0].m.Receive(&can.Event{Time: w.now, Dir: can.OtherTx, Frame: frameOf(secured, nil)}, out)
	})
	if s := w.nodes[0].m.State(); s != StateSilent {
		t.Errorf("state %v", s)
	}
}

func TestOnlyTheOperatorEndsSilenceIfSaidSo(t *testing.T) {
	w := grouping(t, 3, func(o *MemberOptions) { o.CleanCycles = -1 })
	w.inject(w.now, frameOf(secured, nil))
	w.run(8000)
	if w.nodes[0].m.State() != StateSilent {
		t.Fatalf("states %v", w.states())
	}
	w.nodes[0].do(func(out *MemberOut) { w.nodes[0].m.Regroup(w.now, out) })
	w.run(1100)
	w.agreed("after the operator's wish")
}

// R17: collisions in the data field of an own listed frame.
func TestCollisions(t *testing.T) {
	report := func(bits, place byte) can.Event {
		return can.Event{Frame: can.Frame{ID: 1 << 3, Flags: can.Error, DLC: 8, Len: 8, Data: [64]byte{2: bits, 3: place}}}
	}
	for name, c := range map[string]struct {
		event   can.Event
		sending bool
		hint    bool
		state   State
		kind    EventKind
	}{
		"in the data":            {report(0x08, 0x0A), true, false, StateSilent, Collision},
		"recessive bit":          {report(0x10, 0x0A), true, false, StateSilent, Collision},
		"nothing under way":      {report(0x08, 0x0A), false, false, StateGrouped, 0},
		"no place":               {report(0x01, 0x00), true, false, StateGrouped, CollisionSuspected},
		"no place, configured":   {report(0x01, 0x00), true, true, StateSilent, Collision},
		"in the arbitration":     {report(0x08, 0x02), true, false, StateGrouped, 0},
		"in the CRC":             {report(0x08, 0x08), true, false, StateGrouped, 0},
		"a stuff error":          {report(0x04, 0x0A), true, false, StateGrouped, 0},
		"another class of error": {can.Event{Frame: can.Frame{ID: 1 << 2, Flags: can.Error, DLC: 8, Len: 8, Data: [64]byte{2: 8, 3: 0x0A}}}, true, false, StateGrouped, 0},
	} {
		w := grouping(t, 2, func(o *MemberOptions) { o.SilentOnHint = c.hint })
		a := w.nodes[0]
		if c.sending {
			a.send(frameOf(secured, []byte{1}))
		}
		c.event.Time = w.now
		a.do(func(out *MemberOut) { a.m.Receive(&c.event, out) })
		if a.m.State() != c.state || c.kind != 0 && a.events[c.kind] != 1 || c.kind == 0 && len(a.events) > 2 {
			t.Errorf("%s: state %v, events %v", name, a.m.State(), a.events)
		}
	}
	w := grouping(t, 2, nil)
	w.nodes[0].send(frameOf(secured, []byte{1}))
	w.run(5)
	e := report(0x08, 0x0A)
	e.Time = w.now
	w.nodes[0].do(func(out *MemberOut) { w.nodes[0].m.Receive(&e, out) })
	if w.nodes[0].m.State() != StateGrouped {
		t.Error("a frame that is on the bus is under way no more")
	}
}

// R14, R15, R16: each kind of secured message comes out as it went in.
func TestWhatIsSentIsDelivered(t *testing.T) {
	w := grouping(t, 3, nil)
	stream := []can.Frame{frameOf(secured, []byte{1, 2, 3, 4, 5, 6, 7, 8}), frameOf(0x191, nil), frameOf(secured, []byte{9})}
	for _, c := range []struct {
		from   int
		frames []can.Frame
		want   can.Verdict
	}{
		{0, stream, can.Authentic}, {1, []can.Frame{frameOf(cmacked, []byte{1})}, can.Authentic}, {1, []can.Frame{frameOf(blocked, []byte{1, 2, 3})}, can.Authentic},
		{1, []can.Frame{frameOf(blocked, nil)}, can.Authentic}, {2, []can.Frame{frameOf(weak, []byte{4, 5, 6})}, can.ChecksumOK},
	} {
		if err := w.nodes[c.from].send(c.frames...); err != nil {
			t.Fatal(err)
		}
		w.run(20)
		for i, s := range w.nodes {
			var got []can.Frame
			for _, d := range s.delivered {
				got = append(got, d.Frame)
				if d.Verdict != c.want || int(d.Sender) != c.from+1 {
					t.Errorf("member %d got %v of %d", i+1, d.Verdict, d.Sender)
				}
			}
			if want := c.frames; i != c.from && !slices.Equal(got, want) || i == c.from && len(got) > 0 {
				t.Errorf("member %d got %v", i+1, got)
			}
			s.delivered = nil
		}
	}
	w.honest()
}

func TestWhatMayNotBeSent(t *testing.T) {
	w := newNetwork(t, 3, 1, nil)
	a := w.nodes[0]
	a.start()
	if err := a.send(frameOf(secured, nil)); !errors.Is(err, ErrNotGrouped) {
		t.Errorf("before the group: %v", err)
	}
	w = grouping(t, 3, nil)
	a = w.nodes[0]
	fd := frameOf(secured, nil)
	fd.Flags = can.FD
	for _, frames := range [][]can.Frame{
		nil, {frameOf(cmacked, nil)}, {frameOf(0x123, nil)}, {fd}, {frameOf(control+1, nil)}, {frameOf(paired, nil)}, {frameOf(plain, nil)},
		make([]can.Frame, 9), {frameOf(secured, nil), frameOf(cmacked, nil)},
	} {
		if err := a.send(frames...); !errors.Is(err, ErrNotOwn) {
			t.Errorf("%v: %v", frames, err)
		}
	}
	if err := w.nodes[1].send(frameOf(blocked, nil), frameOf(cmacked, nil)); !errors.Is(err, ErrNotOwn) {
		t.Errorf("an AES pair in a stream: %v", err)
	}
	if len(a.queue) != 0 {
		t.Errorf("frames %v", a.queue)
	}
	a.m.seq = 0x10000
	if err := a.send(frameOf(secured, nil)); !errors.Is(err, ErrExhausted) {
		t.Errorf("after 65536 sequences: %v", err)
	}
	w.run(1000)
	if err := a.send(frameOf(secured, nil)); err != nil {
		t.Errorf("in the next epoch: %v", err)
	}
}

func TestMembersThatAreRefused(t *testing.T) {
	w := newNetwork(t, 3, 1, nil)
	for name, change := range map[string]func(o *MemberOptions){
		"R1: sixteen devices":            func(o *MemberOptions) { o.Members = append(o.Members, 16) },
		"address not in the list":        func(o *MemberOptions) { o.Address = 4 },
		"address of the configurator":    func(o *MemberOptions) { o.Address = 0 },
		"alone":                          func(o *MemberOptions) { o.Members, o.HeartbeatOnly = []uint8{1}, nil },
		"no table":                       func(o *MemberOptions) { o.Table = nil },
		"no random bytes":                func(o *MemberOptions) { o.Random = nil },
		"inhibit time above event time":  func(o *MemberOptions) { o.Inhibit = o.Event },
		"event time of 0.15 s":           func(o *MemberOptions) { o.Event = 150 * millisecond },
		"control ID with a used nibble":  func(o *MemberOptions) { o.Control = 0x171 },
		"reserved methods":               func(o *MemberOptions) { o.Methods = 1 },
		"method 0 without permission":    func(o *MemberOptions) { o.AllowMethod0 = false },
		"heartbeat-only and listed":      func(o *MemberOptions) { o.HeartbeatOnly = map[Word]uint8{secured: 1} },
		"heartbeat-only of a non-member": func(o *MemberOptions) { o.HeartbeatOnly = map[Word]uint8{plain: 9} },
	} {
		o := memberOptions(w.o, 1, w.rng)
		change(&o)
		if m, err := NewMember(o); m != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// R19: heartbeat-only messages are delivered at once, after one or after two
// vouching heartbeats.
func TestDeliveryPolicies(t *testing.T) {
	for policy, want := range map[Policy]struct {
		cycles  int
		verdict can.Verdict
	}{Untrusted: {0, can.Pending}, AfterOne: {1, can.Vouched}, AfterTwo: {2, can.VouchedTwice}} {
		w := grouping(t, 3, func(o *MemberOptions) { o.Deliver = map[Word]Policy{plain: policy} })
		w.run(2500) // established
		if err := w.nodes[1].send(frameOf(plain, []byte{7})); err != nil {
			t.Fatal(err)
		}
		w.run(5)
		b := w.nodes[0]
		for cycle := 0; len(b.delivered) == 0 && cycle < 5; cycle++ {
			if cycle >= want.cycles {
				t.Errorf("policy %d: nothing after %d cycles", policy, cycle)
				break
			}
			for number := b.m.cur.Number; b.m.cur.Number == number; {
				w.run(1)
			}
			if len(b.delivered) > 0 != (cycle+1 == want.cycles) {
				t.Errorf("policy %d: %v after %d cycles", policy, b.delivered, cycle+1)
			}
		}
		if len(b.delivered) == 1 && b.delivered[0].Verdict != want.verdict {
			t.Errorf("policy %d: %v", policy, b.delivered)
		}
	}
}

func TestUnvouchedMessagesAreDropped(t *testing.T) {
	w := grouping(t, 3, nil)
	w.run(2500)
	w.nodes[1].send(frameOf(plain, []byte{7}))
	w.run(5)
	w.inject(w.now, frameOf(control+2, []byte{byte(w.nodes[0].m.cur.Number & 3), 1, 2, 3, 4}))
	w.run(3000)
	if d := w.nodes[0].delivered; len(d) != 0 {
		t.Errorf("delivered beside a guessed heartbeat: %v", d)
	}
	w.run(2000)
	w.nodes[1].send(frameOf(plain, []byte{8}))
	w.run(5)
	w.nodes[1].down = true
	w.run(3000)
	if d := w.nodes[0].delivered; len(d) != 0 || len(w.nodes[0].m.queues[2]) != 0 {
		t.Errorf("delivered without a heartbeat: %v", d)
	}
}

// ALERT at the threshold and its multiples, at most one in a second.
func TestAlertsAreRare(t *testing.T) {
	w := grouping(t, 2, nil)
	from := len(w.log)
	for i := range int64(1000) {
		w.inject(w.now+i*5*millisecond, frameOf(0x191+0, []byte{byte(i)}))
	}
	w.run(6500)
	last := int64(0)
	alerts := 0
	for _, e := range w.log[from:] {
		if e.Frame.ID == 0x172 && e.Frame.Len == 4 {
			if alerts++; e.Time-last < 990*millisecond {
				t.Errorf("ALERT after %d ms", (e.Time-last)/millisecond)
			}
			last = e.Time
		}
	}
	if alerts < 5 || alerts > 7 {
		t.Errorf("%d ALERT frames in 6.5 s", alerts)
	}
}

func TestTheTableOfStates(t *testing.T) {
	for s := StateOff; s <= StateSilent; s++ {
		for on := askedFor; on <= hasLeft; on++ {
			to, ok := s.follows(on)
			if !ok && to != s {
				t.Errorf("%v without a row goes to %v", s, to)
			}
			if to == StateSilent && on != manipulation && s != StateSilent || to == StateGrouped && s == StateSilent {
				t.Errorf("%v goes to %v by %d", s, to, on)
			}
		}
	}
}

// A program that runs late still sends the heartbeat that opens a cycle.
func TestAHeartbeatThatIsDueLongAgoIsSent(t *testing.T) {
	w := grouping(t, 2, nil)
	w.nextCycle()
	a := w.nodes[0]
	late := a.m.Next() + 400*millisecond
	var out MemberOut
	a.m.Tick(late, &out)
	if len(out.Frames) != 1 || out.Frames[0].Until < late+cycleTime-1 || a.m.timers[timeBeat] < late+w.o.Event-1 {
		t.Errorf("frames %+v, the next at %d, now %d", out.Frames, a.m.timers[timeBeat], late)
	}
}
