package ota

import (
	"time"

	"canseal/internal/trial"
)

// Status is the section `settings` of device.json.
type Status struct {
	Policy    string   `json:"policy"`
	Config    Fact     `json:"config"`
	Bundle    Fact     `json:"bundle"`
	Identity  Fact     `json:"identity"`
	Reason    string   `json:"reason,omitempty"` // why nothing is taken, or a candidate waits
	Refused   []string `json:"refused"`          // SHA-256, the newest last
	NewsUntil string   `json:"news_until,omitempty"`
}

// Fact is what device.json says of one object.
type Fact struct {
	State     trial.State `json:"state"`
	SHA256    string      `json:"sha256,omitempty"` // of what is current
	Source    string      `json:"source"`
	Since     string      `json:"since,omitempty"`
	Serial    int64       `json:"serial,omitempty"`
	Candidate string      `json:"candidate,omitempty"` // SHA-256 of what is staged or on trial, or was refused
	Left      int64       `json:"left_s,omitempty"`
	Boots     int         `json:"boots_left,omitempty"`
	Failures  int         `json:"failures,omitempty"`
	Reason    string      `json:"reason,omitempty"`
}

// Status is a snapshot.
func (k *Keeper) Status() Status {
	b := k.book.Load()
	k.mu.Lock()
	reason := k.reason
	k.mu.Unlock()
	s := Status{
		Policy: k.ways.Load().Policy, Config: b.fact(Config), Bundle: b.fact(Bundle), Identity: b.fact(Identity),
		Reason: reason, NewsUntil: b.News, Refused: []string{},
	}
	for _, r := range b.Refused {
		s.Refused = append(s.Refused, r.SHA256)
	}
	return s
}

// fact is what is known of one object.
func (b *book) fact(name string) Fact {
	own := b.Current[name]
	f := Fact{State: trial.Settled, SHA256: own.SHA256, Source: own.Source, Since: own.Since, Serial: own.Serial}
	if f.Source == "" {
		f.Source = Card
	}
	r := *b.record(trialOf(name))
	o := objectOf(r, name)
	if o == nil || r.State == trial.Settled {
		return f
	}
	f.State, f.Candidate, f.Reason = r.State, o.New, r.Reason
	if r.State == trial.Trying {
		f.Left, f.Boots, f.Failures = int64(r.Left/time.Second), r.Boots, r.Failures
	}
	return f
}
