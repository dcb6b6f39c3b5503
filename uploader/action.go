package uploader

import (
	"math"
	"time"
)

// About tells what an error stops.
type About uint8

const (
	Endpoint About = iota // the flow
	Segment               // one segment; the queue goes on
)

// Action is what follows an error.
type Action uint8

const (
	Retry    Action = iota // after a pause
	Wait                   // for the clock; probes meanwhile
	Operator               // for somebody to act; probes meanwhile
	Again                  // send again at once, under If-None-Match
	Park                   // leave this segment alone until Retry or restart
	Remember               // send again without what the store lacks
	Receipt                // it has arrived
)

// Rule is one row of the table of actions.
type Rule struct {
	About  About
	Action Action
	Tries  int // of a segment, after the first, before it is parked
	// The pause after failure n (from 0) is drawn evenly between Least and
	// First x 2^n, at most Last.
	Least, First, Last time.Duration
}

// Bounds of pauses.
const (
	soon   = time.Second
	later  = 15 * time.Minute
	minute = time.Minute
	hour   = time.Hour
)

// forever is a number of tries that no run makes.
const forever = math.MaxInt

// maxRetryAfter bounds the store's own wish: in mode low anybody on the path
// can utter it.
const maxRetryAfter = time.Hour

// actions is the table. A class that is not in it (as confirmed and none_there
// for an answer to a write) is treated as unknown.
var actions = map[Class]Rule{
	Network:           {About: Endpoint, Action: Retry, First: soon, Last: later},
	Busy:              {About: Endpoint, Action: Retry, First: soon, Last: later},
	Unknown:           {About: Endpoint, Action: Retry, Least: minute, First: minute, Last: hour},
	IdentitySuspected: {About: Endpoint, Action: Retry, Least: minute, First: minute, Last: hour},
	Clock:             {About: Endpoint, Action: Wait, Least: minute, First: minute, Last: hour},
	Credentials:       {About: Endpoint, Action: Operator, Least: minute, First: minute, Last: hour},
	Config:            {About: Endpoint, Action: Operator, Least: minute, First: minute, Last: hour},
	Trust:             {About: Endpoint, Action: Operator, Least: minute, First: minute, Last: hour},
	Identity:          {About: Endpoint, Action: Operator, Least: minute, First: minute, Last: hour},
	StoreFull:         {About: Endpoint, Action: Operator, Least: later, First: later, Last: hour},
	Quirk:             {About: Endpoint, Action: Remember, Least: minute, First: minute, Last: hour},
	Transfer:          {About: Segment, Action: Retry, Tries: 3, First: soon, Last: later},
	CannotTell:        {About: Segment, Action: Again},
	KeyConflict:       {About: Segment, Action: Park},
	CannotCompare:     {About: Segment, Action: Park},
	TooLarge:          {About: Segment, Action: Park},
	LocalCorruption:   {About: Segment, Action: Park},
	Unreadable:        {About: Segment, Action: Retry, Tries: forever, First: soon, Last: later},
	Confirmed:         {About: Segment, Action: Receipt},
}

// RuleOf returns the row of a class.
func RuleOf(c Class) Rule {
	if r, ok := actions[c]; ok {
		return r
	}
	return actions[Unknown]
}

// Pause returns how long to wait after so many failures before this one.
// chance is evenly spread over [0, 1). A store's Retry-After lengthens the
// pause, up to an hour.
func (r Rule) Pause(failures int, chance float64, retryAfter time.Duration) time.Duration {
	bound := float64(r.First) * math.Exp2(float64(min(failures, 40)))
	bound = min(bound, float64(r.Last))
	pause := r.Least + time.Duration(chance*(bound-float64(r.Least)))
	return max(pause, min(retryAfter, maxRetryAfter))
}

// breaker is the state of the endpoint. It is closed (the flow runs) when
// stopped is false.
type breaker struct {
	stopped  bool
	class    Class
	action   Action
	reason   string
	failures int // in a row; a segment or a part that arrives ends it, or a heartbeat when nothing waits
	first    time.Duration
	since    time.Time // the last failure
	until    time.Time // next try
}

// fail stops the flow.
func (b breaker) fail(err error, now time.Time, chance float64) breaker {
	e := asError(err)
	rule := RuleOf(e.Class)
	if rule.About != Endpoint {
		rule = actions[Unknown]
	}
	if rule.Action == Remember { // it has been remembered, and that did not help
		rule.Action = Operator
	}
	if rule.First != b.first {
		b.first, b.failures = rule.First, 0 // a long outage before says nothing about this one
	}
	pause := rule.Pause(b.failures, chance, e.RetryAfter)
	b.stopped, b.class, b.action, b.reason = true, e.Class, rule.Action, shorten(e.Error())
	b.failures++
	b.since, b.until = now, now.Add(pause)
	return b
}

// pass lets the flow run; whole also forgets the failures before, so that
// the next pause is short again.
func (b breaker) pass(whole bool) breaker {
	if whole {
		return breaker{}
	}
	return breaker{class: b.class, first: b.first, failures: b.failures}
}

// heard notes that something has arrived although the try failed in the end.
func (b breaker) heard() breaker {
	b.failures = 0
	return b
}

// hurry makes the next try due.
func (b breaker) hurry(now time.Time) breaker {
	if b.stopped {
		b.until = now
	}
	return b
}

// probing tells whether the next try must be a cheap one.
func (b breaker) probing() bool {
	return b.stopped && (b.action == Operator || b.action == Wait)
}

// task is what to do next.
type task uint8

const (
	rest task = iota
	beat      // put device.json, and events.jsonl where it has changed
	send      // put a segment
)

// next decides what to do, or how long to rest. ready is the time at which
// the first segment may be sent, zero for none; beatAt the time of the next
// heartbeat, zero for never.
func next(now time.Time, b breaker, beatAt, ready time.Time) (task, time.Duration) {
	if b.stopped && now.Before(b.until) {
		return rest, b.until.Sub(now)
	}
	canBeat := !beatAt.IsZero()
	if canBeat && (b.probing() || !now.Before(beatAt)) {
		return beat, 0
	}
	if !ready.IsZero() && !now.Before(ready) {
		return send, 0
	}
	wait := time.Duration(math.MaxInt64)
	for _, t := range []time.Time{beatAt, ready} {
		if !t.IsZero() {
			wait = min(wait, t.Sub(now))
		}
	}
	return rest, wait
}
