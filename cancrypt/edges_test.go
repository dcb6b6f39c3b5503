package cancrypt

import (
	"math/rand/v2"
	"testing"

	"canseal/can"
)

// sendAt sends a frame that ends at a time.
func (b *bus) sendAt(at int64, w Word, data []byte) int64 {
	b.now = at - 200_000
	return b.frame(w, data)
}

// P1.0: a limit is met by a frame that comes at most so much later, to the ns.
func TestLimitsAreMetToTheNanosecond(t *testing.T) {
	for late, want := range []can.Verdict{can.Authentic, can.MessageWithoutPreamble} {
		b := grouped(t, nil)
		p, m := b.pair(secured, 1)
		at := b.frame(control+1, p[:])
		b.want(b.sendAt(at+sequenceTime+int64(late), secured, m.Data[:1]), want, "10 ms after the preamble")
	}
	for late, want := range []can.Verdict{can.Authentic, can.KeyEpochUnknown} {
		b := grouped(t, nil)
		p, m := b.pair(secured, 1)
		updated := b.cycle(1, 2, 3)[3]
		b.sendAt(updated+graceTime+int64(late), control+1, p[:])
		at := b.frame(secured, m.Data[:1])
		b.wait(500)
		b.cycle(1, 2, 3)
		b.want(at, want, "100 ms after the update")
	}
	for early, want := range []int{2, 1} {
		b := newBus(t, nil)
		start := AppendControl(nil, 0, Group{3, [4]byte{1}, 10})
		opened := b.frame(control+1, start)
		b.frame(control+2, start)
		b.sendAt(opened+restartTime-int64(early), control+1, start)
		if b.events[Join] != want {
			t.Errorf("5 s less %d ns after a start: %d starts, want %d", early, b.events[Join], want)
		}
	}
}

// P1.3: the epilog names the last message. One that its own holder of the key
// signs with another name is wrong all the same.
func TestAnEpilogOfAnotherNameIsWrong(t *testing.T) {
	for _, last := range []Word{secured, 0x191} {
		b := grouped(t, nil)
		messages := []Message{{Record: *b.o.Table.Find(0x191), Len: 1}, {Record: *b.o.Table.Find(secured), Len: 1}}
		p := Preamble{Count: 2, Epoch: uint8(b.e.Number & 3), Word: 0x191}
		head := p.Bytes()
		p.Epilog, p.Word = true, b.o.Table.Find(last).Announced()
		end := p.Bytes()
		mk := b.s.start(&b.e, Place{Sender: 1}, true)
		sig := b.s.signature(&b.e, Place{Sender: 1}, &mk, head[:6], messages, end[:6])
		copy(end[6:], sig[:])
		b.s.crypt(1, &messages[1])
		b.frame(control+1, head[:])
		b.frame(0x191, messages[0].Data[:1])
		at := b.frame(secured, messages[1].Data[:1])
		b.frame(control+1, end[:])
		b.send(secured, 1) // proves the key
		b.cycle(1, 2, 3)
		if want := map[Word]can.Verdict{secured: can.Authentic, 0x191: can.SignatureWrong}[last]; b.settled[at] != want {
			t.Errorf("epilog of %v: %v, want %v", last, b.settled[at], want)
		}
	}
}

// P1.15: an FD heartbeat is its address's own, also when a holder of the key made
// it; a record names the producer of its identifier.
func TestFDFramesOfAnotherAddressAreWrong(t *testing.T) {
	b := groupedFD(t)
	b.frameFD(secured, b.sealFD(secured, 1, 0, false, 1)) // proves the key
	h := b.s.SealFDHeartbeat(&b.e, control+2, SpeckMAC, 3, Authenticated, [3]byte{1, 2, 3})
	b.want(b.frameFD(control+2, h[:]), can.HeartbeatWrong, "address 3 on the identifier of 2")

	w := groupingFD(t, SpeckMAC, 1, 2, 3)
	m := w.nodes[1].m
	h = m.suite.SealFDHeartbeat(&m.cur, control+1, SpeckMAC, 2, Authenticated, [3]byte{1, 2, 3})
	w.nodes[0].down, w.nodes[1].down = true, true
	w.inject(w.now, message(control+1, h[:]))
	w.inject(w.now, message(fdOwn, m.suite.SealFD(nil, &m.cur, Place{Sender: 2}, FDOptions{Word: fdOwn, Signature: SpeckMAC}, []byte{1})))
	w.run(5)
	s := w.nodes[2]
	if c := s.m.Counters(); c[BadHeartbeat] != 1 || c[BadSignature] != 1 || len(s.delivered) != 0 || s.m.cycle.open {
		t.Errorf("counters %v, %d messages delivered", c, len(s.delivered))
	}
}

