package simulate

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"canseal/can"
)

// Bus is a simulated bus with a group and its attackers, in virtual time: a
// can.Source that computes its events as fast as they are read.
type Bus struct {
	o        Options
	scene    *scene
	stations []station
	r        *rand.Rand
	now, end int64
	wire     transfer
	ready    []can.Event
	closed   atomic.Bool
}

// transfer is the frame that is on the bus.
type transfer struct {
	busy  bool
	end   int64
	from  int // station
	frame sent
}

// Options describe a simulation.
type Options struct {
	Group   Group
	Devices []uint8 // of the group that take part here; nil: all
	Attacks []Attack
	Seed    uint64        // equal seeds give equal buses
	Start   int64         // ns since 1970 UTC
	Length  time.Duration // 0: endless
	BitRate int           // bit/s; 0: 500000
	Number  uint8         // of the bus in the events; 0: 1
	Loss    float64       // share of frames that a receiver misses, each for itself: devices, attackers, and the log
	Quiet   bool          // devices do not watch for manipulation
	Once    bool          // devices only listen, send GROUP once, and leave again (5.7, one GROUP per boot)
	Truth   func(*Truth)  // gets each frame that was on the bus; nil: nobody
}

// New makes a simulated bus.
func New(o Options) (*Bus, error) {
	o.complete()
	scene, err := newScene(&o.Group)
	if err != nil {
		return nil, err
	}
	b := &Bus{o: o, scene: scene, now: o.Start, end: o.end(), r: rand.New(rand.NewPCG(o.Seed, 1))}
	b.stations, err = cast{&b.o, scene, nil}.all()
	return b, err
}

// complete sets what was left out.
func (o *Options) complete() {
	if o.BitRate == 0 {
		o.BitRate = 500_000
	}
	if o.Number == 0 {
		o.Number = 1
	}
	if o.Truth == nil {
		o.Truth = func(*Truth) {}
	}
	if o.Devices == nil {
		o.Devices = o.Group.Members
	}
}

func (o *Options) end() int64 {
	if o.Length > 0 {
		return o.Start + int64(o.Length)
	}
	return never
}

// Close makes Read return io.EOF.
func (b *Bus) Close() error {
	b.closed.Store(true)
	return nil
}

// Read fills buf with the next events: frames, and for each that the log missed
// a loss of one.
func (b *Bus) Read(buf []can.Event) (n int, err error) {
	for n < len(buf) {
		if len(b.ready) == 0 && (b.closed.Load() || !b.step()) {
			break
		}
		k := copy(buf[n:], b.ready)
		n, b.ready = n+k, b.ready[k:]
	}
	if n == 0 && len(buf) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// step lets the next thing happen: a deadline of a station, the end of the frame
// on the bus, or the start of one. It reports false at the end.
func (b *Bus) step() bool {
	if !b.wire.busy && b.arbitrate() {
		return true
	}
	next := int64(never)
	for _, s := range b.stations {
		next = min(next, s.next())
	}
	switch {
	case b.wire.busy && b.wire.end <= next:
		b.now = b.wire.end
		b.deliver()
	case next >= b.end:
		return false
	default:
		b.now = max(b.now, next)
		for _, s := range b.stations {
			if s.next() <= b.now {
				s.tick(b.now)
			}
		}
	}
	return b.now < b.end
}

// arbitrate lets the frame with the lowest identifier begin. Of equal ones the
// station wins that comes first.
func (b *Bus) arbitrate() bool {
	var won *sent
	for i, s := range b.stations {
		if f := s.offer(b.now); f != nil && (won == nil || priority(&f.frame) < priority(&won.frame)) {
			won, b.wire.from = f, i
		}
	}
	if won == nil {
		return false
	}
	b.wire.busy, b.wire.frame = true, *won
	b.wire.end = b.now + duration(&won.frame, b.o.BitRate)
	b.stations[b.wire.from].gone(b.now)
	return true
}

// priority orders identifiers as arbitration does: a standard one before the
// extended ones that begin with the same 11 bits.
func priority(f *can.Frame) uint64 {
	if f.Is(can.Extended) {
		return uint64(f.ID>>18)<<19 | 1<<18 | uint64(f.ID&(1<<18-1))
	}
	return uint64(f.ID) << 19
}

// duration is how long a classic frame takes with the pause behind it, and a
// tenth for stuffing.
func duration(f *can.Frame, bitRate int) int64 {
	bits := 47 + 8*int64(f.Len)
	if f.Is(can.Extended) {
		bits += 20
	}
	return bits * 11 * 100_000_000 / int64(bitRate)
}

// deliver hands the frame that has ended to everybody.
func (b *Bus) deliver() {
	b.wire.busy = false
	w := &b.wire.frame
	e := can.Event{Time: b.now, Bus: b.o.Number, Frame: w.frame}
	b.o.Truth(truthOf(b.scene, w, b.now))
	for i, s := range b.stations {
		own := e
		if i == b.wire.from {
			own.Dir = can.Tx
		} else if b.missed() {
			continue
		}
		s.hear(&own, w.kind)
	}
	b.ready = b.ready[:0]
	if b.missed() {
		e = can.Event{Time: b.now, From: b.now, Bus: b.o.Number, Kind: can.KindLost, Lost: 1, Reason: can.LostInterface}
	}
	b.ready = append(b.ready, e)
}

func (b *Bus) missed() bool { return b.o.Loss > 0 && b.r.Float64() < b.o.Loss }

func truthOf(s *scene, w *sent, at int64) *Truth {
	p := s.place(&w.frame)
	t := &Truth{Time: at, Kind: w.kind, What: p.what, By: w.by, Sender: p.sender, State: w.state, Frame: w.frame}
	if w.made != 0 {
		t.Waited = at - w.made
	}
	return t
}
