package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// loop is one run of a node.
type loop struct {
	n      *Node
	port   Port
	clock  clock
	events chan can.Event
	failed chan error
	ended  sync.WaitGroup // the listening goroutine
	missed atomic.Uint64
	out    cancrypt.MemberOut
	pair   cancrypt.PairOut
	queue  []cancrypt.Outgoing
	full   bool // the interface's queue is
	state  cancrypt.State
	counts Counters

	told      Counters // in the last status
	published int64
}

// listen passes on what the port hears, and never waits: what does not fit is
// missed.
func (l *loop) listen() {
	defer l.ended.Done()
	err := l.port.Run(func(e can.Event) {
		e.Time = l.clock.of(e.Time)
		select {
		case l.events <- e:
		default:
			l.missed.Add(1)
		}
	})
	if err == nil {
		err = errEnded
	}
	l.failed <- err
}

func (l *loop) close() {
	l.port.Close()
	l.ended.Wait()
	l.publish(false)
}

func (l *loop) run(ctx context.Context) error {
	m := l.n.member
	l.state, l.counts = m.State(), l.n.Status().Counters
	m.Start(l.now(), &l.out)
	l.give()
	for ctx.Err() == nil {
		if err := l.step(ctx.Done()); err != nil {
			return err
		}
	}
	return l.leave()
}

// leave takes part in one more cycle, which tells the others.
func (l *loop) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	l.n.member.Leave(l.now(), &l.out)
	l.unpair()
	l.give()
	for ctx.Err() == nil && (l.n.member.State() != cancrypt.StateOff || len(l.queue) > 0) {
		if err := l.step(ctx.Done()); err != nil {
			return err
		}
	}
	return nil
}

// step waits for something to do and does it.
func (l *loop) step(done <-chan struct{}) error {
	timer := time.NewTimer(l.pause())
	defer timer.Stop()
	var asked request
	select {
	case e := <-l.events:
		l.receive(&e)
	case asked = <-l.n.requests:
	case err := <-l.failed:
		return fmt.Errorf("%s: %w", l.n, err)
	case <-timer.C:
	case <-done:
	}
	now := l.now()
	if l.drain(); asked.do != nil || l.n.member.Next() <= now {
		l.catchUp(now)
	}
	if asked.do != nil {
		asked.done <- asked.do(l.n.member, now, &l.out)
	}
	l.n.member.Tick(now, &l.out)
	l.tickDevice()
	l.give()
	return nil
}

// now is the member's time, behind by what a frame may need to be read.
func (l *loop) now() int64 { return l.clock.now() - int64(slack) }

func (l *loop) pause() time.Duration {
	d := time.Duration(min(min(l.n.member.Next(), l.nextDevice())-l.now(), int64(time.Hour)))
	if l.full {
		d = min(d, resendAfter)
	}
	if l.counts != l.told {
		d = min(d, publishAfter)
	}
	return max(d, 0)
}

// catchUp takes every frame that ended before now, however late this program
// runs: a deadline that is processed before such a frame makes another key than
// that of the other members.
func (l *loop) catchUp(now int64) {
	for end := time.Now().Add(mostCatchUp); !l.port.Idle() && time.Now().Before(end); {
		select {
		case e := <-l.events:
			l.receive(&e)
			if e.Time > now {
				return
			}
		case <-time.After(100 * time.Microsecond):
		}
	}
	l.drain()
}

// drain takes what has come already.
func (l *loop) drain() {
	for {
		select {
		case e := <-l.events:
			l.receive(&e)
		default:
			return
		}
	}
}

func (l *loop) receive(e *can.Event) {
	l.n.member.Receive(e, &l.out)
	l.receiveDevice(e)
}

// give hands on what the member gave out.
func (l *loop) give() {
	l.enqueue(l.out.Frames)
	l.givePairing()
	for i := range l.out.Delivered {
		d := l.out.Delivered[i]
		d.Time = l.clock.wall(d.Time).UnixNano()
		l.counts.Delivered++
		if l.n.o.Deliver != nil {
			l.n.o.Deliver(d)
		}
	}
	for _, e := range l.out.Events {
		e.Time = l.clock.wall(e.Time).UnixNano()
		if l.n.o.Event != nil {
			l.n.o.Event(e)
		}
	}
	l.out.Reset()
	l.send()
	if s := l.n.member.State(); s != l.state {
		l.n.log.Info("CANcrypt member", "bus", l.n.o.Bus, "state", text(s), "before", text(l.state))
		l.state = s
		if l.n.o.State != nil {
			l.n.o.State(time.Now(), s)
		}
		l.publish(true)
	} else if l.clock.now()-l.published >= int64(publishAfter) {
		l.publish(false)
	}
}

func (l *loop) enqueue(frames []cancrypt.Outgoing) {
	room := mostFrames - len(l.queue)
	if room < len(frames) {
		l.counts.Withdrawn += uint64(len(frames) - room)
		frames = frames[:room]
	}
	l.queue = append(l.queue, frames...)
}

// send hands over what is queued, in order, as far as the interface takes it.
func (l *loop) send() {
	l.full = false
	for i := range l.queue {
		o := &l.queue[i]
		if o.Until != 0 && l.now() > o.Until {
			l.counts.Withdrawn++
			continue
		}
		err := l.port.Send(o.Frame)
		switch {
		case err == nil:
			l.counts.Sent++
		case l.n.o.Full(err):
			l.full = true
			l.queue = append(l.queue[:0], l.queue[i:]...)
			return
		default:
			l.counts.Refused++
		}
	}
	l.queue = l.queue[:0]
}

// publish makes the status of the moment.
func (l *loop) publish(changed bool) {
	s := l.n.member.Status()
	l.published = l.clock.now()
	l.counts.Missed += l.missed.Swap(0)
	l.told = l.counts
	errors := map[string]uint16{}
	for c, v := range s.Counters {
		if v > 0 {
			errors[cancrypt.Counter(c).String()] = v
		}
	}
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	st := &l.n.status
	if changed {
		st.Since = time.Now().UTC()
	}
	st.State, st.Updates, st.Errors, st.Counters = text(s.State), s.Epoch, errors, l.counts
	st.Members, st.Lost, st.Left = numbers(s.Members), numbers(s.Lost), numbers(s.Left)
}

// numbers is a list that JSON writes as numbers, not as base64.
func numbers(b []uint8) []int {
	out := make([]int, len(b))
	for i, a := range b {
		out[i] = int(a)
	}
	return out
}
