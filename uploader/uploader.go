package uploader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"canseal/internal/clock"
	"canseal/segment"
)

// Options of an uploader.
type Options struct {
	Store Store
	Card  segment.Card

	Mode     string // low, medium, high: as receipts have it
	Endpoint string // https://host:9000: as receipts have it
	Bucket   string
	Prefix   string // of all keys, without slash at the end; mostly empty
	Proved   string // tls or plain: what a receipt of this store is worth

	Order   string // oldest (default), newest, mixed: of segments that are not pinned
	Workers int    // segments at once, default 1
	Quirks  Quirks
	// PartSize is that of the parts in which segments go that are larger than
	// two; default 8 MiB. Whoever changes it cannot compare what is there.
	PartSize int64

	Heartbeat  time.Duration                  // of device.json; default 5 min
	DeviceJSON func() []byte                  // nil: no heartbeat, and segments are the probes
	EventsJSON func() ([]byte, bool)          // events.jsonl, and whether it has changed since the last call; may be nil
	Meta       map[string]string              // hw, fw: metadata of each segment
	Clock      interface{ Now() clock.Stamp } // for receipts and class clock; nil: the system's, unsynchronised
	Random     func() float64                 // in [0, 1), spreads pauses; default math/rand
	Log        *slog.Logger                   // nil: silent
	// Confirmed is called after each receipt; it must not block. May be nil.
	Confirmed func()
	// Event is told of changes of state, in the words of events.jsonl; may be
	// nil.
	Event func(kind, what string, bus uint8, detail map[string]any)
}

// Quirks say what the store can do, where finding out is not wanted. Empty and
// auto: it is found out.
type Quirks struct {
	IfNoneMatch       string // auto, on, off
	Checksum          string // auto and sha256; crc32c, md5: what travels with an object instead
	MultipartChecksum string // auto, sha256, etag_only
}

// Uploader is a component: New, then Run.
type Uploader struct {
	o     Options
	poked chan struct{}
	woken chan struct{} // a delivery has ended
	turn  chan struct{} // held by whoever works: Run, or Drain

	// Owned by the holder of turn:
	seals   seals
	breaker breaker
	beatAt  time.Time
	events  []byte // events.jsonl, while it is owed
	started time.Time
	scanned time.Time // zero: the queue is to be read from the card
	queue   []item
	owed    map[segment.Name]segment.Receipt // the card took no receipt
	flying  map[segment.Name]flight
	stale   []stale // uploads to abort
	puts    uint64
	turns   int // segments sent, for Mixed
	watch   watch
	rate    rate
	traits  traits

	mu     sync.Mutex // held for moments only
	landed []landing
	aloft  []segment.Name // the names of flying
	parked map[segment.Name]parking
	resend bool // Retry(true): receipts of other stores do not count
	hurry  bool // Retry: try at once
	state  Status
}

// New makes an uploader. It touches neither card nor network.
func New(o Options) *Uploader {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 5 * time.Minute
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Confirmed == nil {
		o.Confirmed = func() {}
	}
	if o.Event == nil {
		o.Event = func(string, string, uint8, map[string]any) {}
	}
	if o.PartSize <= 0 {
		o.PartSize = partSize
	}
	if o.Workers <= 0 {
		o.Workers = 1
	}
	u := &Uploader{o: o, poked: make(chan struct{}, 1), woken: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		flying: map[segment.Name]flight{}, owed: map[segment.Name]segment.Receipt{}, parked: map[segment.Name]parking{}}
	u.traits.unconditional.Store(o.Quirks.IfNoneMatch == "off")
	u.traits.etagOnly.Store(o.Quirks.MultipartChecksum == "etag_only")
	u.started = time.Now()
	if o.DeviceJSON != nil {
		u.beatAt = u.started
	}
	u.state = Status{Mode: o.Mode, State: "idle", Endpoint: o.Endpoint, Bucket: o.Bucket, Since: u.started.UTC().Truncate(time.Millisecond)}
	return u
}

