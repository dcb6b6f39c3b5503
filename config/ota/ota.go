package ota

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"canseal/internal/durable"
	"canseal/internal/trial"
)

// Objects that may change over the air: their names on the card and, under
// DEVICEID/, in the bucket.
const (
	Config    = "config.yaml"
	Bundle    = "certs_server.p7b"
	Identity  = "device.crt"
	Update    = "update.json"
	Signature = ".p7s" // behind the name of what it signs
)

// Sources of what is current, and of candidates.
const (
	Card     = "card"
	Signed   = "signed" // an object that a signed statement names
	Unsigned = "bucket" // an object without a signature
	Rollback = "rollback"
)

// Tag is how the bucket tells one version of an object from another; zero:
// there is none.
type Tag struct {
	ETag     string `json:"etag"`
	Modified string `json:"modified"` // RFC 3339
}

// Candidate are new versions of objects, by name; those that are not in it stay
// as they are.
type Candidate struct {
	Source string // Signed, Unsigned or Rollback
	Files  map[string][]byte
}

// Outcome is what an attempt has come to.
type Outcome uint8

const (
	Missed Outcome = iota // no answer, or one that anyone on the path could give
	Proved                // a signed write over a fresh connection was read back, and recording goes on
	Failed                // the candidate's trust or identity was refused
)

// Wait is the error of Options.Judge for what only a date stands against: it
// may be right once the clock is.
type Wait struct{ Err error }

func (e *Wait) Error() string { return e.Err.Error() }
func (e *Wait) Unwrap() error { return e.Err }

// Options of a Keeper. Card and State are needed; without Policy nothing is
// polled.
type Options struct {
	Card, State durable.FS
	Log         *slog.Logger
	Limits      trial.Limits // zero: trial.Usual
	// Event is told of changes, in the words of events.jsonl. May be nil.
	Event func(kind, what string, bus uint8, detail map[string]any)
	// Now is the time of day for what people read, RFC 3339. nil: empty.
	Now func() string
}

// Ways are how a Keeper reaches what it does not know: the bucket, the judges,
// the recorder. They may change with each configuration.
type Ways struct {
	Policy        string // off, signed, bucket
	Every         time.Duration
	Device, Fleet string
	Identity      bool // this device shows a certificate, so a new one can be tried

	// Look tells the version of an object of the bucket.
	Look func(ctx context.Context, name string) (Tag, error)
	// Fetch reads an object of at most limit bytes; too large: ErrTooLarge.
	Fetch func(ctx context.Context, name string, limit int64) ([]byte, error)
	// Verify checks the signature over a statement and names the signer's key.
	Verify func(content, signature []byte) (key string, err error)
	// Trusted is the time by which not_after is judged.
	Trusted func() time.Time
	// Judge judges a candidate by itself. *Wait: not now.
	Judge func(c Candidate) error
	// Current makes a round trip with what is current.
	Current func(ctx context.Context) error
	// Prove makes one attempt with a candidate.
	Prove func(ctx context.Context, c Candidate) (Outcome, error)
	// Apply brings a configuration and a bundle into force: the candidate, or
	// with nil what is current. An error means that the device cannot work so.
	Apply func(ctx context.Context, c *Candidate) error
	// Settled is told when an identity became current, with its file. May be nil.
	Settled func(file []byte) error
}

// which of the two trials: configuration and bundle, or the identity.
type which uint8

const (
	settings which = iota
	identity
)

// Keeper owns what is current, on trial and previous. Open, then Run.
type Keeper struct {
	o     Options
	shelf shelf
	ways  atomic.Pointer[Ways]
	book  atomic.Pointer[book] // the durable one

	turn   chan struct{} // held by whoever works
	poked  chan struct{}
	cancel atomic.Pointer[context.CancelFunc]

	// Owned by the holder of turn:
	saved      [2]time.Time // when a record was saved last, or the program began
	unfinished [2]bool      // an effect has failed
	attempts   [2]int
	next       [2]time.Time // of an attempt
	polled     time.Time
	again      time.Time // when what a signed trial refused is tried anew

	mu     sync.Mutex
	reason string // why nothing is taken from the bucket, or a staged candidate waits
}

