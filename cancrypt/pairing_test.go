package cancrypt

import (
	"errors"
	"testing"

	"canseal/can"
)

func TestTwoPartiesGenerateAKeyAndPairOnIt(t *testing.T) {
	for _, direct := range []bool{false, true} {
		w := newWire(t, 7, func(s *setup) {
			blank(s)
			m := s.d.Methods.ForPairing(1000*millisecond, direct, false)
			s.d.Methods, s.c.Methods = m, m
		})
		begun := w.now
		w.pair()
		t.Logf("direct %v: paired after %.2f s and %d cycles", direct, float64(w.now-begun)/1e9, of(w.events, PairDone).Cycles)
		w.save(3)
		w.sameKey(3)
		w.do(w.c.Unpair)
		w.ended()

		again := newWire(t, 8, func(s *setup) {
			m := s.d.Methods.ForPairing(1000*millisecond, direct, false)
			s.d.Methods, s.c.Methods = m, m
			s.d.Slots, s.c.Slots, s.c.KeyID = w.d.d.Slots, w.c.c.Slots, 3
		})
		again.pair()
	}
}

func TestR18SerialNumberBindsAPairing(t *testing.T) {
	serial := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	bound := func(s *setup) {
		keyed(t, 2)(s)
		m := s.d.Methods.ForPairing(1000*millisecond, false, true)
		s.d.Methods, s.c.Methods, s.d.Serial = m, m, serial
	}
	w := newWire(t, 1, func(s *setup) { bound(s); s.c.Serial = serial })
	w.pair()
	dyn := w.c.roll.cur.Dyn
	if dyn != PairStart(testKey(2), 2, deviceAddress, w.c.nonces[0], w.c.nonces[1], serial) {
		t.Error("the start key is not that of the serial number")
	}

	w = newWire(t, 1, func(s *setup) { bound(s); s.c.Serial = [8]byte{9} })
	w.do(w.c.Pair)
	if c, _ := w.ended(); c.Reason != AbortMismatch {
		t.Errorf("another serial number than expected: %+v", c)
	}

	w = newWire(t, 1, bound)
	w.tap = func(w *wire, f *flight) bool {
		if f.frame.Len == 6 && f.frame.Data[0]>>4 == byte(CodeXIdentify) {
			f.frame.Data[3] ^= 1 // poses as another device
		}
		return true
	}
	w.do(w.c.Pair)
	if c, _ := w.ended(); c.Reason != AbortProofFailed || w.d.Paired() {
		t.Errorf("a serial number that is not the device's: %+v", c)
	}
}

func TestR5AndR6PairingUpdatesItsKeyBitByBit(t *testing.T) {
	w := newWire(t, 2, keyed(t, 4))
	w.pair()
	for range 20 {
		before, number := w.c.roll.cur.Dyn, w.c.roll.cur.Number
		if !w.run(2000, func() bool { return w.c.roll.cur.Number != number }) {
			t.Fatal("no update in two periods")
		}
		if now := w.c.roll.cur.Dyn; now != before.Shifted(false) && now != before.Shifted(true) || w.c.roll.prev.Dyn != before {
			t.Fatal("the key was not shifted right by one bit")
		}
		if w.c.roll.cur != w.d.roll.cur || w.d.roll.prev.Dyn != before {
			t.Fatal("the two sides differ")
		}
	}
}

