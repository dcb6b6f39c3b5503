package cancrypt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"canseal/can"
)

// Over lossy, slow and repeating buses the two sides may fail to pair, but what
// the configurator calls saved is saved, and they never both hold different keys
// and think themselves paired for long.
func TestPairingOverABadBus(t *testing.T) {
	saved, ended := 0, map[AbortReason]int{}
	for seed := range uint64(150) {
		w := newWire(t, seed, blank)
		w.lose, w.twice, w.late = float64(seed%5)/20, float64(seed%3)/4000, int64(seed%4)*millisecond
		w.do(w.c.Pair)
		asked := false
		w.run(60_000, func() bool {
			if w.c.Paired() && !asked {
				asked = true
				w.do(func(now int64, out *PairOut) error { return w.c.Save(now, 3, out) })
			}
			return of(w.events, PairSaved) != nil || w.c.State() == PairIdle
		})
		if of(w.events, PairSaved) != nil {
			saved++
			w.sameKey(3)
			continue
		}
		e := of(w.events, PairEnded)
		if e == nil {
			t.Fatalf("seed %d: neither saved nor ended: %v", seed, w.c.State())
		}
		ended[e.Reason]++
		if w.lose == 0 && w.twice == 0 {
			t.Errorf("seed %d: ended for %d on a bus that only delays", seed, e.Reason)
		}
	}
	t.Logf("150 pairings: %d saved their key, ended by reason: %v", saved, ended)
	if saved < 60 {
		t.Errorf("only %d of 150 succeeded", saved)
	}
}

// An ACK that the configurator missed: the device has the bit, the configurator
// asks for it again, and both go on with the same keys.
func TestALostAckTakesABitBack(t *testing.T) {
	w := newWire(t, 3, blank)
	lost := 0
	w.tap = func(w *wire, f *flight) bool {
		if f.from == 1 && f.frame.Len == 3 && f.frame.Data[0]>>4 == byte(CodeAck) && f.frame.Data[2] == 40 && lost < 2 {
			lost++
			return false
		}
		return true
	}
	w.pair()
	if lost != 2 {
		t.Fatalf("%d ACKs were lost, want 2", lost)
	}
	w.save(1)
	w.sameKey(1)
}

func TestADeviceForgetsABitOnlyWhileItWasNotUsed(t *testing.T) {
	w := newWire(t, 3, keyed(t, 2))
	w.pair()
	w.run(3000, func() bool { return w.d.roll.cur.Number == 2 && !w.c.busy() })
	var out PairOut
	number := w.d.roll.cur.Number
	w.d.now, w.d.out = w.now, &out
	if err := w.d.sendControl(Ack{}); err != nil {
		t.Fatal(err)
	}
	w.d.bit(Bit{Index: w.d.roll.index - 1})
	if w.d.roll.cur.Number != number || w.d.cycle.open {
		t.Error("a key was taken back after a message went out under it")
	}
}

func TestOnePairingAtATime(t *testing.T) {
	w := newWire(t, 1, keyed(t, 2))
	w.pair()
	var out PairOut
	w.d.Frame(&can.Event{Time: w.now, Frame: frameOf(control, AppendControl(nil, deviceAddress, Pair{KeyID: 2, Period: 10}))}, &out)
	if len(out.Frames) != 1 || string(out.Frames[0].Payload()) != string([]byte{deviceAddress, byte(AbortBusy)}) || !w.d.Paired() {
		t.Errorf("a second PAIR: %+v", out)
	}
	w.put(1, &out) // the configurator hears that somebody was told so
	w.run(1500, func() bool { return false })
	if !w.c.Paired() {
		t.Error("the configurator took ABORT busy for its own")
	}
}