// Open reads the book and brings to an end what a power cut has left. InForce
// tells what is to be built then. An error tells what could not be done; the
// Keeper works all the same, with what the card has.
func Open(o Options) (*Keeper, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Event == nil {
		o.Event = func(string, string, uint8, map[string]any) {}
	}
	if o.Now == nil {
		o.Now = func() string { return "" }
	}
	if o.Limits == (trial.Limits{}) {
		o.Limits = trial.Usual
	}
	now := time.Now()
	k := &Keeper{o: o, shelf: shelf{o.Card, o.State}, turn: make(chan struct{}, 1), poked: make(chan struct{}, 1), saved: [2]time.Time{now, now}, again: now.Add(retrySigned)}
	k.ways.Store(&Ways{})
	b, err := loadBook(o.State)
	k.book.Store(b)
	for _, w := range []which{settings, identity} {
		k.check(w)
		if e := k.step(context.Background(), w, trial.Event{Kind: trial.Boot}, nil, nil); e != nil {
			err = fmt.Errorf("settings on trial: %w", e)
		}
	}
	return k, err
}

// check withdraws a trial whose candidate is not what was staged, and is not
// current yet.
func (k *Keeper) check(w which) {
	r := k.book.Load().record(w)
	if !r.On() {
		return
	}
	for _, o := range r.Objects {
		if now, err := k.hash(o.Name); err == nil && now == o.New {
			continue
		}
		if _, err := k.shelf.candidate(o); err != nil {
			k.lost(context.Background(), w, err)
			return
		}
	}
}

// lost ends a trial whose candidate cannot be read; it is fetched again. One that
// was settling cannot be withdrawn: what is on the card is current.
func (k *Keeper) lost(ctx context.Context, w which, err error) {
	const why = "the candidate is lost"
	k.o.Log.Error(why, "error", err)
	r := *k.book.Load().record(w)
	again := func(b *book) {
		delete(b.Seen, Update)
		for _, o := range r.Objects {
			delete(b.Seen, o.Name)
		}
	}
	if r.State != trial.Settling {
		_ = k.step(ctx, w, trial.Event{Kind: trial.Withdraw, Reason: why}, nil, again)
		return
	}
	err = k.remember(func(b *book) {
		again(b)
		*b.record(w) = trial.Record{State: trial.Settled, Reason: why}
	})
	if err != nil {
		k.o.Log.Error("settings", "error", err)
	}
}

// InForce is the candidate that works while it is on trial, nil: what is
// current works.
func (k *Keeper) InForce() *Candidate {
	if r := k.book.Load().Settings; r.InForce() {
		if c, err := k.candidate(r); err == nil {
			return &c
		}
	}
	return nil
}

// candidate reads what a record has on trial.
func (k *Keeper) candidate(r trial.Record) (Candidate, error) {
	c := Candidate{Source: r.Source, Files: map[string][]byte{}}
	for _, o := range r.Objects {
		text, err := k.shelf.candidate(o)
		if err != nil {
			return c, err
		}
		c.Files[o.Name] = text
	}
	return c, nil
}

// Use takes other ways, and judges anew what was refused at once: what judged it
// may have changed.
func (k *Keeper) Use(w Ways) {
	k.ways.Store(&w)
	err := k.remember(func(b *book) {
		for _, r := range b.Refused {
			if r.Alone {
				delete(b.Seen, r.Object)
			}
		}
	})
	if err != nil {
		k.o.Log.Error("settings", "error", err)
	}
}

// step performs what an event means. files are what Hold writes; amend goes
// into the book with each record.
func (k *Keeper) step(ctx context.Context, w which, e trial.Event, files map[string][]byte, amend func(*book)) error {
	effects := k.o.Limits.Step(*k.book.Load().record(w), time.Since(k.saved[w]), e)
	for _, f := range effects {
		if err := k.perform(ctx, w, f, files, amend); err != nil {
			k.unfinished[w] = true
			k.o.Log.Error("settings on trial do not go on", "state", k.book.Load().record(w).State, "error", err)
			return err
		}
	}
	k.unfinished[w] = false
	return nil
}

