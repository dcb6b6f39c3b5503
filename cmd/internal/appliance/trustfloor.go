package appliance

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"canseal/internal/clock"
	"canseal/internal/durable"
)

// ClockFacts are the clock of this machine and the floors of a state folder.
type ClockFacts struct {
	Wall         time.Time `json:"wall"`         // of the machine
	Synchronised bool      `json:"synchronised"` // by the kernel's word
	Source       string    `json:"source"`
	Build        time.Time `json:"build"`       // of this version: no floor lies below
	Known        time.Time `json:"known"`       // last time that the daemon saved; zero: none
	TrustFloor   time.Time `json:"trust_floor"` // certificates are judged by no earlier time
	Trusted      time.Time `json:"trusted"`     // the time by which they are judged now
	// Won tells that a store has raised the floor above the build time.
	Won bool `json:"won"`
}

// ReadClock tells what a state folder and the machine know of time.
func ReadClock(stateDir string) (ClockFacts, error) {
	if err := stateThere(stateDir); err != nil {
		return ClockFacts{}, err
	}
	known, trust, err := clock.Load(durable.Dir(stateDir))
	if err != nil {
		return ClockFacts{}, err
	}
	c := clock.New(clock.Options{Known: known, Trust: trust})
	now, floor := c.Now(), c.TrustFloor()
	return ClockFacts{Wall: time.Unix(0, now.Wall).UTC(), Synchronised: now.Synchronised, Source: c.Status().Source, Build: clock.Build(),
		Known: known, TrustFloor: floor, Trusted: c.TrustedNow(), Won: floor.After(clock.Build())}, nil
}

// ResetTrustFloor lowers the trust floor of a state folder to the build time:
// by the daemon that works with it, else in the folder itself.
func ResetTrustFloor(ctx context.Context, stateDir string) error {
	client, err := Dial(stateDir)
	if err == nil {
		_, err = client.post(ctx, "/v1/clock/reset-floor", struct{}{})
		return err
	}
	if !errors.Is(err, ErrNotRunning) {
		return err
	}
	if err := stateThere(stateDir); err != nil {
		return err
	}
	lock, err := durable.Lock(filepath.Join(stateDir, "lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	return clock.DropTrust(durable.Dir(stateDir))
}

// clockVerbs is what the local socket can ask about time.
type clockVerbs interface {
	ForgetTrust() error
}

func serveClock(mux *http.ServeMux, v clockVerbs) {
	mux.HandleFunc("POST /v1/clock/reset-floor", func(w http.ResponseWriter, r *http.Request) {
		if err := decodeRequest(r, &struct{}{}); err != nil {
			answer(w, reply{}, err)
			return
		}
		answer(w, reply{}, v.ForgetTrust())
	})
}

// ForgetTrust lowers the trust floor to the build time: an operator's word.
func (a *Appliance) ForgetTrust() error {
	a.clock.ResetTrust()
	a.journal.Add("clock", "trust floor reset", 0, nil)
	if up := a.live().uploader; up != nil {
		up.Retry(false)
	}
	return a.clock.Save(a.state)
}
