package cancrypt

import (
	"slices"
	"testing"

	"canseal/can"
)

// recorded lets a member send, keeps its frames from the bus, and returns them.
func (w *network) recorded(from int, messages ...can.Frame) []can.Frame {
	w.t.Helper()
	s := w.nodes[from]
	s.queue = nil
	if err := s.send(messages...); err != nil {
		w.t.Fatal(err)
	}
	var frames []can.Frame
	for _, o := range s.queue {
		frames = append(frames, o.Frame)
	}
	s.queue = nil
	return frames
}

// play gives frames to the members but their sender, some time apart.
func (w *network) play(from int, apart int64, frames ...can.Frame) {
	w.nodes[from].down = true
	for _, f := range frames {
		w.inject(w.now, f)
		w.run(1)
		w.run(apart)
	}
	w.run(15)
	w.nodes[from].down = false
}

// R14: what an attacker makes of recorded frames, and the counter that tells.
// Untouched, each recording is delivered.
func TestWhatAnAttackerMakesOfMessagesIsNotDelivered(t *testing.T) {
	one := []can.Frame{frameOf(secured, []byte{1, 2, 3, 4})}
	stream := []can.Frame{frameOf(secured, []byte{1, 2}), frameOf(0x191, []byte{3}), frameOf(secured, []byte{4})}
	flip := func(i, at int) func(f []can.Frame) []can.Frame {
		return func(f []can.Frame) []can.Frame {
			f[i].Data[at] ^= 1
			return f
		}
	}
	for name, c := range map[string]struct {
		from     int
		messages []can.Frame
		apart    int64
		attack   func(f []can.Frame) []can.Frame
		counter  Counter
	}{
		"changed data":               {0, one, 0, flip(1, 0), BadSignature},
		"changed signature":          {0, one, 0, flip(0, 7), BadSignature},
		"changed number":             {0, one, 0, flip(0, 1), BadSignature},
		"two epochs ahead":           {0, one, 0, func(f []can.Frame) []can.Frame { f[0].Data[1] ^= 0x80; return f }, Desync},
		"longer":                     {0, one, 0, func(f []can.Frame) []can.Frame { f[1].DLC, f[1].Len = 5, 5; return f }, BadSignature},
		"shorter":                    {0, one, 0, func(f []can.Frame) []can.Frame { f[1].DLC, f[1].Len = 3, 3; return f }, BadSignature},
		"in the name of another":     {0, one, 0, func(f []can.Frame) []can.Frame { f[0].ID++; return f }, NoPreamble},
		"in another format":          {0, one, 0, func(f []can.Frame) []can.Frame { f[1].Flags |= can.Extended; return f }, NoMessage},
		"as an FD frame":             {0, one, 0, func(f []can.Frame) []can.Frame { f[1].Flags |= can.FD; return f }, NoPreamble},
		"for another identifier":     {0, one, 0, func(f []can.Frame) []can.Frame { f[1].ID = 0x191; return f }, NoPreamble},
		"without its preamble":       {0, one, 0, func(f []can.Frame) []can.Frame { return f[1:] }, NoPreamble},
		"the preamble alone":         {0, one, 0, func(f []can.Frame) []can.Frame { return f[:1] }, NoMessage},
		"R12: more than 10 ms later": {0, one, 10, nil, NoMessage},
		"AES pair, changed":          {1, []can.Frame{frameOf(blocked, []byte{1})}, 0, flip(1, 3), BadSignature},
		"AES pair, halves swapped": {1, []can.Frame{frameOf(blocked, []byte{1})}, 0, func(f []can.Frame) []can.Frame {
			f[0].Data, f[1].Data = f[1].Data, f[0].Data
			return f
		}, BadSignature},
		"stream in another order": {0, stream, 0, func(f []can.Frame) []can.Frame {
			f[2], f[1] = f[1], f[2]
			return f
		}, NoPreamble},
		"stream without a message":        {0, stream, 0, func(f []can.Frame) []can.Frame { return slices.Delete(f, 2, 3) }, NoMessage},
		"stream without its epilog":       {0, stream, 0, func(f []can.Frame) []can.Frame { return f[:4] }, NoMessage},
		"stream with a changed message":   {0, stream, 0, flip(2, 0), BadSignature},
		"stream with another epilog":      {0, stream, 0, flip(4, 1), BadSignature},
		"stream with a signature in head": {0, stream, 0, flip(0, 6), BadSignature},
		"stream, epilog more than 10 ms later": {0, stream, 0, func(f []can.Frame) []can.Frame {
			f[4].ID = 0x7FF // stands for nothing in time
			return f
		}, NoMessage},
	} {
		w := grouping(t, 3, nil)
		w.play(c.from, 0, w.recorded(c.from, c.messages...)...)
		b := w.nodes[2]
		if len(b.delivered) != len(c.messages) {
			t.Fatalf("%s: untouched, %d messages are delivered", name, len(b.delivered))
		}
		frames := w.recorded(c.from, c.messages...)
		if c.attack != nil {
			frames = c.attack(frames)
		}
		w.play(c.from, c.apart, frames...)
		if len(b.delivered) != len(c.messages) || b.m.Counters()[c.counter] == 0 {
			t.Errorf("%s: %d messages delivered, counters %v", name, len(b.delivered), b.m.Counters())
		}
	}
}

