package ota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"canseal/internal/trial"
)

// Pauses between attempts of one trial: the first soon, then so that three
// failures take an hour.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute}

const (
	pausedFor   = time.Minute    // after a round trip with current that failed
	retrySigned = 24 * time.Hour // running time after which a signed candidate that a trial refused is tried anew
	glance      = time.Minute    // between two looks at the card
)

// String names the component.
func (k *Keeper) String() string { return "settings" }

// Run polls the bucket and tries what it finds, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := k.work(ctx)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-k.poked:
		}
		t.Stop()
	}
	return nil
}

// poke makes Run look again at once: something has changed.
func (k *Keeper) poke() {
	select {
	case k.poked <- struct{}{}:
	default:
	}
}

// work does what is due, and tells how long there is nothing.
func (k *Keeper) work(ctx context.Context) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	defer func() { <-k.turn }()
	k.cancel.Store(&cancel)
	defer k.cancel.Store(nil)
	ways := k.ways.Load()
	for _, w := range []which{settings, identity} {
		if k.unfinished[w] {
			_ = k.step(ctx, w, trial.Event{Kind: trial.Resume}, nil, nil)
		}
	}
	if blocked := k.look(ctx, ways); blocked {
		return glance
	}
	if due := k.polled.Add(ways.Every); ways.polls() && (k.polled.IsZero() || !time.Now().Before(due)) {
		k.poll(ctx, ways)
		k.polled = time.Now()
	}
	k.try(ctx, settings, ways)
	k.try(ctx, identity, ways)
	return k.pause(ways)
}

// polls tells whether the bucket may give settings.
func (w *Ways) polls() bool { return w.Policy == "signed" || w.Policy == "bucket" }

// pause is how long nothing is due.
func (k *Keeper) pause(ways *Ways) time.Duration {
	wait := glance
	if ways.polls() {
		wait = min(wait, time.Until(k.polled.Add(ways.Every)))
	}
	for _, w := range []which{settings, identity} {
		if k.unfinished[w] {
			wait = min(wait, pausedFor)
		}
		if k.book.Load().record(w).On() {
			wait = min(wait, time.Until(k.next[w]))
		}
	}
	return max(wait, 0)
}

// try makes the attempt that is due.
func (k *Keeper) try(ctx context.Context, w which, ways *Ways) {
	r := *k.book.Load().record(w)
	if !r.On() || time.Now().Before(k.next[w]) || ctx.Err() != nil {
		return
	}
	k.next[w] = time.Now().Add(pausedFor)
	c, err := k.candidate(r)
	if err != nil {
		k.lost(ctx, w, err)
		return
	}
	if r.State == trial.Staged && !k.begin(ctx, w, ways, c) {
		return
	}
	if k.book.Load().record(w).State == trial.Trying {
		k.attempt(ctx, w, ways, c)
	}
}

// begin puts a staged candidate on trial, right after a round trip with what is
// current.
func (k *Keeper) begin(ctx context.Context, w which, ways *Ways, c Candidate) bool {
	if err := ways.Judge(c); err != nil {
		var wait *Wait
		if !errors.As(err, &wait) {
			k.drop(ctx, w, c, err)
			return false
		}
		k.because(err)
		return false
	}
	if err := ways.Current(ctx); err != nil {
		k.because(fmt.Errorf("waits for a round trip with what is current: %w", err))
		return false
	}
	k.because(nil)
	k.attempts[w] = 0
	return k.step(ctx, w, trial.Event{Kind: trial.Begin}, nil, nil) == nil
}

// drop refuses a staged candidate that is not good any more: what it was judged
// by has changed.
func (k *Keeper) drop(ctx context.Context, w which, c Candidate, why error) {
	_ = k.step(ctx, w, trial.Event{Kind: trial.Withdraw, Reason: why.Error()}, nil, func(b *book) {
		for name, text := range c.Files {
			b.refuse(Refusal{Object: name, SHA256: hashOf(text), Reason: shortened(why.Error()), Alone: true})
		}
	})
}

// attempt makes one attempt. A failure counts only between two successes of what
// is current: everything else may be the weather, or a man on the path.
func (k *Keeper) attempt(ctx context.Context, w which, ways *Ways, c Candidate) {
	before := ways.Current(ctx)
	if k.look(ctx, ways) || !k.book.Load().record(w).On() {
		return
	}
	outcome, err := ways.Prove(ctx, c)
	e := trial.Event{Kind: trial.Missed}
	switch {
	case outcome == Proved:
		e.Kind = trial.Proved
	case outcome == Failed && before == nil && ways.Current(ctx) == nil:
		e = trial.Event{Kind: trial.Failed, Reason: shortened(err.Error())}
	}
	if ctx.Err() != nil && outcome != Proved {
		return // it was us who ended it
	}
	k.next[w] = time.Now().Add(pauses[min(k.attempts[w], len(pauses)-1)])
	k.attempts[w]++
	if err != nil {
		k.o.Log.Info("attempt with new settings", "counts", e.Kind == trial.Failed, "error", err)
	}
	k.because(err)
	_ = k.step(context.WithoutCancel(ctx), w, e, nil, nil)
}

// because notes why something waits, for Status.
func (k *Keeper) because(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reason = ""
	if err != nil {
		k.reason = shortened(err.Error())
	}
}