func TestThreeFailedProofsShutTheDeviceForTenSeconds(t *testing.T) {
	w := newWire(t, 1, keyed(t, 2))
	guess := func() (last []byte) {
		for _, m := range []Control{Pair{KeyID: 2, Period: 10}, Confirm{[4]byte{1, 2, 3, 4}}} {
			var out PairOut
			w.now += millisecond
			w.d.Frame(&can.Event{Time: w.now, Frame: frameOf(control, AppendControl(nil, deviceAddress, m))}, &out)
			last = nil
			for _, f := range out.Frames {
				last = f.Payload()
			}
		}
		return last
	}
	for range 3 {
		if got := guess(); !bytes.Equal(got, []byte{deviceAddress, byte(AbortProofFailed)}) {
			t.Fatalf("answer to a guess: % x", got)
		}
	}
	begun := w.now
	w.do(w.c.Pair)
	if c, _ := w.ended(); c.Reason != AbortBusy {
		t.Errorf("within ten seconds: %+v", c)
	}
	w.now = begun + guessPause
	w.events = nil
	w.pair()
}

// Whoever has no key can end a pairing or keep it from beginning: he cannot enter
// it, nor change a slot.
func TestForgedMessagesOfAPairing(t *testing.T) {
	for name, r := range map[string]struct {
		id      Word
		data    []byte
		reasons []AbortReason // of the end on both sides; none: it goes on
	}{
		"PAIR":            {control, AppendControl(nil, deviceAddress, Pair{KeyID: 2, Period: 10}), []AbortReason{AbortManipulation}},
		"BIT":             {control, AppendControl(nil, deviceAddress, Bit{}), []AbortReason{AbortManipulation}},
		"FLIP":            {control, AppendControl(nil, deviceAddress, Flip{Flip: true}), []AbortReason{AbortManipulation}},
		"SAVEKEY":         {control, AppendControl(nil, deviceAddress, SaveKey{1}), []AbortReason{AbortManipulation}},
		"ERASEKEY":        {control, AppendControl(nil, deviceAddress, EraseKey{2}), []AbortReason{AbortManipulation}},
		"preamble":        {control, []byte{0x80 | deviceAddress, 0, 0x70, 1, 0, 0, 9, 9}, []AbortReason{AbortManipulation}},
		"CONFIRM":         {control | deviceAddress, AppendControl(nil, deviceAddress, Confirm{}), []AbortReason{AbortManipulation}},
		"ACK":             {control | deviceAddress, AppendControl(nil, deviceAddress, Ack{CodeBit, 0}), []AbortReason{AbortManipulation}},
		"ABORT":           {control | deviceAddress, AppendControl(nil, deviceAddress, Abort{AbortUser}), []AbortReason{AbortUser, AbortManipulation}},
		"another context": {control, AppendControl(nil, 5, Abort{AbortUser}), nil},
		"GROUP":           {control, AppendControl(nil, 0, Group{}), nil},
		"a heartbeat":     {control | deviceAddress, []byte{0x80, 1, 2, 3, 4}, nil},
		"a claim":         {0x010, nil, nil},
		"no control":      {control, []byte{0xF0 | deviceAddress}, []AbortReason{AbortManipulation}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, 11, keyed(t, 2))
			w.pair()
			w.run(400, func() bool { return false })
			w.attack(r.id, r.data...)
			w.run(1200, func() bool { return false })
			if r.reasons == nil {
				if !w.c.Paired() || !w.d.Paired() {
					t.Errorf("ended: %+v", w.last())
				}
				return
			}
			c, d := w.ended()
			for _, e := range []PairEvent{c, d} {
				if !contains(r.reasons, e.Reason) {
					t.Errorf("ended for %+v, want %v", e, r.reasons)
				}
			}
			if w.d.d.Slots.Stored() != 1<<2 || w.c.c.Slots.Stored() != 1<<2 {
				t.Error("a slot has changed")
			}
		})
	}
}

func contains(all []AbortReason, r AbortReason) bool {
	for _, a := range all {
		if a == r {
			return true
		}
	}
	return false
}

