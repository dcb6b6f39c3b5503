package ota

import (
	"context"
	"errors"
	"fmt"

	"canseal/internal/trial"
)

// objects in the order in which they are spoken of.
var objects = []string{Config, Bundle, Identity}

func trialOf(name string) which {
	if name == Identity {
		return identity
	}
	return settings
}

// hash is that of what is current, empty where there is nothing.
func (k *Keeper) hash(name string) (string, error) {
	text, absent, err := k.shelf.current(name)
	if err != nil || absent {
		return "", err
	}
	return hashOf(text), nil
}

// Card takes what is on the card as it is: at the start, and when it is read
// again. A file that is not the one remembered was changed there: the card wins,
// a trial of that file ends, and an event says so. own names files that this
// program has just written, with the hash that they had before: those are no
// change.
func (k *Keeper) Card(ctx context.Context, own map[string]string) error {
	return k.ask(ctx, func() error {
		var all []error
		for _, name := range objects {
			all = append(all, k.accept(ctx, name, own[name]))
		}
		return errors.Join(all...)
	})
}

// Reload takes what is on the card, and brings it into force.
func (k *Keeper) Reload(ctx context.Context, own map[string]string) error {
	defer k.poke()
	return k.ask(ctx, func() error {
		var all []error
		for _, name := range objects {
			all = append(all, k.accept(ctx, name, own[name]))
		}
		k.because(nil)
		return errors.Join(append(all, k.apply(ctx, settings))...)
	})
}

// accept takes one file of the card.
func (k *Keeper) accept(ctx context.Context, name, own string) error {
	now, err := k.hash(name)
	if err != nil {
		return fmt.Errorf("%s on the card: %w", name, err)
	}
	before, known := k.book.Load().Current[name]
	if known && before.SHA256 == now || onSettling(k.book.Load(), name) {
		return nil
	}
	ours := !known || own == before.SHA256
	after := Owned{SHA256: now, Source: Card, Since: k.o.Now()}
	if known && ours {
		after = before
		after.SHA256 = now
	}
	if err := k.remember(func(b *book) { b.Current[name] = after }); err != nil || ours {
		return err
	}
	k.o.Log.Warn("changed on the card: the card wins", "file", name, "before", before.SHA256, "now", now)
	k.o.Event(kindOf(trialOf(name)), "changed on the card", 0, map[string]any{"object": name, "before": before.SHA256, "now": now})
	return k.step(ctx, trialOf(name), trial.Event{Kind: trial.Withdraw, Reason: name + " was changed on the card"}, nil, nil)
}

func onSettling(b *book, name string) bool {
	r := b.record(trialOf(name))
	return r.State == trial.Settling && has(*r, name)
}

// look takes a bundle or a certificate that was put on the card meanwhile; the
// next connection works with it. A configuration waits for a reload or a start:
// it is not in force before, and until then nothing is tried against it.
func (k *Keeper) look(ctx context.Context, ways *Ways) (blocked bool) {
	for _, name := range []string{Bundle, Identity} {
		before := k.book.Load().Current[name]
		if err := k.accept(ctx, name, ""); err != nil {
			k.o.Log.Warn("settings on the card", "error", err)
		}
		if k.book.Load().Current[name] != before && ways.Apply != nil {
			_ = k.apply(ctx, settings)
		}
	}
	now, err := k.hash(Config)
	if err != nil || now == k.book.Load().Current[Config].SHA256 || onSettling(k.book.Load(), Config) {
		return false
	}
	_ = k.step(ctx, settings, trial.Event{Kind: trial.Withdraw, Reason: "config.yaml was changed on the card"}, nil, nil)
	k.because(errors.New("config.yaml was changed on the card: a restart, or `canseal config reload`, takes it"))
	return true
}

// ErrNoPrevious says that there is nothing to go back to.
var ErrNoPrevious = errors.New("there is no previous one")

// Previous reads what was current before; ErrNoPrevious where nothing was.
func (k *Keeper) Previous(name string) ([]byte, error) {
	return k.shelf.previous(name)
}

// Rollback makes the previous version of an object current, on an operator's
// word: at once, and without a trial. What was current becomes the previous one,
// and is not taken from the bucket again until it is put anew.
func (k *Keeper) Rollback(ctx context.Context, name string) error {
	return k.ask(ctx, func() error {
		w := trialOf(name)
		text, err := k.shelf.previous(name)
		if err != nil {
			return err
		}
		c := Candidate{Source: Rollback, Files: map[string][]byte{name: text}}
		changed, force, err := k.changed(c)
		if err != nil {
			return err
		}
		if len(changed) == 0 {
			return fmt.Errorf("%s: the previous one is current already", name)
		}
		refused := func(b *book) {
			b.refuse(Refusal{Object: name, SHA256: changed[0].Old, Reason: "an operator went back"})
		}
		stage := trial.Event{Kind: trial.Stage, Candidate: trial.Record{Objects: changed, Source: Rollback, Force: force}}
		if err := k.step(ctx, w, stage, c.Files, nil); err != nil {
			return err
		}
		for _, e := range []trial.Kind{trial.Begin, trial.Proved} {
			if err := k.step(ctx, w, trial.Event{Kind: e}, nil, refused); err != nil {
				return err
			}
		}
		if r := *k.book.Load().record(w); r.State != trial.Settled {
			return fmt.Errorf("%s: %s: %s", name, r.State, r.Reason)
		}
		k.because(nil)
		return nil
	})
}