// From the ninth failure of a sender on, nothing of it is delivered under that key.
func TestAGuessedFDSenderIsNotDelivered(t *testing.T) {
	for guesses, want := range map[int]int{8: 1, 9: 0} {
		w := groupingFD(t, SpeckMAC, 1, 2, 16)
		f := message(fdShared, make([]byte, 16))
		f.Data[8] = 1
		f.Data[9] = byte(w.nodes[0].m.cur.Number) << 6
		w.nodes[0].down = true
		for range guesses {
			w.inject(w.now, f)
		}
		w.run(5)
		w.nodes[0].down = false
		if err := w.nodes[0].send(message(fdShared, []byte{1})); err != nil {
			t.Fatal(err)
		}
		w.run(5)
		for _, s := range w.nodes[1:] {
			if len(s.delivered) != want {
				t.Errorf("after %d guesses %d messages were delivered, counters %v", guesses, len(s.delivered), s.m.Counters())
			}
		}
	}
}

// P1.8: the heartbeats of a member that has left are wrong, whoever made them.
func TestAMemberThatHasLeftIsNotHeard(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nodes[1].do(func(out *MemberOut) { w.nodes[1].m.Leave(w.now, out) })
	w.run(1500)
	m := w.nodes[0].m
	h := m.suite.SealHeartbeat(&m.cur, 2, Authenticated, [3]byte{1, 2, 3})
	w.inject(w.now, frameOf(control+2, h[:]))
	w.run(1)
	if s := m.Status(); len(s.Left) != 1 || s.Counters[BadHeartbeat] != 1 || m.cycle.open {
		t.Errorf("%+v", s)
	}
}

// P1.2: bits are saved once, also where the slot is one that this pairing reaches.
func TestBitsAreSavedOnce(t *testing.T) {
	w := newWire(t, 6, keyed(t, 4))
	w.pair()
	var out PairOut
	w.d.now, w.d.out = w.now, &out
	w.d.roll.count = keyBits
	if w.d.save(SaveKey{2}); !w.d.d.Slots.Has(2) {
		t.Fatal("fresh bits were not saved")
	}
	if w.d.save(SaveKey{1}); w.d.d.Slots.Has(1) || w.d.State() != PairIdle {
		t.Error("the same bits were saved twice")
	}
}

// P1.8: one heartbeat of each member in a cycle.
func TestAMemberTakesOneHeartbeatInACycle(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nextCycle()
	var heard *can.Event
	for heard == nil {
		w.run(1)
		for i := range w.log {
			if e := &w.log[i]; e.Time > w.nodes[2].m.closed && e.Frame.Len == 5 && e.Frame.ID != 0x173 {
				heard = e
			}
		}
	}
	s := w.nodes[2]
	s.do(func(out *MemberOut) { s.m.Receive(&can.Event{Time: w.now, Frame: heard.Frame}, out) })
	if s.m.Counters()[BadHeartbeat] != 1 || s.events[EventKind(Injection)] != 1 {
		t.Errorf("counters %v, events %v", s.m.Counters(), s.events)
	}
}