// A device whose configurator does not hear the attacker defends itself.
func TestForgedRequestsAtTheDeviceAlone(t *testing.T) {
	w := newWire(t, 12, keyed(t, 2))
	w.pair()
	w.save(1)
	w.do(func(now int64, out *PairOut) error { return w.c.Erase(now, 1, out) })
	w.run(1000, func() bool { return of(w.events, PairErased) != nil })
	var saved [][]byte // preamble and SAVEKEY
	for i, f := range w.log[1:] {
		if f.from == 0 && f.frame.Len == 3 && f.frame.Data[0]>>4 == byte(CodeSaveKey) {
			saved = [][]byte{bytes.Clone(w.log[i].frame.Payload()), bytes.Clone(f.frame.Payload())}
		}
	}
	feed := func(frames ...[]byte) (out PairOut) {
		for _, b := range frames {
			w.now += 100_000
			w.d.Frame(&can.Event{Time: w.now, Frame: frameOf(control, b)}, &out)
		}
		return out
	}
	stored := w.d.d.Slots.Stored()
	if feed(saved...); w.d.Counter(ReplayedSeq) != 1 {
		t.Errorf("replayed SAVEKEY: counters %v", w.d.counts)
	}
	if feed(saved[1]); w.d.Counter(NoPreamble) != 1 {
		t.Errorf("SAVEKEY without a preamble: counters %v", w.d.counts)
	}
	other := bytes.Clone(saved[1])
	other[1] = 2
	if feed(saved[0], other); w.d.Counter(BadSignature) != 1 {
		t.Errorf("SAVEKEY of another slot: counters %v", w.d.counts)
	}
	feed(saved[0])
	w.now += 20 * millisecond
	if out := (PairOut{}); true {
		w.d.Tick(w.now, &out)
	}
	if w.d.Counter(NoMessage) != 1 {
		t.Errorf("preamble alone: counters %v", w.d.counts)
	}
	if w.d.d.Slots.Stored() != stored || !w.d.Paired() {
		t.Error("a forged request had an effect")
	}
	again := newWire(t, 13, func(s *setup) { keyed(t, 2)(s) })
	again.pair()
	w = again
	if feed(saved...); w.d.Counter(BadSignature) != 1 || w.d.d.Slots.Has(1) {
		t.Error("SAVEKEY of an earlier pairing")
	}
}

// A guess of a secured request is right once in 65,536; three wrong ones in a row
// end the pairing.
func TestGuessedRequestsEndThePairing(t *testing.T) {
	w := newWire(t, 12, keyed(t, 2))
	w.pair()
	for i := range 3 {
		p := Preamble{Count: 1, Context: deviceAddress, Word: control, Seq: 5, Signature: [2]byte{byte(i), 77}}
		b := p.Bytes()
		var out PairOut
		w.d.Frame(&can.Event{Time: w.now, Frame: frameOf(control, b[:])}, &out)
		w.d.Frame(&can.Event{Time: w.now, Frame: frameOf(control, AppendControl(nil, deviceAddress, EraseKey{2}))}, &out)
		w.heard = append(w.heard, out.Events...)
	}
	if e := of(w.heard, PairEnded); e == nil || e.Reason != AbortProofFailed || !w.d.d.Slots.Has(2) {
		t.Errorf("after three guesses: %+v", e)
	}
}

// Claims of a third node make cycles worthless, and three of them end the
// pairing. One in place of a claim makes the two bits differ: the proof shows it.
func TestForgedClaims(t *testing.T) {
	w := newWire(t, 14, blank)
	w.tap = func(w *wire, f *flight) bool {
		if f.from == 1 && f.frame.ID == 0x011 {
			w.attack(0x010)
		}
		return true
	}
	w.do(w.c.Pair)
	if c, d := w.ended(); c.Reason != AbortManipulation || d.Reason != AbortManipulation || w.c.Counter(BitAnomaly) == 0 {
		t.Errorf("a third claim: %+v, %+v", c, d)
	}

	w = newWire(t, 14, blank)
	done := false
	w.tap = func(w *wire, f *flight) bool {
		// both claim 0, which merges on the wire; the attacker adds claim 1
		if c := &w.c.cycle; !done && c.open && w.d.cycle.open && c.mine == 0 && w.d.cycle.mine == 0 && f.frame.Len == 0 {
			if c.claimed && w.d.cycle.claimed {
				done = true
				w.attack(0x011)
			}
			return false
		}
		return true
	}
	w.do(w.c.Pair)
	if c, _ := w.ended(); !done || c.Reason != AbortProofFailed {
		t.Errorf("bits that differ: %v, %+v", done, c)
	}
}

