package uploader

import (
	"context"
	"errors"
	"slices"
	"time"

	"canseal/segment"
)

// flight is a delivery under way.
type flight struct {
	began time.Time
	owner context.Context // Run's or Drain's
}

// landing is a delivery that has ended.
type landing struct {
	*delivery
	receipt   segment.Receipt
	unwritten error // why the card took no receipt
	err       error
	ended     bool // by its context: it tells nothing of the store
}

// busy tells whether a segment is under way.
func (u *Uploader) busy(n segment.Name) bool {
	_, ok := u.flying[n]
	return ok
}

// Sending tells whether a segment is on its way now. Retention spares it as
// long as it can.
func (u *Uploader) Sending(n segment.Name) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Contains(u.aloft, n)
}

// room tells whether one more segment may be sent: one alone, from an error of
// the endpoint on until something has arrived.
func (u *Uploader) room() bool {
	if u.breaker.failures > 0 {
		return len(u.flying) == 0
	}
	return len(u.flying) < u.o.Workers
}

// launch sends a segment of the queue.
func (u *Uploader) launch(ctx context.Context, i int) {
	it := u.queue[i]
	line, ok, err := u.seals.line(u.o.Card, it.Name)
	d := &delivery{o: &u.o, traits: &u.traits, it: it, line: line, index: u.puts + 1}
	if err != nil || !ok {
		if err != nil {
			err = &Error{Class: Unreadable, Err: err}
		} else {
			err = errNotNow
		}
		u.land(landing{delivery: d, err: err}, time.Now())
		return
	}
	u.puts++
	if it.rank() == fresh {
		u.turns++
	}
	u.flying[it.Name] = flight{time.Now(), ctx}
	u.note()
	go func() {
		l := landing{delivery: d}
		if l.receipt, l.err = d.offer(ctx); l.err == nil {
			l.unwritten = u.o.Card.WriteReceipt(it.Name, l.receipt)
		}
		l.ended = l.err != nil && ctx.Err() != nil
		u.mu.Lock()
		u.landed = append(u.landed, l)
		u.mu.Unlock()
		u.wake()
	}()
}

// note publishes what is on its way.
func (u *Uploader) note() {
	aloft := make([]segment.Name, 0, len(u.flying))
	for n := range u.flying {
		aloft = append(aloft, n)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.aloft = aloft
}

// reap takes in the deliveries that have ended.
func (u *Uploader) reap() {
	select {
	case <-u.woken:
	default:
	}
	u.mu.Lock()
	landed := u.landed
	u.landed = nil
	u.mu.Unlock()
	for _, l := range landed {
		began := u.flying[l.it.Name].began
		delete(u.flying, l.it.Name)
		u.note()
		u.land(l, began)
	}
}

// land acts on what became of a delivery that began at a time.
func (u *Uploader) land(l landing, began time.Time) {
	i := slices.IndexFunc(u.queue, func(it item) bool { return it.Name == l.it.Name })
	if i >= 0 {
		u.queue[i].trial = l.it.trial
	}
	u.waste(l.wasted)
	if ClassOf(l.err) == LocalCorruption && u.otherCard(l.it.Name, l.line) {
		l.err = errNotNow
	}
	switch {
	case l.err == nil:
		u.rate.add(l.receipt, time.Since(began))
		u.arrived(&l.it, l.receipt, l.unwritten)
		i = -1
	case l.ended || i < 0:
	case errors.Is(l.err, errNotNow):
		if l.it.upload != nil {
			u.expire(stale{l.it.Name, l.it.upload, false})
		}
		u.queue = slices.Delete(u.queue, i, i+1) // until the next scan
	default:
		if l.moved {
			u.breaker = u.breaker.heard()
		}
		u.failed(i, l.err, began)
	}
}

// wake ends the sleep of whoever works.
func (u *Uploader) wake() {
	select {
	case u.woken <- struct{}{}:
	default:
	}
}

// await waits until no delivery of an owner is under way.
func (u *Uploader) await(owner context.Context) {
	for {
		u.reap()
		own := false
		for _, f := range u.flying {
			own = own || f.owner == owner
		}
		if !own {
			return
		}
		<-u.woken
	}
}