// Forged starts while no heartbeat decides: memory has a bound.
func TestWhatCandidatesDifferOnIsBounded(t *testing.T) {
	b := grouped(t, nil)
	start := func(n byte) {
		b.wait(5000)
		b.frame(control+1, AppendControl(nil, 0, Group{3, [4]byte{n}, 10}))
		b.frame(control+2, AppendControl(nil, 0, Group{3, [4]byte{n}, 10}))
		b.wait(600)
	}
	start(0)
	fill := func(frames int) {
		for range frames {
			b.now -= 190_000
			b.frame(control+2, []byte{1, 1, 2, 3, 4}) // of another epoch, or wrong
			b.log = b.log[:0]
		}
	}
	fill(maxSaid / 2)
	for n := range byte(maxCandidates - 4) {
		start(n)
		fill(100)
	}
	held := 0
	for _, c := range b.j.candidates {
		held += len(c.said)
	}
	if len(b.j.candidates) < maxCandidates-4 || held < maxSaid/2 || held > 3*maxSaid {
		t.Errorf("%d candidates hold %d verdicts, wanted at most %d", len(b.j.candidates), held, 3*maxSaid)
	}
}

// The last moment that there is comes and goes.
func TestPairingsAtTheEndOfTime(t *testing.T) {
	w := newWire(t, 1, blank)
	var out PairOut
	w.d.Tick(never, &out)
	w.c.Tick(never, &out)
}

// P1.8: a heartbeat vouches for what came before it, not for what came after it
// in the same cycle.
func TestAHeartbeatVouchesForWhatCameBeforeIt(t *testing.T) {
	w := grouping(t, 3, nil)
	w.run(2500)            // established
	w.nodes[2].down = true // so the cycle stays open
	m := w.nodes[0].m
	for !m.cycle.open || !m.cycle.heard.has(2) {
		w.run(1)
	}
	w.nodes[1].send(frameOf(plain, []byte{7}))
	w.nextCycle()
	if d := w.nodes[0].delivered; len(d) != 0 {
		t.Errorf("delivered with a heartbeat that came before it: %v", d)
	}
	w.nextCycle()
	if d := w.nodes[0].delivered; len(d) != 1 || d[0].Verdict != can.Vouched {
		t.Errorf("after the next heartbeat: %v", d)
	}
}

// A message whose key may be old by then is withdrawn.
func TestAMessageIsWithdrawnAfterACycle(t *testing.T) {
	w := grouping(t, 3, nil)
	s := w.nodes[0]
	s.send(frameOf(secured, []byte{1}))
	for _, f := range s.queue {
		if f.Until != w.now+cycleTime {
			t.Errorf("to be sent within %d ns, want 100 ms", f.Until-w.now)
		}
	}
	w.now += cycleTime + 1
	w.run(5)
	if len(w.nodes[1].delivered) != 0 {
		t.Error("sent late, and delivered")
	}
}

// P1.4: additional inputs are for messages alone; the heartbeats of CANcrypt FD,
// and with them the group, go on without.
func TestAnFDGroupWithAdditionalInputs(t *testing.T) {
	o := fdOptions(t, SpeckMAC, 1, 2, 16)
	o.Methods |= 1 << 15
	w := networkOf(t, o, 3, nil)
	w.start()
	w.run(4000)
	w.agreed("with additional inputs")
	if s := w.nodes[0].m.Status(); w.nodes[0].m.cur.Mask == (Key{}) || s.Epoch < 3 || s.Counters[BadHeartbeat] > 0 {
		t.Fatalf("no additional inputs, or heartbeats fail: %+v", s)
	}
	if err := w.nodes[0].send(message(fdOwn, []byte{1, 2})); err != nil {
		t.Fatal(err)
	}
	w.run(5)
	if v := w.marks[w.log[len(w.log)-1].Time]; v != can.Authentic || len(w.nodes[1].delivered) != 1 || len(w.nodes[2].delivered) != 1 {
		t.Errorf("the judge says %v, %d and %d delivered", v, len(w.nodes[1].delivered), len(w.nodes[2].delivered))
	}
}

