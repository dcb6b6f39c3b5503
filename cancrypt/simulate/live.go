package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	prng "math/rand/v2"
	"time"

	"canseal/can"
)

// Line is a real bus: its frames, those of this process as can.Tx, with stamps of
// the clock that time.Now reads.
type Line interface {
	can.Source
	Send(f can.Frame) error
}

const (
	// lag is how far the stations' clock is behind: a frame that ended before a
	// deadline is read by then.
	lag = int64(3 * time.Millisecond)
	// patience is how long a line may refuse a frame.
	patience = time.Second
	// retry is when a frame that was refused is offered again.
	retry = 2 * time.Millisecond
	// echo is how long the last frames take to come back.
	echo = 50 * time.Millisecond
)

// live is a simulation on a real bus.
type live struct {
	o        Options
	line     Line
	scene    *scene
	stations []station
	flying   []flight
	r        *prng.Rand
	heard    int64     // stamp of the newest frame
	refused  time.Time // since when the line refuses frames; zero: it does not
	events   chan []can.Event
	failed   chan error
}

// flight is a frame that was sent and has not come back yet.
type flight struct {
	sent
	from int
}

// Live runs a simulation on a real bus until ctx ends, its length is over or the
// line fails. Options.Start, BitRate and Number are not used; what the devices
// need to be unpredictable comes from the system. The line is closed.
func Live(ctx context.Context, o Options, line Line) error {
	o.complete()
	o.Start = time.Now().UnixNano()
	scene, err := newScene(&o.Group)
	if err != nil {
		return err
	}
	l := &live{o: o, line: line, scene: scene, r: prng.New(prng.NewPCG(o.Seed, 1)), events: make(chan []can.Event, 64), failed: make(chan error, 1)}
	if l.stations, err = (cast{&l.o, scene, func(b []byte) { rand.Read(b) }}).all(); err != nil {
		return err
	}
	defer line.Close()
	stop := make(chan struct{})
	defer close(stop)
	go l.read(stop)
	return l.run(ctx)
}

// read passes on what the line delivers.
func (l *live) read(stop <-chan struct{}) {
	for {
		buf := make([]can.Event, 64)
		n, err := l.line.Read(buf)
		if n > 0 {
			select {
			case l.events <- buf[:n]:
			case <-stop:
				return
			}
		}
		if err != nil {
			l.failed <- err
			return
		}
	}
}

func (l *live) run(ctx context.Context) error {
	if l.o.Length > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, l.o.Length)
		defer cancel()
	}
	for {
		if err := l.send(); err != nil {
			return err
		}
		if err := l.wait(ctx); err != nil || ctx.Err() != nil {
			return errors.Join(err, l.end())
		}
		l.tick()
	}
}

// wait returns when frames have come, or the next deadline has.
func (l *live) wait(ctx context.Context) error {
	timer := time.NewTimer(l.pause())
	defer timer.Stop()
	select {
	case events := <-l.events:
		l.hear(events)
	case <-timer.C:
	case <-ctx.Done():
	case err := <-l.failed:
		return fmt.Errorf("read the bus: %w", err)
	}
	return l.drain()
}

func (l *live) pause() time.Duration {
	next := int64(never)
	for _, s := range l.stations {
		next = min(next, s.next())
	}
	d := time.Hour
	if next != never {
		d = time.Until(time.Unix(0, next+lag))
	}
	if !l.refused.IsZero() {
		d = min(d, retry)
	}
	return max(d, 0)
}

// drain takes what has come already.
func (l *live) drain() error {
	for {
		select {
		case events := <-l.events:
			l.hear(events)
		case err := <-l.failed:
			return fmt.Errorf("read the bus: %w", err)
		default:
			return nil
		}
	}
}

func (l *live) tick() {
	now := max(time.Now().UnixNano()-lag, l.heard)
	for _, s := range l.stations {
		if s.next() <= now {
			s.tick(now)
		}
	}
}

// send lets every station send what it has.
func (l *live) send() error {
	now := max(time.Now().UnixNano()-lag, l.heard)
	for i, s := range l.stations {
		for f := s.offer(now); f != nil; f = s.offer(now) {
			if err := l.line.Send(f.frame); err != nil {
				return l.refuse(err)
			}
			l.refused = time.Time{}
			l.flying = append(l.flying, flight{*f, i})
			s.gone(now)
		}
	}
	return nil
}

// refuse bears with a line whose queue is full.
func (l *live) refuse(err error) error {
	if l.refused.IsZero() {
		l.refused = time.Now()
	}
	if time.Since(l.refused) > patience {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

func (l *live) hear(events []can.Event) {
	for i := range events {
		if e := &events[i]; e.Kind == can.KindFrame && !e.Frame.Is(can.Error) {
			l.heard = max(l.heard, e.Time)
			l.deliver(e)
		}
	}
}

// deliver hands a frame to the stations: to the one that sent it as its own, to
// the others as a frame of the bus. Truth is told about frames of this process.
func (l *live) deliver(e *can.Event) {
	from, kind := -1, Honest
	if e.Dir == can.Tx {
		if f, ok := l.landed(&e.Frame); ok {
			from, kind = f.from, f.kind
			l.o.Truth(truthOf(l.scene, &f.sent, e.Time))
		}
	}
	for i, s := range l.stations {
		heard := *e
		heard.Dir = can.Rx
		if i == from {
			heard.Dir = can.Tx
		} else if l.o.Loss > 0 && l.r.Float64() < l.o.Loss {
			continue
		}
		s.hear(&heard, kind)
	}
}

// landed finds a frame that was sent, the oldest one that is equal.
func (l *live) landed(f *can.Frame) (flight, bool) {
	for i := range l.flying {
		if l.flying[i].frame == *f {
			found := l.flying[i]
			l.flying = append(l.flying[:i], l.flying[i+1:]...)
			return found, true
		}
	}
	return flight{}, false
}

// end waits for the last frames to come back, so that the truth has them.
func (l *live) end() error {
	deadline := time.After(echo)
	for len(l.flying) > 0 {
		select {
		case events := <-l.events:
			for i := range events {
				if f, ok := l.landed(&events[i].Frame); ok && events[i].Dir == can.Tx {
					l.o.Truth(truthOf(l.scene, &f.sent, events[i].Time))
				}
			}
		case err := <-l.failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-deadline:
			return nil
		}
	}
	return nil
}