func TestR3AndR4WhoMaySaveAndErase(t *testing.T) {
	for _, r := range []struct {
		name    string
		stored  []uint8 // at the device
		on      uint8   // 0: pairing that generates a key
		do      string
		id      uint8
		allowed bool
	}{
		{"a blank device takes any slot", nil, 0, "save", 6, true},
		{"level 0 saves nothing on a device that has a key", []uint8{1}, 0, "save", 2, false},
		{"level 0 erases nothing", []uint8{1}, 0, "erase", 1, false},
		{"a slot below", []uint8{4}, 4, "save", 2, true},
		{"a slot above", []uint8{4}, 4, "save", 5, false},
		{"a slot that is taken", []uint8{4, 2}, 4, "save", 2, false},
		{"the own slot, taken", []uint8{4}, 4, "save", 4, false},
		{"erase below", []uint8{4, 2}, 4, "erase", 2, true},
		{"erase the own level", []uint8{4}, 4, "erase", 4, true},
		{"erase above", []uint8{4, 5}, 4, "erase", 5, false},
		{"slot 0", []uint8{4}, 4, "erase", 0, false},
		{"slot 7", []uint8{6}, 6, "save", 7, false},
	} {
		t.Run(r.name, func(t *testing.T) {
			w := newWire(t, 5, func(s *setup) {
				keys := map[uint8]Key{}
				for _, id := range r.stored {
					keys[id] = testKey(id)
				}
				s.d.Slots, s.d.Open = newSlots(t, keys), true
				if s.c.KeyID = r.on; r.on != 0 {
					s.c.Slots = newSlots(t, map[uint8]Key{r.on: testKey(r.on)})
				}
			})
			before := w.d.d.Slots.Stored()
			w.pair()
			if r.do == "save" && isSlot(r.id) && w.c.c.Slots.Has(r.id) { // the configurator itself would refuse
				w.c.c.Slots = newSlots(t, nil)
			}
			w.do(func(now int64, out *PairOut) error {
				if r.do == "save" {
					return w.c.Save(now, r.id, out)
				}
				return w.c.Erase(now, r.id, out)
			})
			w.run(30_000, func() bool {
				return of(w.events, PairSaved) != nil || of(w.events, PairErased) != nil || of(w.events, PairRefused) != nil || w.c.State() == PairIdle
			})
			changed := w.d.d.Slots.Stored() != before
			if changed != r.allowed {
				t.Errorf("slots %07b, before %07b; %+v", w.d.d.Slots.Stored(), before, w.last())
			}
			if !r.allowed && isSlot(r.id) && (w.last().Reason != AbortNotAllowed || !w.last().Peer) {
				t.Errorf("the device said %+v", w.last())
			}
			if !r.allowed && r.do == "save" && w.c.c.Slots.Has(r.id) {
				t.Error("the configurator kept a key that the device refused")
			}
		})
	}
}

// The last 128 accepted bits are saved, and no bit is saved twice.
func TestSaveNeedsFreshBits(t *testing.T) {
	w := newWire(t, 6, keyed(t, 4))
	w.pair()
	var out PairOut
	w.d.now, w.d.out = w.now, &out
	w.d.save(SaveKey{2})
	if w.d.State() != PairIdle || w.d.d.Slots.Has(2) {
		t.Error("a key without fresh bits was saved")
	}
	w = newWire(t, 6, blank)
	w.pair()
	w.save(3)
	w.d.now, w.d.out = w.now, &out
	if w.d.save(SaveKey{3}); w.d.State() != PairPaired {
		t.Error("the repetition of a granted request ended the pairing")
	}
	w.d.save(SaveKey{2})
	if w.d.State() != PairIdle || w.d.d.Slots.Has(2) {
		t.Error("the same bits were saved twice")
	}
}

func TestPresetKeyIsForcedOnTheDevice(t *testing.T) {
	for _, on := range []uint8{0, 4} {
		preset := fixed[Key]("00112233445566778899aabbccddeeff")
		w := newWire(t, 9, func(s *setup) {
			blank(s)
			if on != 0 {
				keyed(t, on)(s)
			}
			s.c.Preset = &preset
		})
		w.pair()
		w.run(2500, func() bool { return false }) // updates come between
		w.save(3)
		w.sameKey(3)
		if k, _ := w.d.d.Slots.Key(3); k != preset {
			t.Errorf("paired on %d: another key than the preset one was saved", on)
		}
	}
}

func TestADeviceSaysWhyItDoesNotPair(t *testing.T) {
	for name, r := range map[string]struct {
		change func(s *setup)
		want   AbortReason
	}{
		"no such key":          {func(s *setup) { keyed(t, 2)(s); s.d.Slots = newSlots(t, map[uint8]Key{3: {}}) }, AbortNoSuchKey},
		"not opened":           {func(s *setup) {}, AbortNotAllowed},
		"another period":       {func(s *setup) { keyed(t, 2)(s); custom(s, 700, 800) }, AbortMismatch},
		"other methods":        {func(s *setup) { keyed(t, 2)(s); s.c.Methods = NewMethods(PadAES128, SpeckMAC) }, AbortMismatch},
		"another key":          {func(s *setup) { keyed(t, 2)(s); s.d.Slots = newSlots(t, map[uint8]Key{2: {}}) }, AbortProofFailed},
		"direct bits, delayed": {func(s *setup) { blank(s); s.c.Methods = s.c.Methods.ForPairing(1e9, true, false) }, AbortMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, 3, r.change)
			w.do(w.c.Pair)
			if c, _ := w.ended(); c.Reason != r.want {
				t.Errorf("%+v, want reason %d", c, r.want)
			}
		})
	}
}