// A judge that missed a heartbeat, while somebody guesses a thousand heartbeats a
// second: two that are right under its wrong key prove nothing.
func TestGuessedHeartbeatsProveNoKey(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		b := grouped(t, nil)
		b.cycle(1, 2, 3)
		stamps := map[uint8]int64{1: b.heartbeat(1, 0), 2: b.heartbeat(2, 0)}
		stamps[3] = b.now + 200_000 // on the bus, and lost on the way to the judge
		b.update(stamps, 0)
		var honest []int64
		for i := range 120 {
			b.wait(40)
			honest = append(honest, b.send(secured, 1), b.send(cmacked, 1))
			for range 50 {
				guess := r.Uint32()
				b.frame(control+1+Word(r.IntN(3)), []byte{0x80 | byte(b.e.Number&3), byte(guess), byte(guess >> 8), byte(guess >> 16), byte(guess >> 24)})
			}
			if i%20 == 19 {
				honest = append(honest, b.heartbeat(1, 0), b.heartbeat(2, 0), b.heartbeat(3, 0))
				b.update(map[uint8]int64{1: honest[len(honest)-3], 2: honest[len(honest)-2], 3: honest[len(honest)-1]}, 0)
			}
		}
		b.wait(3000)
		b.tick()
		for _, at := range honest {
			switch b.settled[at] {
			case can.SignatureWrong, can.KeyEpochUnknown:
				t.Fatalf("seed %d: an honest frame is %v", seed, b.settled[at])
			}
		}
	}
}

// What was guessed before is no proof either: from the ninth failure of a sender
// on its right signature proves nothing, one of another sender does.
func TestAGuessedSignatureProvesNoKey(t *testing.T) {
	b := grouped(t, nil)
	forge := func(w Word) int64 {
		p, m := b.pair(w, 1)
		p[7] ^= 1
		b.frame(control+Word(m.Record.Producer), p[:])
		return b.frame(w, m.Data[:m.Len])
	}
	var wrong int64
	for range 9 {
		wrong = forge(secured)
	}
	b.send(secured, 1)
	b.want(wrong, can.Pending, "after a right signature of the one who is guessed")
	b.send(cmacked, 1)
	b.want(wrong, can.SignatureWrong, "after another's")
}

// P1.8: heartbeats count of the members of the grouping alone, not of another
// holder of the key, whether its address is configured or not.
func TestHeartbeatsOfOthersThanTheGroupingAreWrong(t *testing.T) {
	b := newBus(t, nil)
	b.start(7, 1, 2)
	b.cycle(1, 2)
	b.send(secured, 1) // proves the key
	b.want(b.heartbeat(3, 0), can.HeartbeatWrong, "configured, and not there at the start")
	b.want(b.heartbeat(5, 0), can.HeartbeatWrong, "not configured")
	b.cycle(1, 2)
	b.want(b.send(secured, 1), can.Authentic, "neither was counted")
}

// P1.8, 5: a heartbeat with the previous key proves life, and neither opens a
// cycle nor contributes.
func TestAHeartbeatWithThePreviousKeyContributesNothing(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nextCycle()
	m := w.nodes[0].m
	h := m.suite.SealHeartbeat(&m.prev, 2, Authenticated, [3]byte{9, 9, 9})
	w.nodes[1].down = true
	w.inject(w.now, frameOf(control+2, h[:]))
	w.run(2)
	if c := m.Counters(); m.cycle.open || c[BadHeartbeat] != 0 || !m.alive.has(2) {
		t.Errorf("cycle open: %v, counters %v", m.cycle.open, c)
	}
}

// R6, P1.6: in a pairing too the previous key is good for 100 ms after a bit.
func TestThePreviousKeyOfAPairingInItsGrace(t *testing.T) {
	for late, want := range map[int64]uint16{graceTime: 0, graceTime + 1: 1} {
		w := newWire(t, 2, keyed(t, 4))
		w.pair()
		if !w.run(2000, func() bool { return w.d.roll.cur.Number == 1 }) {
			t.Fatal("no update in two periods")
		}
		d := w.d
		one := []Message{{Record: d.other, Len: 3}}
		copy(one[0].Data[:], AppendControl(nil, d.o.Device, SaveKey{1}))
		head, _ := d.suite.Seal(&d.roll.prev, Place{d.o.Device, 0, 5}, one)
		at := d.roll.grace - graceTime + late
		var out PairOut
		d.Frame(&can.Event{Time: at, Frame: frameOf(d.other.Word, head[:])}, &out)
		d.Frame(&can.Event{Time: at + 1, Frame: frameOf(d.other.Word, one[0].Data[:3])}, &out)
		if n := d.Counter(Desync); n != want {
			t.Errorf("%d ns after the update: key desync %d", late, n)
		}
	}
}
