package probe

import (
	"fmt"
	"math"

	"canseal/can"
)

const (
	askEvery     = 1_000_000 // µs between asks with nothing missing
	askSoonest   = 30_000    // µs between asks with something missing
	askSlowest   = 500_000   // or two rounds, if these are longer
	longestRound = 2_000_000
	nonces       = 64                  // asks that may still be answered
	mostDrift    = 100                 // ppm: of the probe's clock against the logger's
	forgetFast   = 30 * 60 * 1_000_000 // µs after which a measurement of the clocks is too old
)

// receiver is the logger's side for one probe: it brings batches into order,
// asks for those that are missing, knows what is lost for good, and translates
// times. It is pure: times in µs of the logger's monotonic clock and messages
// in, messages and events out.
type receiver struct {
	late   int64 // µs after which an event is no longer fresh
	tell   int64 // µs after which the probe is told what has come
	boot   uint64
	known  bool // boot is
	want   uint64
	held   map[uint64]batch // above want
	newest uint64           // one past the highest batch that was heard of
	top    uint64           // one past the highest batch that has come
	index  uint64           // of the next event
	told   uint64           // events that there were, by the probe's last word

	asked   [nonces]askedAt
	askAt   int64 // of the last ask
	askWant uint64
	askTop  uint64
	pause   int64 // between asks while something is missing
	round   int64 // µs from an ask to its echo, of the last one
	heardAt int64 // of the last echo
	clock   clock
	last    int64 // time of the last event, µs of the logger
	status  Counts
	fresh   bool // the last batch was
}

// Counts are what a probe's link has carried.
type Counts struct {
	Batches    uint64 `json:"batches"`
	Duplicates uint64 `json:"duplicates"`
	Events     uint64 `json:"events"`
	Lost       uint64 `json:"lost"`  // events that never came, in gap records
	Late       uint64 `json:"late"`  // events that came, but may be older than the limit
	Boots      uint64 `json:"boots"` // lives of the probe
	Bad        uint64 `json:"bad"`   // messages that were none
}

type askedAt struct {
	nonce uint64
	at    int64
}

// clock is the best measurement of the probe's clock: when it showed probe, the
// logger's was between low and high.
type clock struct {
	probe     int64
	low, high int64
	at        int64
	known     bool
}

// spread is how far the bounds are apart at a time, with what clocks may drift.
func (c *clock) spread(now int64) int64 { return c.high - c.low + 2*c.drift(now) }

func (c *clock) drift(now int64) int64 { return max(0, now-c.at) * mostDrift / 1_000_000 }

// improve takes a measurement that is better than the present one.
func (c *clock) improve(probe, low, high, now int64) {
	if !c.known || high-low <= c.spread(now) || now-c.at > forgetFast {
		*c = clock{probe: probe, low: low, high: high, at: now, known: true}
	}
}

// of translates a time: the middle of the bounds.
func (c *clock) of(probe int64) int64 { return probe - c.probe + c.low + (c.high-c.low)/2 }

// oldest is the earliest moment that a time of the probe can be.
func (c *clock) oldest(probe, now int64) int64 { return probe - c.probe + c.low - c.drift(now) }

func newReceiver(late int64) *receiver {
	return &receiver{late: late, tell: askEvery, held: map[uint64]batch{}, pause: askSoonest, askAt: math.MinInt64 / 2}
}

// take takes a message. Events come in the order in which they happened, with
// times in µs of the logger. Nonces are random; a forged message cannot come
// this far.
func (r *receiver) take(message []byte, now int64, events []can.Event) ([]can.Event, error) {
	if len(message) == 0 {
		r.status.Bad++
		return events, fmt.Errorf("%w: nothing", errMessage)
	}
	switch message[0] {
	case messageEcho:
		e, err := parseEcho(message)
		if err != nil {
			r.status.Bad++
			return events, err
		}
		return r.echoed(&e, now, events)
	case messageBatch:
		b, err := parseBatch(message)
		if err != nil {
			r.status.Bad++
			return events, err
		}
		return r.batch(b, now, events)
	}
	r.status.Bad++
	return events, fmt.Errorf("%w: kind %d", errMessage, message[0])
}

// echoed takes what a probe says of itself.
func (r *receiver) echoed(e *echo, now int64, events []can.Event) ([]can.Event, error) {
	if !r.known || e.boot != r.boot {
		events = r.reboot(e, now, events)
	}
	for _, a := range r.asked {
		if a.nonce != 0 && a.nonce == e.nonce {
			r.heardAt = now
			r.clock.improve(int64(e.clock), a.at, now, now)
			r.round = min(now-a.at, longestRound)
			r.pause = max(askSoonest, 2*r.round)
		}
	}
	r.newest, r.told = max(r.newest, e.next), e.events
	if e.lowest > r.want { // what is below is lost for good
		r.want = e.lowest
		for seq := range r.held {
			if seq < r.want {
				delete(r.held, seq)
			}
		}
	}
	return r.deliver(now, events)
}

