package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// PairRun is how one side of a pairing is run. The functions are called by the
// goroutine that runs it, which waits for them; any may be nil.
type PairRun struct {
	Open    func() (Port, error)
	Event   func(cancrypt.PairEvent) // its Time is the wall clock's
	Message func(cancrypt.PairMessage)
	// Full reports that a frame could not be sent only because the queue of the
	// interface is full, so that it is tried again. nil: never.
	Full func(error) bool
}

// PairError says why a pairing ended before everything was done.
type PairError struct {
	Reason cancrypt.AbortReason
	Peer   bool  // the device ended it
	Err    error // what the own key store said; nil: nothing
}

func (e *PairError) Error() string {
	who := "this side"
	if e.Peer {
		who = "the device"
	}
	if e.Err != nil {
		return fmt.Sprintf("pairing ended: %v", e.Err)
	}
	return fmt.Sprintf("pairing ended by %s: %v", who, e.Reason)
}

func (e *PairError) Unwrap() error { return e.Err }

// linger is how long a side stays on the bus after its last frame, so that the
// next one with its identifier does not hear that frame.
const linger = 20 * time.Millisecond

// Plan is what a configurator does with a device once they are paired, in this
// order.
type Plan struct {
	Erase []uint8       // slots
	Save  []uint8       // slots, each with a key of its own unless one is preset
	Hold  time.Duration // stay paired for so long, with updates of the key
}

// Configure pairs with a device, does what is planned, and unpairs. It returns a
// *PairError when the pairing ends before that, and the context's error when ctx
// ends, after an ABORT.
func Configure(ctx context.Context, c *cancrypt.Configurator, plan Plan, how PairRun) error {
	w := &work{c: c, plan: plan}
	l := &pairLoop{side: c, how: how, react: w.react}
	l.begin = func(now int64) error { return c.Pair(now, &l.out) }
	l.stop = func(now int64) { c.Abort(now, &l.out) }
	l.over = func() bool { return w.over }
	w.l = l
	if err := l.run(ctx); err != nil {
		return err
	}
	return w.err
}