// A recording is delivered once, however often it is played, under its key and
// under later ones.
func TestReplaysAreNotDelivered(t *testing.T) {
	w := grouping(t, 3, nil)
	w.run(200)
	frames := w.recorded(0, frameOf(secured, []byte{1}))
	b := w.nodes[2]
	for range 5 {
		w.play(0, 0, frames...)
	}
	if n := b.m.Counters()[ReplayedSeq]; len(b.delivered) != 1 || n != 4 {
		t.Errorf("%d delivered, %d replays", len(b.delivered), n)
	}
	for range 8 { // the epoch's two bits come round twice
		w.nextCycle()
		w.play(0, 0, frames...)
	}
	if len(b.delivered) != 1 {
		t.Errorf("%d delivered after key updates", len(b.delivered))
	}
}

// Nine wrong signatures in a sender's name under a key: nothing of it is
// delivered until the next key.
func TestAGuessedSenderIsNotDelivered(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nextCycle()
	b := w.nodes[2]
	for range 9 {
		frames := w.recorded(0, frameOf(secured, []byte{1}))
		frames[0].Data[6] ^= 1
		w.nodes[0].down = true
		for _, f := range frames {
			w.inject(w.now, f)
		}
		w.run(2)
		w.nodes[0].down = false
	}
	w.nodes[0].send(frameOf(secured, []byte{2}))
	w.run(5)
	if len(b.delivered) != 0 || b.events[UnderGuessing] != 1 {
		t.Errorf("delivered %v, events %v", b.delivered, b.events)
	}
	w.nextCycle()
	w.nodes[0].send(frameOf(secured, []byte{3}))
	w.run(5)
	if len(b.delivered) != 1 {
		t.Errorf("delivered %v under the next key", b.delivered)
	}
}

// Guessed heartbeats in the name of an absent member, of which one in 256 is
// right, change the key of all alike, or start the group anew.
func TestGuessedHeartbeatsChangeTheKeyOfAllAlike(t *testing.T) {
	w := grouping(t, 4, nil)
	w.run(200)
	w.nodes[3].down = true
	guessed := 0
	for range 4000 {
		a := w.nodes[0].m
		b := []byte{0x80 | byte(a.cur.Number&3), byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.rng.Uint32())}
		was := a.Counters()[BadHeartbeat]
		w.inject(w.now, frameOf(control+4, b))
		w.run(2)
		if a.curKey != 0 && !a.joining && a.Counters()[BadHeartbeat] == was {
			guessed++
		}
		for _, s := range w.nodes[:3] {
			if s.m.cur.Dyn != a.cur.Dyn || s.m.State() == StateSilent || s.m.State() == StateOff {
				t.Fatalf("member %d in %v has another key", s.i+1, s.m.State())
			}
		}
	}
	if guessed == 0 {
		t.Error("no guess was right")
	}
	w.nodes[3].down, w.nodes[3].queue = false, nil
	w.run(9000)
	w.agreed("when it is over")
}
