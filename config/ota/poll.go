package ota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"canseal/internal/trial"
)

// ErrTooLarge is returned by Ways.Fetch for an object above its limit.
var ErrTooLarge = errors.New("object too large")

// ErrNone is returned by Ways.Fetch where there is no object.
var ErrNone = errors.New("no such object")

// poll looks at the bucket once: first for a statement, then, where the policy
// takes them, for objects without one, then for a certificate.
func (k *Keeper) poll(ctx context.Context, ways *Ways) {
	k.forgive()
	named, err := k.pollStatement(ctx, ways)
	if err == nil && ways.Policy == "bucket" {
		err = k.pollObjects(ctx, ways, named)
	}
	if err == nil {
		err = k.pollIdentity(ctx, ways)
	}
	if ctx.Err() != nil || err == nil && k.book.Load().Settings.On() {
		return
	}
	if k.because(err); err != nil {
		k.o.Log.Info("settings in the bucket", "error", err)
	}
}

// forgive lets what a signed trial has refused be tried anew, once a day of
// running time: whoever signed it may have mended the other side.
func (k *Keeper) forgive() {
	if time.Now().Before(k.again) {
		return
	}
	k.again = time.Now().Add(retrySigned)
	r := k.book.Load().Settings
	if r.State != trial.Refused || r.Source != Signed || r.Reason == trial.NoBoots {
		return
	}
	_ = k.remember(func(b *book) {
		for _, o := range r.Objects {
			b.forgive(o.Name, o.New)
		}
		delete(b.Seen, Update)
	})
}

// news tells whether an object is another one than the one judged last.
func (k *Keeper) news(ctx context.Context, ways *Ways, name string) (tag Tag, is bool, err error) {
	tag, err = ways.Look(ctx, name)
	if err != nil || tag == (Tag{}) {
		return tag, false, err
	}
	return tag, k.book.Load().Seen[name] != tag, nil
}

// newsOfStatement is news of a statement and its signature, in whatever order
// they were put: until both are there, there is nothing to judge.
func (k *Keeper) newsOfStatement(ctx context.Context, ways *Ways) (tag Tag, is bool, err error) {
	tag, err = ways.Look(ctx, Update)
	if err != nil || tag == (Tag{}) {
		return tag, false, err
	}
	signature, err := ways.Look(ctx, Update+Signature)
	if err != nil || signature == (Tag{}) {
		return tag, false, err
	}
	tag = Tag{ETag: tag.ETag + " " + signature.ETag, Modified: tag.Modified + " " + signature.Modified}
	return tag, k.book.Load().Seen[Update] != tag, nil
}

// pollStatement reads and judges update.json with what it names. It returns what
// a statement speaks for, so that it is not taken without it.
func (k *Keeper) pollStatement(ctx context.Context, ways *Ways) (named map[string]string, err error) {
	named = k.book.Load().Named
	if ways.Verify == nil {
		return nil, nil
	}
	tag, is, err := k.newsOfStatement(ctx, ways)
	if err != nil || !is {
		return named, err
	}
	text, err := k.fetch(ctx, ways, Update, MaxStatement)
	if err != nil {
		return named, k.fetched(Update, tag, "", err)
	}
	signature, err := k.fetch(ctx, ways, Update+Signature, maxSignature)
	if errors.Is(err, ErrNone) {
		return named, nil // not complete: look again
	}
	if err != nil {
		return named, k.fetched(Update, tag, hashOf(text), err)
	}
	key, err := ways.Verify(text, signature)
	var s Statement
	if err == nil {
		s, err = ParseStatement(text)
	}
	if err == nil {
		err = k.standing(ways, s, key, hashOf(text))
	}
	if err != nil {
		return named, k.fetched(Update, tag, hashOf(text), err)
	}
	return s.Objects, k.collect(ctx, ways, tag, text, s, key)
}