// When the dynamic keys differ, no secured message passes and the pairing ends.
func TestKeysThatDifferEndThePairing(t *testing.T) {
	w := newWire(t, 14, keyed(t, 4))
	w.pair()
	w.d.roll.cur.Dyn = w.d.roll.cur.Dyn.Shifted(true)
	w.do(func(now int64, out *PairOut) error { return w.c.Erase(now, 4, out) })
	if c, d := w.ended(); c.Reason != AbortProofFailed || d.Reason != AbortProofFailed || !w.d.d.Slots.Has(4) {
		t.Errorf("%+v, %+v", c, d)
	}
}

func TestNothingPrintsTheKeysOfAPairing(t *testing.T) {
	preset := fixed[Key]("a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2")
	w := newWire(t, 1, func(s *setup) { keyed(t, 2)(s); s.c.Preset = &preset })
	w.pair()
	w.c.roll.cur.Dyn, w.d.roll.cur.Dyn = preset, preset
	w.c.roll.bits, w.d.roll.bits = preset, preset
	var out bytes.Buffer
	text, js := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{w.c, *w.c, w.d, *w.d, w.c.c, w.d.d, w.c.c.Slots, *w.d.d.Slots, w.c.pairing, w.events, w.c.c.Preset,
		struct{ D *Device }{w.d}, fmt.Errorf("x: %v", w.c), PairOut{Events: w.events}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%08b"} {
			fmt.Fprintf(&out, verb+" ", v)
		}
		text.Info("pairing", "v", v)
		js.Info("pairing", "v", v)
		json.NewEncoder(&out).Encode(v) // functions do not encode
	}
	for _, leak := range []string{"a2a2", "A2A2", "162 162", "162,162", "0xa2, 0xa2", "10100010 10100010", "oqKi"} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("%q stands in the output: %.100s", leak, out.String()[max(0, i-50):])
		}
	}
	if !strings.Contains(out.String(), "pairing of device 3: paired") || !strings.Contains(out.String(), "slots[2]") {
		t.Errorf("the output says nothing: %.300s", out.String())
	}
}

// FuzzPairing lets a bus of anything run against both sides. Each frame is a
// byte of time, one that chooses an identifier, a length and data.
func FuzzPairing(f *testing.F) {
	for _, on := range []uint8{0, 2} {
		w := newWire(f, 1, func(s *setup) {
			blank(s)
			if on != 0 {
				keyed(f, on)(s)
			}
		})
		w.pair()
		w.save(1)
		var script []byte
		for _, x := range w.log[:min(len(w.log), 300)] {
			script = append(script, 10, byte(x.from), x.frame.Len)
			script = append(script, x.frame.Payload()...)
		}
		f.Add(on == 0, script)
	}
	f.Fuzz(func(t *testing.T, open bool, script []byte) {
		w := newWire(t, 1, func(s *setup) {
			if blank(s); !open {
				keyed(t, 2)(s)
			}
			s.c.Table, s.d.Table = pairTable(t), pairTable(t)
		})
		w.do(w.c.Pair)
		ids := []Word{control, control | deviceAddress, 0x010, 0x011, 0x300, 0x301, control | 4, 0x5}
		for steps := 0; len(script) >= 3; {
			end := w.now + int64(script[0])*200_000
			w.run(int64(script[0])/5, func() bool { steps++; return steps > 200_000 })
			if steps > 200_000 {
				t.Fatal("time stands still")
			}
			w.now = max(w.now, end)
			n := min(int(script[2]&15), 8, len(script)-3)
			e := can.Event{Time: w.now, Frame: frameOf(ids[script[1]&7], script[3:3+n])}
			for i, s := range []side{w.c, w.d} {
				var out PairOut
				if s.Frame(&e, &out); len(out.Frames) > 8 {
					t.Fatalf("%d frames for one", len(out.Frames))
				}
				w.put(i, &out)
			}
			script = script[3+n:]
		}
		if stored := w.d.d.Slots.Stored(); !open && stored&^(1<<2) != 0 {
			t.Errorf("a key came into the slots: %07b", stored)
		}
	})
}
