package can

import (
	"io"
	"sync"
	"time"
)

// PaceOptions say when the events of a recorded or computed source happen.
type PaceOptions struct {
	// Factor is the speed: 1 as stamped, 2 twice as fast. 0 or less: flat out.
	Factor float64
	// Rebase moves the stamps so that Origin becomes the moment of the first
	// Read, and divides their distances by Factor.
	Rebase bool
	// Origin is the stamp that is due at the first Read, in ns since 1970;
	// 0: that of the first event.
	Origin int64
}

// Paced delivers the events of another source when they are due. It holds at
// most a few hundred of them.
type Paced struct {
	source  Source
	options PaceOptions
	held    [256]Event
	queue   []Event // the part of held that is still to be delivered
	began   time.Time
	epoch   int64 // began in ns since 1970
	closed  chan struct{}
	once    sync.Once
}

// NewPaced wraps a source. The stamps of source decide, so it should deliver
// ahead of them, as logs and simulations do.
func NewPaced(source Source, o PaceOptions) *Paced {
	return &Paced{source: source, options: o, closed: make(chan struct{})}
}

// pause is the shortest wait: events that are due within it come together,
// late by no more than this. A wake-up for each frame would cost more than
// all the rest.
const pause = 5 * time.Millisecond

// Read waits until the next event is due and delivers it with all others that
// are. Events stamped before their predecessors are due with them.
func (p *Paced) Read(buf []Event) (int, error) {
	if err := p.fill(); err != nil || len(buf) == 0 {
		return 0, err
	}
	if !p.wait(p.due(p.queue[0].Time)) {
		return 0, io.EOF
	}
	n, elapsed := 0, time.Since(p.began)
	for n < len(buf) && n < len(p.queue) && (p.options.Factor <= 0 || p.due(p.queue[n].Time) <= elapsed) {
		buf[n] = p.queue[n]
		n++
	}
	p.queue = p.queue[n:]
	if p.options.Rebase {
		p.rebase(buf[:n])
	}
	return n, nil
}

// Close ends the source too, and drops the events that are not due yet.
func (p *Paced) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.source.Close()
}

// fill sees to it that the queue is not empty.
func (p *Paced) fill() error {
	for len(p.queue) == 0 {
		n, err := p.source.Read(p.held[:])
		if n == 0 && err != nil {
			return err
		}
		p.queue = p.held[:n]
	}
	if p.began.IsZero() {
		p.began = time.Now()
		p.epoch = p.began.UnixNano()
		if p.options.Origin == 0 {
			p.options.Origin = p.queue[0].Time
		}
	}
	return nil
}

// due returns when a stamp is due, counted from the first Read.
func (p *Paced) due(stamp int64) time.Duration {
	d := stamp - p.options.Origin
	if p.options.Factor <= 0 || p.options.Factor == 1 {
		return time.Duration(d)
	}
	const century = 100 * 365 * 24 * time.Hour
	return time.Duration(min(float64(d)/p.options.Factor, float64(century)))
}

// wait reports whether it was not ended by Close.
func (p *Paced) wait(due time.Duration) bool {
	left := due - time.Since(p.began)
	if p.options.Factor <= 0 || left <= 0 {
		return !p.isClosed()
	}
	select {
	case <-p.closed:
		return false
	case <-time.After(max(left, pause)):
		return true
	}
}

func (p *Paced) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

func (p *Paced) rebase(events []Event) {
	for i := range events {
		e := &events[i]
		e.Time = p.epoch + int64(p.due(e.Time))
		if e.Kind == KindLost {
			e.From = p.epoch + int64(p.due(e.From))
		}
	}
}
