package appliance

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/config/ota"
	"canseal/internal/clock"
	"canseal/internal/durable"
)

// WeakerError says why going back needs an operator's second word.
type WeakerError struct {
	Name string
	Why  []string
}

func (e *WeakerError) Error() string {
	return fmt.Sprintf("the previous %s is weaker than the present one (--weaker takes it all the same):\n  %s", e.Name, strings.Join(e.Why, "\n  "))
}

// weakened lists what the previous version of a file would weaken.
func weakened(now *settings, k *ota.Keeper, card durable.FS, name string, at time.Time) ([]string, error) {
	text, err := k.Previous(name)
	if err != nil {
		return nil, err
	}
	switch name {
	case ota.Config:
		before, err := parseSettings(text)
		if err != nil {
			return nil, fmt.Errorf("the previous %s: %w", name, err)
		}
		return weakerConfig(now.Config, before.Config), nil
	case ota.Bundle:
		return weakerBundle(now.Config, card, text, at)
	}
	return nil, nil
}

// weakerConfig are the settings of security that only the card may change so.
func weakerConfig(now, before *config.Config) (why []string) {
	for _, t := range now.Touches(before) {
		if t.Scope == config.Local && (strings.HasPrefix(t.Path, "tls.") || t.Path == "upload.mode") {
			why = append(why, t.Path)
		}
	}
	return why
}

// weakerBundle are the certificates that the present bundle has withdrawn.
func weakerBundle(c *config.Config, card durable.FS, text []byte, at time.Time) (why []string, err error) {
	o := certs.BundleOptions{MinRSABits: c.TLS.MinRSABits, WarnDuplicateIssuer: true, Now: at}
	before, err := certs.LoadBundle(text, o)
	var unusable *certs.BundleError
	if err != nil && !(errors.As(err, &unusable) && before != nil) {
		return nil, fmt.Errorf("the previous %s: %w", bundleFile, err)
	}
	now, _ := loadBundle(c, card, at)
	if now == nil {
		return nil, nil // nothing is trusted now: whatever comes is more, and wanted
	}
	for _, what := range now.Withdrawn(before) {
		why = append(why, "it trusts what the present one does not: "+what)
	}
	return why, nil
}

// RollbackCard goes back on the card of a canseald that is not running.
func RollbackCard(ctx context.Context, o Options, name string, weaker bool) error {
	card, dir := durable.Dir(o.Root), StateDir(o.Root, o.StateDir)
	state := durable.Dir(dir)
	if err := stateThere(dir); err != nil {
		return err
	}
	lock, err := durable.Lock(filepath.Join(dir, "lock"))
	if errors.Is(err, durable.ErrLocked) {
		return WithExit(ExitLocked, fmt.Errorf("a canseald works with %s and does not answer", dir))
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	k, err := ota.Open(ota.Options{Card: card, State: state})
	if err != nil {
		return err
	}
	_, trust, _ := clock.Load(state)
	at := clock.New(clock.Options{Trust: trust}).TrustedNow()
	s, err := loadSettings(card, o)
	if err != nil && name == ota.Config { // it cannot be read: nothing is weaker
		return k.Rollback(ctx, name)
	}
	if err != nil {
		return err
	}
	if why, err := weakened(s, k, card, name, at); err != nil {
		return err
	} else if len(why) > 0 && !weaker {
		return &WeakerError{name, why}
	}
	return k.Rollback(ctx, name)
}
