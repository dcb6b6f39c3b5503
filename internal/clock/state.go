package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"canseal/internal/durable"
)

// StateFile is the name of the file in the state folder that keeps both floors.
const StateFile = "clock"

// maxState bounds the file; it holds two times.
const maxState = 4096

type state struct {
	Known string `json:"known,omitempty"`
	Trust string `json:"trust,omitempty"`
}

// Load reads the floors of earlier runs from the state folder. A file that is
// absent gives none; one that cannot be understood gives what can be, and an
// error: the box starts all the same, from the build time.
func Load(fsys durable.FS) (known, trust time.Time, err error) {
	data, err := durable.ReadFile(fsys, StateFile, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return known, trust, nil
	}
	if err != nil {
		return known, trust, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return known, trust, fmt.Errorf("read %s: %w", StateFile, err)
	}
	known, errKnown := parse("known", s.Known)
	trust, errTrust := parse("trust", s.Trust)
	return known, trust, errors.Join(errKnown, errTrust)
}

func parse(field, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, fmt.Errorf("read %s: %s: %w", StateFile, field, err)
	}
	return t.UTC(), nil
}

// Save writes both floors: every 10 min, at the end, and when trust was won. What
// is known is the time of now, so an error of the past does not outlive a clock
// that was put right.
func (c *Clock) Save(fsys durable.FS) error {
	now := time.Unix(0, c.Now().Time)
	c.mu.Lock()
	if now = c.believable(now); now.IsZero() {
		now = c.known
	}
	s := state{Known: format(now), Trust: format(c.trust)}
	c.mu.Unlock()
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, StateFile, append(data, '\n'), 0o600)
}

func format(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// DropTrust takes the trust floor out of a state folder with which nobody
// works: an operator's word, given at the machine.
func DropTrust(fsys durable.FS) error {
	known, _, err := Load(fsys)
	if err != nil {
		known = time.Time{} // what cannot be understood goes too
	}
	data, err := json.Marshal(state{Known: format(known)})
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, StateFile, append(data, '\n'), 0o600)
}