// reboot begins with another life of the probe. What it had of the former one is
// lost: as many events as its last word told, and perhaps more; and what passed
// on the bus in between nobody has seen.
func (r *receiver) reboot(e *echo, now int64, events []can.Event) []can.Event {
	if r.known {
		lost := max(r.told, r.index) - r.index
		events = append(events, can.Event{Kind: can.KindLost, Reason: can.LostProbe, From: r.last, Time: max(r.last, now), Lost: lost, AtLeast: true})
		r.status.Lost += lost
	}
	r.boot, r.known, r.want, r.newest, r.index, r.told = e.boot, true, e.lowest, e.next, e.floor, e.events
	r.top, r.askTop, r.round = 0, 0, 0
	clear(r.held)
	r.clock = clock{}
	r.status.Boots++
	return events
}

// batch takes a batch.
func (r *receiver) batch(b batch, now int64, events []can.Event) ([]can.Event, error) {
	if !r.known || !r.clock.known {
		return events, nil // it will be sent again when it can be dated
	}
	_, held := r.held[b.seq]
	switch {
	case b.seq < r.want || held:
		r.status.Duplicates++
		return events, nil
	case b.seq >= r.want+mostMissing:
		r.newest = max(r.newest, b.seq+1)
		return events, nil // too far ahead to keep
	}
	r.newest, r.top = max(r.newest, b.seq+1), max(r.top, b.seq+1)
	b.items = append([]byte(nil), b.items...)
	r.held[b.seq] = b
	return r.deliver(now, events)
}

// deliver hands over what is in order.
func (r *receiver) deliver(now int64, events []can.Event) ([]can.Event, error) {
	for {
		b, ok := r.held[r.want]
		if !ok {
			return events, nil
		}
		delete(r.held, r.want)
		r.want++
		from := len(events)
		if b.index > r.index {
			events = append(events, can.Event{Kind: can.KindLost, Reason: can.LostProbe, From: r.last, Time: r.date(b.base), Lost: b.index - r.index})
			r.status.Lost += b.index - r.index
			from = len(events)
		}
		var err error
		events, err = b.events(events)
		if err != nil {
			r.status.Bad++
			return events[:from], err
		}
		r.account(events[from:], &b, now)
	}
}

// account dates the events of a batch and counts them.
func (r *receiver) account(events []can.Event, b *batch, now int64) {
	newest := int64(b.base)
	for i := range events {
		e := &events[i]
		newest = e.Time
		from := e.Time - e.From
		e.Time = r.date(uint64(e.Time))
		e.From = e.Time - from
	}
	r.status.Batches++
	r.status.Events += uint64(len(events))
	r.index = b.index + uint64(len(events))
	if r.fresh = now-r.clock.oldest(newest, now) <= r.late; !r.fresh {
		r.status.Late += uint64(len(events))
	}
}

// date translates a time; none is before the last.
func (r *receiver) date(micros uint64) int64 {
	r.last = max(r.last, r.clock.of(int64(micros)))
	return r.last
}

// due tells when the next ask is.
func (r *receiver) due() int64 {
	switch {
	case r.want >= r.askWant+mostMissing/4: // the probe waits for room
		return r.askAt
	case r.missing() || !r.clock.known:
		return r.askAt + r.pause
	case r.want > r.askWant:
		return r.askAt + r.tell
	}
	return r.askAt + askEvery
}

func (r *receiver) missing() bool { return r.known && r.want < r.newest }

// ask makes an ask with a nonce, which must not be 0. Batches are missing that
// later ones have overtaken; those above the last that came may be on their way,
// unless none has come since the last ask.
func (r *receiver) ask(nonce uint64, now int64) []byte {
	copy(r.asked[1:], r.asked[:nonces-1])
	r.asked[0] = askedAt{nonce, now}
	r.askWant = r.want
	r.askAt, r.pause = now, max(min(2*r.pause, askSlowest), 2*r.round)
	a := ask{nonce: nonce, want: r.want}
	if r.known {
		a.boot = r.boot
	}
	to := r.top
	if r.top == r.askTop { // nothing is on its way any more
		to = r.newest
	}
	r.askTop = r.top
	n := min(max(to, r.want)-r.want, mostMissing)
	a.missing = make([]byte, (n+7)/8)
	for i := range n {
		if _, held := r.held[r.want+i]; !held {
			a.missing[i/8] |= 1 << (i % 8)
		}
	}
	return a.append(nil)
}

// stale tells that nothing of the probe is fresh: no echo for three limits.
func (r *receiver) stale(now int64) bool { return now-r.heardAt > 3*r.late+askEvery }
