package cancrypt

import (
	"math/rand/v2"
	"testing"

	"canseal/can"
)

// side is what a device and a configurator have in common.
type side interface {
	Frame(e *can.Event, out *PairOut)
	Tick(now int64, out *PairOut)
	Next() int64
	State() PairState
	Counter(c Counter) uint16
}

// wire is a bus in memory with a configurator, a device and whoever taps it,
// under a time of its own. Frames need 120 us each and keep their order.
type wire struct {
	t     testing.TB
	now   int64
	busy  int64 // until when the bus is taken
	queue []flight
	c     *Configurator
	d     *Device
	log   []flight

	random *rand.Rand
	lose   float64 // share of frames that the other side does not hear
	twice  float64 // that it hears twice
	late   int64   // most that it hears them later, in ns

	// tap sees each frame before it arrives; it may add frames, and a false
	// answer takes the frame off the bus.
	tap    func(w *wire, f *flight) bool
	events []PairEvent // of the configurator
	heard  []PairEvent // of the device
	got    []PairMessage
}

// flight is a frame on its way. from: 0 configurator, 1 device, 2 an attacker.
type flight struct {
	at    int64
	from  int
	frame can.Frame
}

const deviceAddress = 3

func pairOptions(random *rand.Rand) PairOptions {
	return PairOptions{
		Device: deviceAddress, Control: control, Claims: [2]Word{0x010, 0x011},
		Methods: NewMethods(PadSpeck, SpeckMAC), Period: 1000 * millisecond,
		Random: func(b []byte) {
			for i := range b {
				b[i] = byte(random.Uint32())
			}
		},
	}
}

// setup is what a test changes before the two sides are made.
type setup struct {
	d DeviceOptions
	c ConfiguratorOptions
}

func newWire(t testing.TB, seed uint64, change func(s *setup)) *wire {
	t.Helper()
	w := &wire{t: t, now: 1e15, random: rand.New(rand.NewPCG(seed, 1))}
	o := pairOptions(w.random)
	s := &setup{d: DeviceOptions{PairOptions: o, Slots: newSlots(t, nil)}, c: ConfiguratorOptions{PairOptions: o, Slots: newSlots(t, nil)}}
	if change != nil {
		change(s)
	}
	var err error
	if w.d, err = NewDevice(s.d); err != nil {
		t.Fatal(err)
	}
	if w.c, err = NewConfigurator(s.c); err != nil {
		t.Fatal(err)
	}
	return w
}