// ServeDevice answers the pairings of a device until ctx ends or the port fails.
func ServeDevice(ctx context.Context, d *cancrypt.Device, how PairRun) error {
	l := &pairLoop{side: d, how: how}
	l.stop = func(now int64) { d.Leave(now, &l.out) }
	if err := l.run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// work is a plan under way.
type work struct {
	c    *cancrypt.Configurator
	l    *pairLoop
	plan Plan
	err  error
	over bool
	left bool // everything is done, UNPAIR is sent
}

// react takes the next step when the one before is done.
func (w *work) react(e cancrypt.PairEvent, now int64) {
	switch e.Kind {
	case cancrypt.PairDone, cancrypt.PairSaved, cancrypt.PairErased:
		w.err = errors.Join(w.err, e.Err)
		w.next(now)
	case cancrypt.PairRefused:
		w.err = &PairError{Err: e.Err}
		w.left = true
		w.c.Abort(now, &w.l.out)
	case cancrypt.PairEnded:
		if w.over = true; !w.left {
			w.err = &PairError{Reason: e.Reason, Peer: e.Peer, Err: w.err}
		}
	}
}

func (w *work) next(now int64) {
	var err error
	switch p := &w.plan; {
	case len(p.Erase) > 0:
		err = w.c.Erase(now, p.Erase[0], &w.l.out)
		p.Erase = p.Erase[1:]
	case len(p.Save) > 0:
		err = w.c.Save(now, p.Save[0], &w.l.out)
		p.Save = p.Save[1:]
	case p.Hold > 0:
		w.l.later(now+int64(p.Hold), func(now int64) { w.next(now) })
		p.Hold = 0
	default:
		w.left = true
		err = w.c.Unpair(now, &w.l.out)
	}
	w.err = errors.Join(w.err, err)
}

// pairSide is a cancrypt.Device or a cancrypt.Configurator.
type pairSide interface {
	Frame(e *can.Event, out *cancrypt.PairOut)
	Tick(now int64, out *cancrypt.PairOut)
	Next() int64
}

// pairLoop is one run of a side. Deadlines are kept as exactly as the machine
// can: a bit cycle has 5 ms to spare.
type pairLoop struct {
	side  pairSide
	how   PairRun
	begin func(now int64) error
	stop  func(now int64)
	react func(e cancrypt.PairEvent, now int64)
	over  func() bool

	port   Port
	clock  clock
	events chan can.Event
	failed chan error
	out    cancrypt.PairOut
	queue  []can.Frame
	full   bool
	at     int64 // when then is due, 0: never
	then   func(now int64)
}

func (l *pairLoop) later(at int64, then func(now int64)) { l.at, l.then = at, then }

func (l *pairLoop) run(ctx context.Context) error {
	port, err := l.how.Open()
	if err != nil {
		return err
	}
	l.port, l.clock = port, startClock()
	l.events, l.failed = make(chan can.Event, mostEvents), make(chan error, 1)
	var listening sync.WaitGroup
	listening.Go(l.listen)
	defer listening.Wait()
	defer port.Close()
	defer time.Sleep(linger)
	if l.begin != nil {
		if err := l.begin(l.clock.now()); err != nil {
			return err
		}
	}
	for l.give(); l.over == nil || !l.over(); l.give() {
		select {
		case <-ctx.Done():
			l.stop(l.clock.now())
			l.give()
			return ctx.Err()
		case err := <-l.failed:
			return err
		case e := <-l.events:
			l.receive(&e)
		case <-time.After(l.pause()):
		}
		l.tick()
	}
	return nil
}

// listen passes on what the port hears; what does not fit is lost, as on a bad
// bus.
func (l *pairLoop) listen() {
	err := l.port.Run(func(e can.Event) {
		e.Time = l.clock.of(e.Time)
		select {
		case l.events <- e:
		default:
		}
	})
	if err == nil {
		err = errEnded
	}
	l.failed <- err
}

func (l *pairLoop) pause() time.Duration {
	at := l.side.Next()
	if l.at != 0 {
		at = min(at, l.at)
	}
	d := time.Duration(min(at-l.clock.now(), int64(time.Hour)))
	if l.full {
		d = min(d, resendAfter)
	}
	return max(d, 0)
}

// tick lets time pass when everything that was heard before is known.
func (l *pairLoop) tick() {
	for {
		select {
		case e := <-l.events:
			l.receive(&e)
			continue
		default:
		}
		break
	}
	now := l.clock.now()
	l.side.Tick(now, &l.out)
	if l.at != 0 && l.at <= now {
		l.at = 0
		l.then(now)
	}
}

func (l *pairLoop) receive(e *can.Event) {
	if e.Kind == can.KindFrame {
		l.side.Frame(e, &l.out)
		l.send()
	}
}

// give hands on what the side gave out, and what follows from that.
func (l *pairLoop) give() {
	for {
		l.send()
		events, messages := l.out.Events, l.out.Messages
		l.out = cancrypt.PairOut{}
		for _, m := range messages {
			if l.how.Message != nil {
				l.how.Message(m)
			}
		}
		for _, e := range events {
			l.tell(e)
		}
		if len(events) == 0 {
			return
		}
	}
}

func (l *pairLoop) tell(e cancrypt.PairEvent) {
	if l.react != nil {
		l.react(e, l.clock.now())
	}
	if l.how.Event != nil {
		e.Time = l.clock.wall(e.Time).UnixNano()
		l.how.Event(e)
	}
}

// send hands over what is to be sent, in order, as far as the interface takes
// it. A frame that is refused is lost, as on a bad bus.
func (l *pairLoop) send() {
	l.queue = append(l.queue, l.out.Frames...)
	l.out.Frames = l.out.Frames[:0]
	l.full = false
	for i := range l.queue {
		if err := l.port.Send(l.queue[i]); err != nil && l.how.Full != nil && l.how.Full(err) && len(l.queue)-i < mostFrames {
			l.full = true
			l.queue = append(l.queue[:0], l.queue[i:]...)
			return
		}
	}
	l.queue = l.queue[:0]
}
