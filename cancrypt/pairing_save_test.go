package cancrypt

import (
	"errors"
	"testing"
)

// isAck reports whether a frame is the ACK of a request.
func isAck(f *flight, of Code) bool {
	return f.from == 1 && f.frame.Len == 3 && f.frame.Data[0]>>4 == byte(CodeAck) && f.frame.Data[1] == byte(of)
}

// A request whose ACK was lost is repeated, and acknowledged without effect.
func TestASaveWhoseAckIsLostIsNotDoneTwice(t *testing.T) {
	for _, r := range []struct {
		name  string
		lost  int
		saved bool
	}{{"once", 1, true}, {"twice", 2, true}, {"each time", 3, false}} {
		t.Run(r.name, func(t *testing.T) {
			kept, lost := 0, 0
			w := newWire(t, 21, func(s *setup) {
				blank(s)
				s.d.Slots, _ = NewSlots(nil, func(uint8, *Key) error { kept++; return nil })
			})
			w.tap = func(_ *wire, f *flight) bool {
				if isAck(f, CodeSaveKey) && lost < r.lost {
					lost++
					return false
				}
				return true
			}
			w.pair()
			w.do(func(now int64, out *PairOut) error { return w.c.Save(now, 4, out) })
			w.run(10_000, func() bool { return of(w.events, PairSaved) != nil || w.c.State() == PairIdle })
			if (of(w.events, PairSaved) != nil) != r.saved || kept != 1 {
				t.Errorf("%+v; the device kept %d keys", w.last(), kept)
			}
			w.sameKey(4) // also when nobody told the configurator
		})
	}
}

var errDisk = errors.New("disk full")

// What a device cannot keep it does not acknowledge, and a key that the
// configurator itself cannot keep is not sent on its way.
func TestAKeyThatCannotBeKept(t *testing.T) {
	fails := func(uint8, *Key) error { return errDisk }
	w := newWire(t, 22, func(s *setup) { blank(s); s.d.Slots, _ = NewSlots(nil, fails) })
	w.pair()
	w.do(func(now int64, out *PairOut) error { return w.c.Save(now, 4, out) })
	if c, _ := w.ended(); c.Reason != AbortNotAllowed || !c.Peer || w.d.d.Slots.Has(4) || w.c.c.Slots.Has(4) {
		t.Errorf("the device's disk: %+v, slots %v and %v", c, w.d.d.Slots, w.c.c.Slots)
	}

	w = newWire(t, 22, func(s *setup) { blank(s); s.c.Slots, _ = NewSlots(nil, fails) })
	w.pair()
	w.do(func(now int64, out *PairOut) error { return w.c.Save(now, 4, out) })
	w.run(2000, func() bool { return of(w.events, PairRefused) != nil })
	if e := of(w.events, PairRefused); e == nil || !errors.Is(e.Err, errDisk) || w.d.d.Slots.Has(4) || !w.c.Paired() {
		t.Errorf("the configurator's disk: %+v", e)
	}
}

func TestSlotsOfTheirOwner(t *testing.T) {
	s := newSlots(t, map[uint8]Key{3: testKey(3)})
	if err := s.Put(3, testKey(3)); err != nil {
		t.Errorf("the same key again: %v", err)
	}
	if err := s.Put(3, testKey(4)); !errors.Is(err, ErrTaken) {
		t.Errorf("another key: %v", err)
	}
	for _, id := range []uint8{0, 7, 255} {
		if err := s.Put(id, testKey(1)); !errors.Is(err, ErrNoSlot) || s.Has(id) || SlotName(id) != "" {
			t.Errorf("slot %d: %v", id, err)
		}
		if err := s.Erase(id); !errors.Is(err, ErrNoSlot) {
			t.Errorf("erase slot %d: %v", id, err)
		}
	}
	if _, err := NewSlots(map[uint8]Key{7: {}}, nil); !errors.Is(err, ErrNoSlot) {
		t.Errorf("slots with a seventh: %v", err)
	}
	if err := s.Erase(3); err != nil || !s.Blank() {
		t.Errorf("erased: %v, %v", err, s)
	}
	if k, ok := s.Key(3); ok || k != (Key{}) {
		t.Error("an empty slot hands on a key")
	}
}

func TestPairingsThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(s *setup){
		"device 0":            func(s *setup) { s.d.Device = 0 },
		"device 16":           func(s *setup) { s.d.Device = 16 },
		"a taken low nibble":  func(s *setup) { s.d.Control = 0x171 },
		"claims that are one": func(s *setup) { s.d.Claims[1] = s.d.Claims[0] },
		"a claim as control":  func(s *setup) { s.d.Claims[1] = control | 9 },
		"no period":           func(s *setup) { s.d.Period = 0 },
		"a long period":       func(s *setup) { s.d.Period = 25_600 * millisecond },
		"a period of 150 ms":  func(s *setup) { s.d.Period = 150 * millisecond },
		"periods that differ": func(s *setup) { s.d.Period = 500 * millisecond },
		"reserved methods":    func(s *setup) { s.d.Methods |= 1 },
		"no random":           func(s *setup) { s.d.Random = nil },
		"no slots":            func(s *setup) { s.d.Slots = nil },
	} {
		o := pairOptions(nil)
		s := &setup{d: DeviceOptions{PairOptions: o, Slots: newSlots(t, nil)}}
		change(s)
		if _, err := NewDevice(s.d); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := pairOptions(nil)
	if _, err := NewConfigurator(ConfiguratorOptions{PairOptions: o, KeyID: 4, Slots: newSlots(t, nil)}); !errors.Is(err, ErrNoKey) {
		t.Errorf("a slot without a key: %v", err)
	}
	for period, want := range map[int64]Methods{5e8: 0, 1e9: 1 << 10, 2e9: 2 << 10, 7e8: 3 << 10} {
		if m := NewMethods(PadSpeck, SpeckMAC).ForPairing(period, true, true); m&(3<<10) != want || !m.Direct() || !m.Serial() {
			t.Errorf("period %d: methods %04x", period, uint16(m))
		}
	}
}