func (k *Keeper) perform(ctx context.Context, w which, f trial.Effect, files map[string][]byte, amend func(*book)) error {
	switch f.Do {
	case trial.Hold:
		return k.shelf.hold(f.Object.Name, files[f.Object.Name])
	case trial.Save:
		return k.save(w, f.Record, amend)
	case trial.Apply:
		return k.apply(ctx, w)
	case trial.Keep:
		return k.shelf.keep(f.Object)
	case trial.Install:
		return k.shelf.install(f.Object)
	default:
		return k.shelf.sweep(k.book.Load())
	}
}

// save makes a record durable.
func (k *Keeper) save(w which, r trial.Record, amend func(*book)) error {
	next := k.book.Load().clone()
	next.write(w, r, k.o.Now())
	if amend != nil {
		amend(next)
	}
	if err := next.save(k.o.State); err != nil {
		return err
	}
	before := *k.book.Load().record(w)
	k.book.Store(next)
	k.saved[w] = time.Now()
	k.tell(w, before)
	return nil
}

// remember makes a change of the book durable that concerns no trial.
func (k *Keeper) remember(amend func(*book)) error {
	next := k.book.Load().clone()
	amend(next)
	if err := next.save(k.o.State); err != nil {
		return fmt.Errorf("remember settings: %w", err)
	}
	k.book.Store(next)
	return nil
}

// apply brings into force what the book says. What cannot work is broken.
func (k *Keeper) apply(ctx context.Context, w which) error {
	ways := k.ways.Load()
	r := *k.book.Load().record(w)
	switch {
	case ways.Apply == nil: // Open: nothing works yet
		return nil
	case w == identity:
		return k.applied(r)
	case !r.InForce():
		return ways.Apply(ctx, nil)
	}
	c, err := k.candidate(r)
	if err != nil {
		return err
	}
	if err = ways.Apply(ctx, &c); err != nil && r.State == trial.Trying && ctx.Err() == nil {
		return k.step(ctx, w, trial.Event{Kind: trial.Break, Reason: err.Error()}, nil, nil)
	}
	return err
}

// applied tells that another certificate is current.
func (k *Keeper) applied(r trial.Record) error {
	settled := k.ways.Load().Settled
	if settled == nil || r.State != trial.Settled {
		return nil
	}
	file, absent, err := k.shelf.current(Identity)
	if err != nil || absent {
		return err
	}
	return settled(file)
}

// tell writes a change of state into events.jsonl.
func (k *Keeper) tell(w which, before trial.Record) {
	after := *k.book.Load().record(w)
	if after.State == trial.Settling || after.State == before.State && after.Failures == before.Failures {
		return
	}
	about := after.Objects
	if len(about) == 0 {
		about = before.Objects
	}
	detail := map[string]any{"source": cmp.Or(after.Source, before.Source)}
	for _, o := range about {
		detail[o.Name] = o.New
	}
	if after.Reason != "" {
		detail["reason"] = shortened(after.Reason)
	}
	what := string(after.State)
	if after.State == trial.Trying && after.Failures > before.Failures {
		what = "attempt refused"
	}
	k.o.Log.Info("settings on trial", "now", what, "source", detail["source"], "reason", after.Reason)
	k.o.Event(kindOf(w), what, 0, detail)
}

func kindOf(w which) string {
	if w == identity {
		return "certificate"
	}
	return "settings"
}

// shortened bounds what stands in events and device.json.
func shortened(text string) string {
	if r := []rune(text); len(r) > 300 {
		return string(r[:299]) + "…"
	}
	return text
}

// ask ends the network work of the moment and does something in its place.
func (k *Keeper) ask(ctx context.Context, do func() error) error {
	if cancel := k.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.turn }()
	return do()
}
