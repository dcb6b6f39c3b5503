package sim

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"canseal/can"
)

// Options describe the bus. A number beyond its range is taken as the nearest
// one in it.
type Options struct {
	Seed     uint64        // equal seeds and options give equal events
	Rate     int           // frames a second over all buses, 1-1e9; 0: DefaultRate
	Buses    int           // 1-8; 0: 2
	Start    int64         // stamp of the beginning, ns since 1970 UTC; 0: the moment of the first Read
	Duration time.Duration // 0: endless
	Pace     float64       // 1: in real time, 2: twice as fast; 0: flat out
	FD       float64       // share of FD frames, 0-1
	Remote   float64       // share of remote frames, 0-1
	Errors   float64       // share of error messages, 0-1
}

// DefaultRate is busy but not full for two buses of 500 kbit/s.
const DefaultRate = 4000

// Mixed returns options for a bus with frames of all kinds: a fifth FD, a few
// remote frames and error messages among them.
func Mixed(seed uint64) Options {
	return Options{Seed: seed, FD: 0.2, Remote: 0.002, Errors: 0.001}
}

// Bus is a can.Source.
type Bus struct{ can.Source }

// New makes a bus; it begins with the first Read.
func New(o Options) *Bus {
	g := newGenerator(o)
	if o.Pace <= 0 && o.Start != 0 {
		return &Bus{g}
	}
	return &Bus{can.NewPaced(g, can.PaceOptions{Factor: o.Pace, Rebase: o.Start == 0, Origin: o.Start})}
}

// Take returns the first n events of a bus, or fewer if it ends before, at
// once. With Start 0 their stamps begin at 1970.
func Take(o Options, n int) []can.Event {
	events := make([]can.Event, n)
	taken, _ := newGenerator(o).Read(events)
	return events[:taken]
}

// generator computes the events, flat out.
type generator struct {
	random   *rand.PCG
	messages [messages]message
	cycle    []uint8 // indexes of messages in the order of sending, over and over
	next     int     // index in cycle

	// Every event has a slot of time for itself. The next slot begins at ns +
	// part/rate behind start.
	start, duration, ns int64
	rate, part          int64
	width, rest         int64 // 1e9 / rate: the width of a slot is width + rest/rate

	remote, errors uint64 // shares of 2^32
	closed         atomic.Bool
}

func newGenerator(o Options) *generator {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Buses == 0 {
		o.Buses = 2
	}
	g := &generator{
		random:   rand.NewPCG(o.Seed, 0),
		start:    o.Start,
		duration: int64(o.Duration),
		remote:   share(o.Remote),
		errors:   share(o.Errors),
	}
	g.rate = int64(min(max(o.Rate, 1), 1e9))
	g.width, g.rest = 1e9/g.rate, 1e9%g.rate
	r := rand.New(g.random)
	g.messages = network(r, min(max(o.Buses, 1), 8), o.FD)
	g.cycle = cycle(r)
	return g
}

func share(part float64) uint64 { return uint64(min(max(part, 0), 1) * (1 << 32)) }

// Read fills buf.
func (g *generator) Read(buf []can.Event) (n int, err error) {
	for n < len(buf) && !g.closed.Load() && (g.duration <= 0 || g.ns < g.duration) {
		g.fill(&buf[n])
		g.advance()
		n++
	}
	if n == 0 && len(buf) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// advance moves to the next slot and the next message.
func (g *generator) advance() {
	g.ns += g.width
	if g.part += g.rest; g.part >= g.rate {
		g.part -= g.rate
		g.ns++
	}
	if g.next++; g.next == len(g.cycle) {
		g.next = 0
	}
}

// Close makes Read return io.EOF.
func (g *generator) Close() error {
	g.closed.Store(true)
	return nil
}

// fill makes the next event, stamped anywhere in its slot: stamps are distinct
// and rise.
func (g *generator) fill(e *can.Event) {
	m := &g.messages[g.cycle[g.next]]
	r := g.random.Uint64()
	kind, jitter := r&(1<<32-1), int64(r>>32)*g.width>>32
	*e = can.Event{Time: g.start + g.ns + jitter, Bus: m.bus}
	switch {
	case kind < g.errors:
		e.Frame = errorFrames[r>>32%uint64(len(errorFrames))]
	case kind < g.errors+g.remote:
		e.Frame = can.Frame{ID: m.frame.ID, Flags: m.frame.Flags&can.Extended | can.Remote, DLC: min(m.frame.DLC, 8)}
	default:
		m.step(r * 0x9e3779b97f4a7c15)
		e.Frame = m.frame
	}
}