func custom(s *setup, configurator, device int64) {
	m := s.c.Methods.ForPairing(configurator*millisecond, false, false)
	s.c.Methods, s.d.Methods = m, m
	s.c.Period, s.d.Period = configurator*millisecond, device*millisecond
}

func TestAnotherTableIsSeen(t *testing.T) {
	w := newWire(t, 3, func(s *setup) {
		keyed(t, 2)(s)
		s.c.Table = pairTable(t)
	})
	w.do(w.c.Pair)
	if c, _ := w.ended(); c.Reason != AbortTable {
		t.Errorf("%+v", c)
	}
}

func pairTable(t testing.TB) *Table {
	t.Helper()
	table, err := NewTable([]Record{
		{Word: 0x300, Producer: deviceAddress, Scope: 1, Count: 4, Signature: SpeckMAC},
		{Word: 0x301, Producer: 0, Scope: 1, First: 2, Count: 6, Signature: AESCMAC},
		{Word: 0x302, Producer: 1, Scope: 0, Signature: SpeckMAC},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A device may be paired and exchange messages of scope 1 in both directions,
// through updates of the key.
func TestSecuredMessagesOfAPairing(t *testing.T) {
	w := newWire(t, 4, func(s *setup) {
		keyed(t, 2)(s)
		s.c.Table, s.d.Table = pairTable(t), pairTable(t)
	})
	w.pair()
	sent := 0
	for range 200 {
		var out PairOut
		if err := w.c.Send(w.now, 0x301, []byte{1, 2, 3, byte(sent)}, &out); err != nil {
			t.Fatal(err)
		}
		w.put(0, &out)
		out.Reset()
		if err := w.d.Send(w.now, 0x300, []byte{4, 5, 6, 7, byte(sent)}, &out); err != nil {
			t.Fatal(err)
		}
		w.put(1, &out)
		sent += 2
		end := w.now + 37*millisecond
		w.run(37, func() bool { return false })
		w.now = end
	}
	if len(w.got) != sent || w.c.roll.cur.Number < 5 {
		t.Errorf("%d of %d messages arrived, %d updates", len(w.got), sent, w.c.roll.cur.Number)
	}
	for _, f := range w.log {
		if f.frame.ID == 0x300 && f.frame.Data[0] == 4 && f.frame.Data[1] == 5 && f.frame.Data[2] == 6 {
			t.Error("an encrypted message is in clear on the bus")
		}
	}
	var out PairOut
	if err := w.d.Send(w.now, 0x301, nil, &out); !errors.Is(err, ErrNotOwn) {
		t.Errorf("a message of the other side: %v", err)
	}
}

func TestPairingEndsWithoutProgress(t *testing.T) {
	w := newWire(t, 1, keyed(t, 2))
	w.pair()
	at := w.now
	w.tap = func(*wire, *flight) bool { return false } // the cable is cut
	c, d := w.ended()
	if c.Reason != AbortTimeout || d.Reason != AbortTimeout {
		t.Errorf("ended for %+v, %+v", c, d)
	}
	if took := w.now - at; took > 4000*millisecond || took < 2000*millisecond {
		t.Errorf("ended after %d ms, want three periods", took/millisecond)
	}
	if w.d.perm != (Key{}) || w.d.roll != (rolling{}) || w.c.perm != (Key{}) || w.c.before != (rolling{}) {
		t.Error("keys of the ended pairing are still there")
	}
}

// 128 bits need 256 cycles on average, with a deviation of 16; a cycle takes its
// window and the frames between two (2.9, P1.12).
func TestPairingTimeAgainstTheExpectation(t *testing.T) {
	const runs = 40
	for _, direct := range []bool{false, true} {
		cycles, took := 0, int64(0)
		for seed := range uint64(runs) {
			w := newWire(t, 100+seed, func(s *setup) {
				blank(s)
				m := s.d.Methods.ForPairing(1000*millisecond, direct, false)
				s.d.Methods, s.c.Methods = m, m
			})
			begun := w.now
			w.pair()
			cycles += of(w.events, PairDone).Cycles
			took += w.now - begun
		}
		mean := float64(cycles) / runs
		t.Logf("direct %v: %.1f cycles, %.2f s on average of %d pairings", direct, mean, float64(took)/runs/1e9, runs)
		if mean < 256-12 || mean > 256+12 || took/int64(cycles) > 26*millisecond {
			t.Errorf("%.1f cycles of %d us", mean, took/int64(cycles)/1000)
		}
	}
}

// A device says what it is in every state, whoever asks.
func TestADeviceIdentifiesItself(t *testing.T) {
	w := newWire(t, 1, func(s *setup) {
		keyed(t, 2)(s)
		s.d.Serial = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
		s.d.Vendor, s.d.Product, s.d.Software = [4]byte{10}, [4]byte{11}, [4]byte{12}
		s.d.Group = func() uint8 { return 3 }
		s.d.Table, s.c.Table = pairTable(t), pairTable(t)
	})
	ask := func(m Control) []can.Frame {
		var out PairOut
		w.d.Frame(&can.Event{Time: w.now, Frame: frameOf(control, AppendControl(nil, deviceAddress, m))}, &out)
		return out.Frames
	}
	for item, want := range [][4]byte{{1, 2, 3, 4}, {5, 6, 7, 8}, {10}, {11}, {12}} {
		got := ask(XIdentifyRequest{uint8(item)})
		if len(got) != 1 || string(got[0].Payload()) != string(AppendControl(nil, deviceAddress, XIdentify{uint8(item), want})) {
			t.Errorf("item %d: %+v", item, got)
		}
	}
	if got := ask(XIdentifyRequest{5}); got != nil {
		t.Errorf("an item that is not: %+v", got)
	}
	for _, state := range []uint8{3, 3 | 1<<4} {
		if state&(1<<4) != 0 {
			w.pair()
		}
		want := Identify{Version: 1, Methods: w.d.o.Methods, Stored: 1 << 2, State: state, TableCRC: uint8(w.d.o.Table.CRC())}
		got := ask(IdentifyRequest{})
		if len(got) != 1 || string(got[0].Payload()) != string(AppendControl(nil, deviceAddress, want)) {
			t.Errorf("state %#x: %+v", state, got)
		}
	}
}

// The other side may send a stream; a wrong one is not delivered.
func TestStreamsOfAPairing(t *testing.T) {
	w := newWire(t, 4, func(s *setup) {
		keyed(t, 2)(s)
		s.c.Table, s.d.Table = pairTable(t), pairTable(t)
	})
	w.pair()
	stream := func(seq uint16, spoil func(frames []can.Frame) []can.Frame) int {
		r := w.c.o.Table.Find(0x301)
		messages := make([]Message, 3)
		for i := range messages {
			messages[i] = Message{Record: *r, Len: 8, Data: [8]byte{7: byte(i)}}
		}
		head, tail := w.c.suite.Seal(&w.c.roll.cur, Place{deviceAddress, 0, seq}, messages)
		frames := []can.Frame{frameOf(control, head[:])}
		for i := range messages {
			frames = append(frames, frameOf(0x301, messages[i].Data[:]))
		}
		frames = append(frames, frameOf(control, tail[:]))
		if spoil != nil {
			frames = spoil(frames)
		}
		var out PairOut
		for i := range frames {
			w.now += millisecond
			w.d.Frame(&can.Event{Time: w.now, Frame: frames[i]}, &out)
		}
		return len(out.Messages)
	}
	if got := stream(0, nil); got != 3 {
		t.Errorf("%d messages of 3", got)
	}
	if got := stream(0, nil); got != 0 || w.d.Counter(ReplayedSeq) != 1 {
		t.Errorf("again: %d messages, counters %v", got, w.d.counts)
	}
	if got := stream(1, func(f []can.Frame) []can.Frame { return append(f[:2:2], f[3:]...) }); got != 0 || w.d.Counter(NoMessage) != 1 {
		t.Errorf("one missing: %d messages, counters %v", got, w.d.counts)
	}
	if got := stream(2, func(f []can.Frame) []can.Frame { f[2].Data[3] ^= 1; return f }); got != 0 || w.d.Counter(BadSignature) != 1 {
		t.Errorf("one changed: %d messages, counters %v", got, w.d.counts)
	}
	if got := stream(3, func(f []can.Frame) []can.Frame { f[4].Data[1]++; return f }); got != 0 || w.d.Counter(BadSignature) != 2 {
		t.Errorf("another epilog: %d messages, counters %v", got, w.d.counts)
	}
	if got := stream(4, nil); got != 3 {
		t.Errorf("after all that %d messages of 3", got)
	}
}
