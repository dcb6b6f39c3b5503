package uploader

import (
	"testing"
	"time"
)

func TestPausesGrowWithinTheirBounds(t *testing.T) {
	for class := Unknown; class <= LocalCorruption; class++ {
		r := RuleOf(class)
		if r.About == Segment && r.Action != Retry {
			continue
		}
		for n := range 100 {
			low, high := r.Pause(n, 0, 0), r.Pause(n, 0.999999, 0)
			if low != r.Least || high < low || high > r.Last {
				t.Fatalf("%s, failure %d: %s to %s, want within %s and %s", class, n, low, high, r.Least, r.Last)
			}
		}
		if first, last := r.Pause(0, 0.999999, 0), r.Pause(60, 0.999999, 0); first > r.First || last < r.Last*99/100 {
			t.Errorf("%s: the first pause is %s, the last %s", class, first, last)
		}
	}
}

func TestEveryClassIsInTheTableOrUnknown(t *testing.T) {
	for class := Unknown; class <= LocalCorruption; class++ {
		_, listed := actions[class]
		if !listed && class != NoneThere {
			t.Errorf("%s is not in the table", class)
		}
	}
}

func TestTheNextTask(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	var none time.Time
	at := func(d time.Duration) time.Time { return now.Add(d) }
	stopped := func(class Class, d time.Duration) breaker {
		return breaker{stopped: true, class: class, action: RuleOf(class).Action, until: at(d)}
	}
	for _, c := range []struct {
		name          string
		b             breaker
		beatAt, ready time.Time
		want          task
		wait          time.Duration
	}{
		{"a due heartbeat goes before segments", breaker{}, at(0), at(0), beat, 0},
		{"segments go between heartbeats", breaker{}, at(time.Minute), at(0), send, 0},
		{"nothing to do until the heartbeat", breaker{}, at(time.Minute), none, rest, time.Minute},
		{"a segment that pauses", breaker{}, at(time.Minute), at(time.Second), rest, time.Second},
		{"a stop stops everything", stopped(Network, time.Second), at(0), at(0), rest, time.Second},
		{"the pause is over", stopped(Network, 0), at(time.Minute), at(0), send, 0},
		{"an operator's stop is probed with device.json", stopped(Credentials, 0), at(time.Minute), at(0), beat, 0},
		{"so is a wrong clock", stopped(Clock, 0), at(time.Minute), at(0), beat, 0},
		{"without heartbeat a segment is the probe", stopped(Credentials, 0), none, at(0), send, 0},
	} {
		if got, wait := next(now, c.b, c.beatAt, c.ready); got != c.want || wait != c.wait {
			t.Errorf("%s: task %d after %s, want %d after %s", c.name, got, wait, c.want, c.wait)
		}
	}
}

func TestALongOutageDoesNotLengthenTheNextStop(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	var b breaker
	for range 20 {
		b = b.fail(&Error{Class: Network}, now, 0.999999)
	}
	if wait := b.until.Sub(now); wait < 14*time.Minute {
		t.Errorf("after 20 network errors the pause is %s", wait)
	}
	b = b.fail(&Error{Class: Credentials}, now, 0.999999)
	if wait := b.until.Sub(now); wait > time.Minute {
		t.Errorf("the first pause for credentials is %s", wait)
	}
	b = b.pass(false).fail(&Error{Class: Credentials}, now, 0.999999)
	if wait := b.until.Sub(now); wait < time.Minute {
		t.Errorf("after a probe that got through the pause is %s, want a longer one", wait)
	}
}
