package clock

import (
	"time"
)

// RecordFloor is the time below which no name and no stamp falls.
func (c *Clock) RecordFloor() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recordFloor()
}

func (c *Clock) recordFloor() time.Time { return latest(c.build, c.known, c.newest) }

// TrustFloor is the time below which no certificate date is checked.
func (c *Clock) TrustFloor() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trustFloor()
}

func (c *Clock) trustFloor() time.Time { return latest(c.build, c.trust) }

// TrustedNow is the time for the dates of certificates and statements: the
// machine's own, without the offset (files on a card have a say in that), but
// never below the trust floor.
func (c *Clock) TrustedNow() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return latest(time.Unix(0, c.read().Wall).UTC(), c.trustFloor())
}

// AcceptTrust raises the trust floor to the local time of a signed request that
// the store accepted over a verified connection. Nothing else may call it.
func (c *Clock) AcceptTrust(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.trustFloor()
	c.trust = latest(c.trust, c.believable(t)).UTC()
	if c.trustFloor().Sub(before) < worthSaving {
		return
	}
	select {
	case c.won <- struct{}{}:
	default:
	}
}

// worthSaving is the gain of the trust floor that is saved at once.
const worthSaving = time.Hour

// Won speaks when the trust floor has risen by an hour or more: time to Save.
func (c *Clock) Won() <-chan struct{} { return c.won }

// ResetTrust lowers the trust floor to the build time: an operator's word, given
// at the machine.
func (c *Clock) ResetTrust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trust = time.Time{}
}

func latest(t time.Time, more ...time.Time) time.Time {
	for _, m := range more {
		if m.After(t) {
			t = m
		}
	}
	return t.UTC()
}

// Status is the section `clock` of device.json.
type Status struct {
	Source       string    `json:"source"`
	Synchronised bool      `json:"synchronised"`
	ErrorMicros  *uint32   `json:"error_us,omitempty"` // absent: unknown
	Offset       int64     `json:"offset_ns"`
	Floor        time.Time `json:"floor"`
	TrustFloor   time.Time `json:"trust_floor"`
	Steps        int       `json:"steps"`
	LastStep     int64     `json:"last_step_ms"`
	Skew         *int64    `json:"skew_ms,omitempty"` // the store's clock minus ours; filled by who knows
}

// Status is a snapshot.
func (c *Clock) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stamp(c.read())
	s := Status{
		Source: now.Source.String(), Synchronised: now.Synchronised, Offset: c.offset,
		Floor: c.recordFloor(), TrustFloor: c.trustFloor(), Steps: c.steps, LastStep: c.lastStep.Milliseconds(),
	}
	if now.Error != Unsure {
		s.ErrorMicros = &now.Error
	}
	return s
}