func newSlots(t testing.TB, keys map[uint8]Key) *Slots {
	t.Helper()
	s, err := NewSlots(keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keyed gives both sides the same key in a slot and pairs on it.
func keyed(t testing.TB, id uint8) func(s *setup) {
	return func(s *setup) {
		k := testKey(id)
		s.d.Slots, s.c.Slots, s.c.KeyID = newSlots(t, map[uint8]Key{id: k}), newSlots(t, map[uint8]Key{id: k}), id
	}
}

// blank pairs with a blank device that was opened for it.
func blank(s *setup) { s.d.Open = true }

func testKey(id uint8) (k Key) {
	for i := range k {
		k[i] = 0xA0 + id
	}
	return k
}

// put queues what a side wants to send.
func (w *wire) put(from int, out *PairOut) {
	for _, f := range out.Frames {
		w.send(from, f)
	}
	if from == 0 {
		w.events = append(w.events, out.Events...)
	} else {
		w.heard = append(w.heard, out.Events...)
	}
	w.got = append(w.got, out.Messages...)
}

func (w *wire) send(from int, f can.Frame) {
	w.busy = max(w.busy, w.now) + 120_000
	w.queue = append(w.queue, flight{w.busy, from, f})
}

// attack sends a frame of somebody else.
func (w *wire) attack(id Word, data ...byte) { w.send(2, frameOf(id, data)) }

// do lets the configurator begin something.
func (w *wire) do(begin func(now int64, out *PairOut) error) {
	w.t.Helper()
	var out PairOut
	if err := begin(w.now, &out); err != nil {
		w.t.Fatal(err)
	}
	w.put(0, &out)
}

// next is when something happens.
func (w *wire) next() int64 {
	at := min(w.c.Next(), w.d.Next())
	if len(w.queue) > 0 {
		at = min(at, w.queue[0].at)
	}
	return at
}

// step goes to the next thing that happens.
func (w *wire) step() {
	w.now = max(w.now, w.next())
	if len(w.queue) > 0 && w.queue[0].at <= w.now {
		f := w.queue[0]
		w.queue = w.queue[1:]
		w.log = append(w.log, f)
		if w.tap == nil || w.tap(w, &f) {
			w.deliver(f)
		}
		return
	}
	for i, s := range []side{w.c, w.d} {
		if s.Next() <= w.now {
			var out PairOut
			s.Tick(w.now, &out)
			w.put(i, &out)
		}
	}
}

func (w *wire) deliver(f flight) {
	for i, s := range []side{w.c, w.d} {
		if i == f.from {
			var out PairOut
			s.Frame(&can.Event{Time: w.now, Dir: can.Tx, Frame: f.frame}, &out)
			w.put(i, &out)
			continue
		}
		if w.random.Float64() < w.lose {
			continue
		}
		if w.late > 0 {
			w.now += w.random.Int64N(w.late)
		}
		for range 1 + int(bit(w.random.Float64() < w.twice, 1)) {
			var out PairOut
			s.Frame(&can.Event{Time: w.now, Frame: f.frame}, &out)
			w.put(i, &out)
		}
	}
}

// run goes on until something is so, at most for a time in ms.
func (w *wire) run(ms int64, until func() bool) bool {
	for end := w.now + ms*millisecond; !until(); w.step() {
		if w.next() > end {
			w.now = end
			return until()
		}
	}
	return true
}

// pair lets the two be paired.
func (w *wire) pair() {
	w.t.Helper()
	w.do(w.c.Pair)
	if !w.run(60_000, func() bool { return w.c.Paired() && w.d.Paired() }) {
		w.t.Fatalf("not paired: %v, %v; %+v; %+v", w.c.State(), w.d.State(), w.last(), w.heard[max(0, len(w.heard)-3):])
	}
}

func (w *wire) last() PairEvent {
	if len(w.events) == 0 {
		return PairEvent{}
	}
	return w.events[len(w.events)-1]
}

// of returns the newest event of a kind.
func of(events []PairEvent, k PairEventKind) *PairEvent {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind == k {
			return &events[i]
		}
	}
	return nil
}

func (w *wire) save(id uint8) {
	w.t.Helper()
	w.do(func(now int64, out *PairOut) error { return w.c.Save(now, id, out) })
	if !w.run(60_000, func() bool { return of(w.events, PairSaved) != nil && of(w.events, PairSaved).KeyID == id }) {
		w.t.Fatalf("not saved: %+v", w.last())
	}
}

// ended waits for the end of the pairing on both sides and returns why.
func (w *wire) ended() (configurator, device PairEvent) {
	w.t.Helper()
	if !w.run(20_000, func() bool { return w.c.State() == PairIdle && w.d.State() == PairIdle }) {
		w.t.Fatalf("not ended: %v, %v", w.c.State(), w.d.State())
	}
	if e := of(w.events, PairEnded); e != nil {
		configurator = *e
	}
	if e := of(w.heard, PairEnded); e != nil {
		device = *e
	}
	return configurator, device
}

func (w *wire) sameKey(id uint8) {
	w.t.Helper()
	a, aok := w.c.c.Slots.Key(id)
	b, bok := w.d.d.Slots.Key(id)
	if !aok || !bok || a != b {
		w.t.Errorf("slot %d: the two sides do not hold the same key", id)
	}
}
