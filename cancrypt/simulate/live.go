package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	prng "math/rand/v2"
	"time"

	"canseal/can"
)

// Line is a real bus: socketcan.Participant is one.
type Line interface {
	// Send hands a frame to the controller, in order.
	Send(f can.Frame) error
	// Run hands out the frames of the bus, those of this process as can.Tx, with
	// stamps of the clock that time.Now reads, until Close; then it returns nil.
	Run(handle func(can.Event)) error
	Close() error
}

const (
	// lag is how far the stations' clock is behind, and how long a process that
	// woke up for a deadline goes on reading first: a frame that ended before it is
	// read by then, also after a process was not given the processor for a while.
	lag = 2 * time.Millisecond
	// patience is how long a line may refuse a frame.
	patience = time.Second
	// retry is when a frame that was refused is offered again.
	retry = 2 * time.Millisecond
	// echo is how long the last frames take to come back.
	echo = 500 * time.Millisecond
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
	events   chan can.Event
	failed   chan error // how Run ended
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
	l := &live{o: o, line: line, scene: scene, r: prng.New(prng.NewPCG(o.Seed, 1)), events: make(chan can.Event, 1024), failed: make(chan error, 1)}
	if l.stations, err = (cast{&l.o, scene, func(b []byte) { rand.Read(b) }}).all(); err != nil {
		return err
	}
	stop := make(chan struct{})
	go l.read(stop)
	err = l.run(ctx)
	close(stop)
	return errors.Join(err, line.Close())
}

// read passes on what the line hands out.
func (l *live) read(stop <-chan struct{}) {
	l.failed <- l.line.Run(func(e can.Event) {
		select {
		case l.events <- e:
		case <-stop:
		}
	})
}

// errEnded is a line that ended by itself.
var errEnded = errors.New("the bus ended")

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
		if err := l.wait(ctx, l.pause(), false); err != nil || ctx.Err() != nil {
			return errors.Join(err, l.end())
		}
		if now := time.Now().Add(-lag).UnixNano(); l.next() <= now {
			if err := l.wait(ctx, lag, true); err != nil {
				return err
			}
			l.tick(max(now, l.heard))
		}
	}
}

// wait hears frames for a while, all of it or until one has come.
func (l *live) wait(ctx context.Context, d time.Duration, all bool) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case e := <-l.events:
			l.hear(&e)
			if l.drain(); !all {
				return nil
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		case err := <-l.failed:
			return errors.Join(errEnded, err)
		}
	}
}

func (l *live) next() int64 {
	next := int64(never)
	for _, s := range l.stations {
		next = min(next, s.next())
	}
	return next
}

func (l *live) pause() time.Duration {
	d := time.Hour
	if next := l.next(); next != never {
		d = time.Until(time.Unix(0, next).Add(lag))
	}
	if !l.refused.IsZero() {
		d = min(d, retry)
	}
	return max(d, 0)
}

// drain takes what has come already.
func (l *live) drain() {
	for {
		select {
		case e := <-l.events:
			l.hear(&e)
		default:
			return
		}
	}
}

func (l *live) tick(now int64) {
	for _, s := range l.stations {
		if s.next() <= now {
			s.tick(now)
		}
	}
}

// send lets every station send what it has.
func (l *live) send() error {
	now := max(time.Now().Add(-lag).UnixNano(), l.heard)
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

func (l *live) hear(e *can.Event) {
	if e.Kind == can.KindFrame && !e.Frame.Is(can.Error) {
		l.heard = max(l.heard, e.Time)
		l.deliver(e)
	}
}

// deliver hands a frame to the stations: to the one that sent it as its own, to
// the others as a frame of the bus. Truth is told about frames of this process.
func (l *live) deliver(e *can.Event) {
	from, kind := l.landed(e)
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

// landed finds out which station sent a frame of this process, the oldest one
// that is equal, and tells the truth about it; -1 for a frame of another process.
func (l *live) landed(e *can.Event) (from int, kind Kind) {
	if e.Dir != can.Tx {
		return -1, Honest
	}
	for i := range l.flying {
		if f := l.flying[i]; f.frame == e.Frame {
			l.flying = append(l.flying[:i], l.flying[i+1:]...)
			l.o.Truth(truthOf(l.scene, &f.sent, e.Time))
			return f.from, f.kind
		}
	}
	return -1, Honest
}

// end waits for the last frames to come back, so that the truth has them.
func (l *live) end() error {
	deadline := time.After(echo)
	for len(l.flying) > 0 {
		select {
		case e := <-l.events:
			l.landed(&e)
		case err := <-l.failed:
			return errors.Join(errEnded, err)
		case <-deadline:
			return nil
		}
	}
	return nil
}