func (k *Keeper) standing(ways *Ways, s Statement, key, hash string) error {
	if why := s.standing(ways.Device, ways.Fleet, k.book.Load().Signers[key], hash); why != "" {
		return errors.New(why)
	}
	if now := ways.Trusted(); !s.NotAfter.IsZero() && now.After(s.NotAfter) {
		return &Wait{fmt.Errorf("not after %s, and it is %s here", s.NotAfter.Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
	}
	return nil
}

// unread is the error of an object that did not come.
type unread struct{ error }

func (e *unread) Unwrap() error { return e.error }

// fetch reads an object. What did not come is *unread; ErrNone and ErrTooLarge
// are the bucket's word about it.
func (k *Keeper) fetch(ctx context.Context, ways *Ways, name string, limit int64) ([]byte, error) {
	text, err := ways.Fetch(ctx, name, limit)
	if err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrTooLarge) {
		return nil, &unread{err}
	}
	return text, err
}

// fetched deals with an object that is not taken: what only the device can judge
// is refused at once and not read again until it changes; what a date or a
// broken connection stands against is looked at again.
func (k *Keeper) fetched(name string, tag Tag, hash string, why error) error {
	var wait *Wait
	if errors.As(why, &wait) {
		return fmt.Errorf("%s: %w", name, why)
	}
	var judged *unread
	if errors.As(why, &judged) {
		return fmt.Errorf("%s: %w", name, why)
	}
	k.refuse(name, tag, hash, why)
	return nil
}

// refuse says, once, that an object is refused at once.
func (k *Keeper) refuse(name string, tag Tag, hash string, why error) {
	known := k.book.Load().refused(name, hash)
	reason := shortened(why.Error())
	err := k.remember(func(b *book) {
		b.Seen[name] = tag
		b.refuse(Refusal{Object: name, SHA256: hash, Reason: reason, Alone: true})
	})
	if err != nil {
		k.o.Log.Error("settings", "error", err)
	}
	if known != nil && known.Reason == reason {
		return
	}
	k.o.Log.Warn("settings from the bucket refused", "object", name, "reason", reason)
	k.o.Event("settings", "refused", 0, map[string]any{"object": name, "sha256": hash, "reason": reason})
}

// collect fetches what a statement names, and stages what is new of it.
func (k *Keeper) collect(ctx context.Context, ways *Ways, tag Tag, text []byte, s Statement, key string) error {
	hash := hashOf(text)
	files := map[string][]byte{}
	for name, want := range s.Objects {
		object, err := k.fetch(ctx, ways, name, slots[name].limit)
		switch {
		case errors.Is(err, ErrNone), err == nil && hashOf(object) != want:
			return fmt.Errorf("update.json, serial %d: %s in the bucket is not the one it names: not complete", s.Serial, name)
		case err != nil:
			return k.fetched(Update, tag, hash, fmt.Errorf("%s: %w", name, err))
		}
		files[name] = object
	}
	amend := func(b *book) {
		b.Serial, b.News = s.Serial, ""
		if !s.NotAfter.IsZero() {
			b.News = s.NotAfter.UTC().Format(time.RFC3339)
		}
		b.Named = s.Objects
		b.accept(key, Serial{s.Serial, hash})
		b.Seen[Update] = tag
	}
	return k.take(ctx, ways, settings, Candidate{Source: Signed, Files: files}, map[string]Tag{Update: tag}, amend)
}

// pollObjects looks for objects without a statement. A bundle and a
// configuration that are both new are one trial when the second needs the
// first: when it names another endpoint.
func (k *Keeper) pollObjects(ctx context.Context, ways *Ways, named map[string]string) error {
	if r := k.book.Load().Settings; r.On() && r.Source == Signed {
		return nil // what is signed goes first
	}
	files, tags := map[string][]byte{}, map[string]Tag{}
	for _, name := range []string{Bundle, Config} {
		tag, is, err := k.news(ctx, ways, name)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		text, err := k.fetch(ctx, ways, name, slots[name].limit)
		if err != nil {
			if err := k.fetched(name, tag, "", err); err != nil {
				return err
			}
			continue
		}
		if hashOf(text) != named[name] {
			files[name], tags[name] = text, tag
		}
	}
	if len(files) == 2 {
		both := Candidate{Source: Unsigned, Files: files}
		if err := ways.Judge(both); err == nil {
			return k.take(ctx, ways, settings, both, tags, nil)
		}
	}
	for _, name := range []string{Bundle, Config} {
		if text, ok := files[name]; ok {
			one := Candidate{Source: Unsigned, Files: map[string][]byte{name: text}}
			if err := k.take(ctx, ways, settings, one, map[string]Tag{name: tags[name]}, nil); err != nil || k.book.Load().Settings.On() {
				return err // one after the other
			}
		}
	}
	return nil
}

// pollIdentity looks for a new certificate of this device.
func (k *Keeper) pollIdentity(ctx context.Context, ways *Ways) error {
	if !ways.Identity {
		return nil
	}
	tag, is, err := k.news(ctx, ways, Identity)
	if err != nil || !is {
		return err
	}
	text, err := k.fetch(ctx, ways, Identity, slots[Identity].limit)
	if err != nil {
		return k.fetched(Identity, tag, "", err)
	}
	c := Candidate{Source: Unsigned, Files: map[string][]byte{Identity: text}}
	return k.take(ctx, ways, identity, c, map[string]Tag{Identity: tag}, nil)
}

// take judges a candidate by itself and stages it, unless it is current, on
// trial or refused already.
func (k *Keeper) take(ctx context.Context, ways *Ways, w which, c Candidate, tags map[string]Tag, amend func(*book)) error {
	objects, force, err := k.changed(c)
	if err != nil {
		return err
	}
	seen := func(b *book) {
		for name, tag := range tags {
			b.Seen[name] = tag
		}
		for _, o := range objects {
			b.forgive(o.Name, o.New)
		}
		if amend != nil {
			amend(b)
		}
	}
	if same(*k.book.Load().record(w), objects) || k.tried(objects, tags) {
		return k.remember(seen)
	}
	if err := ways.Judge(c); err != nil {
		for name, tag := range tags {
			if err := k.fetched(name, tag, c.hash(name, objects), err); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range objects {
		k.o.Log.Info("new settings in the bucket", "object", o.Name, "sha256", o.New, "source", c.Source)
	}
	k.next[w] = time.Time{}
	return k.step(ctx, w, trial.Event{Kind: trial.Stage, Candidate: trial.Record{Objects: objects, Source: c.Source, Force: force}}, c.Files, seen)
}

// hash is that of an object; of a statement, that of the first one that it
// changes: what is refused is what it brings, not what is current.
func (c Candidate) hash(name string, changed []trial.Object) string {
	if text, ok := c.Files[name]; ok {
		return hashOf(text)
	}
	return changed[0].New
}

// changed are the objects of a candidate that differ from what is current.
func (k *Keeper) changed(c Candidate) (objects []trial.Object, force bool, err error) {
	for _, name := range []string{Config, Bundle, Identity} {
		text, ok := c.Files[name]
		if !ok {
			continue
		}
		old, absent, err := k.shelf.current(name)
		if err != nil {
			return nil, false, fmt.Errorf("%s on the card: %w", name, err)
		}
		o := trial.Object{Name: name, New: hashOf(text)}
		if !absent {
			o.Old = hashOf(old)
		}
		if o.Old != o.New {
			objects = append(objects, o)
			force = force || name == Config
		}
	}
	return objects, force, nil
}

// same tells whether a record has just these objects on trial, or there are none.
func same(r trial.Record, objects []trial.Object) bool {
	for _, o := range objects {
		if on := objectOf(r, o.Name); !r.On() || on == nil || on.New != o.New {
			return false
		}
	}
	return true
}

// tried tells whether a trial has refused one of the objects, and nobody has put
// it anew since: then its tag would be another one than the one remembered, and
// here nothing is remembered.
func (k *Keeper) tried(objects []trial.Object, tags map[string]Tag) bool {
	b := k.book.Load()
	for name := range tags {
		if _, known := b.Seen[name]; known {
			return false
		}
	}
	for _, o := range objects {
		if r := b.refused(o.Name, o.New); r != nil && !r.Alone {
			return true
		}
	}
	return false
}