func (u *Uploader) String() string { return "uploader" }

// Poke says that the card has changed: a segment was sealed or pinned.
func (u *Uploader) Poke() {
	select {
	case u.poked <- struct{}{}:
	default:
	}
}

// Retry takes up parked segments again and ends a stop of the flow. With all,
// segments are sent again whose receipts name another endpoint or bucket.
func (u *Uploader) Retry(all bool) {
	u.mu.Lock()
	clear(u.parked)
	u.resend = u.resend || all
	u.hurry = true
	u.mu.Unlock()
	u.Poke()
}

// Run works until ctx ends.
func (u *Uploader) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if wait := u.step(ctx); wait > 0 {
			u.sleep(ctx, wait)
		}
	}
	u.turn <- struct{}{}
	defer func() { <-u.turn }()
	u.await(ctx)
	return nil
}

// step does one piece of work, or tells how long there is none.
func (u *Uploader) step(ctx context.Context) time.Duration {
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	defer func() { <-u.turn }()
	u.refresh()
	wait := min(u.work(ctx), u.o.Heartbeat)
	if u.breaker.stopped {
		wait = min(wait, clockPoll)
	}
	return wait
}

// work does the next task; it tells how long to rest where there is none.
func (u *Uploader) work(ctx context.Context) time.Duration {
	now := time.Now()
	i := -1
	if u.room() {
		i = pick(u.queue, u.o.Order, u.turns, now, u.busy)
	}
	var ready time.Time
	if i >= 0 {
		ready = latest(u.queue[i].after, u.started)
	}
	what, wait := next(now, u.breaker, u.beatAt, ready)
	switch what {
	case beat:
		u.beat(ctx)
	case send:
		u.launch(ctx, i)
	case rest:
		if u.tidy(ctx) {
			wait = 0
		}
	}
	u.publish()
	return wait
}

// clockPoll is how often the clock is looked at while the flow is stopped.
const clockPoll = 2 * time.Second

// sleep waits for the end of a pause or a poke.
func (u *Uploader) sleep(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-u.woken:
		u.wake() // reap takes it: another may hold the turn and wait for it
	case <-u.poked:
		u.Poke() // refresh takes it
	}
}

// Drain offers what is on the card, without pause, until the queue is empty,
// the store refuses, or ctx ends: for the last segment, at shutdown. Then it
// puts a last device.json. It works beside or without Run. The error tells why
// segments are left.
func (u *Uploader) Drain(ctx context.Context) error {
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-u.turn }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u.scanned = time.Time{}
	u.refresh()
	if !u.breaker.probing() {
		u.breaker = u.breaker.hurry(time.Now())
	}
	u.workOff(ctx)
	if u.o.DeviceJSON != nil && !u.breaker.stopped && ctx.Err() == nil {
		u.beat(ctx)
	}
	return u.left(ctx)
}

// workOff works until nothing can be done and nothing is under way.
func (u *Uploader) workOff(ctx context.Context) {
	for tries := 0; ctx.Err() == nil && (!u.breaker.stopped || tries == 0 || len(u.flying) > 0); tries++ {
		if u.work(ctx) == 0 {
			u.reap()
			continue
		}
		if len(u.flying) == 0 {
			break
		}
		select {
		case <-u.woken:
		case <-ctx.Done():
		}
		u.reap()
	}
	if ctx.Err() != nil {
		u.await(ctx)
	}
	u.publish()
}

// left tells why segments are left.
func (u *Uploader) left(ctx context.Context) error {
	switch n := len(u.queue); {
	case n == 0:
		return nil
	case u.breaker.stopped:
		return fmt.Errorf("%d segments left: %s", n, u.breaker.reason)
	case ctx.Err() != nil:
		return fmt.Errorf("%d segments left: %w", n, ctx.Err())
	default:
		return fmt.Errorf("%d segments left", n)
	}
}

// asError gives every error a class.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Class: Unknown, Err: err}
}
