package ota

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"canseal/internal/durable/memfs"
	"canseal/internal/trial"
)

// update is a whole renewal: configuration and bundle of one statement, and a
// certificate.
func update(t testing.TB, f *memfs.FS) *rig {
	r := newRig(t, "signed")
	r.fs = f
	r.put(Config, "good config 1")
	r.put(Bundle, "good bundle 1")
	r.sign(1, Config, Bundle)
	r.put(Identity, "good crt 1")
	return r
}

// The power fails before every operation on the card and in the state folder:
// at the next start there is the old or the new, of both files alike, and what
// was on its way settles.
func TestPowerLossAtEveryStep(t *testing.T) {
	for name, search := range map[string]func(testing.TB, func(*memfs.FS), func(*memfs.FS) error, func(*memfs.FS)){
		"ordered": memfs.EachCrash, "FAT": memfs.EachCrashOnFAT,
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				search(t, newCard, func(f *memfs.FS) error {
					r := update(t, f)
					k, err := Open(Options{Card: below{f, "card"}, State: below{f, "state"}})
					if err != nil {
						return err
					}
					r.k = k
					if err := k.Card(t.Context(), nil); err != nil {
						return err
					}
					k.Use(r.ways)
					r.run(3 * time.Minute)
					return nil
				}, func(f *memfs.FS) {
					r := update(t, f)
					r.start(f)
					pair := r.card(Config) + " " + r.card(Bundle)
					if s := r.k.book.Load().Settings.State; pair != "good config 0 good bundle 0" && pair != "good config 1 good bundle 1" {
						t.Fatalf("%s after the start, %s", pair, s)
					}
					r.run(25 * time.Minute)
					r.want(trial.Settled, "good config 1", "good bundle 1")
					if r.card(Identity) != "good crt 1" || r.state("config.candidate")+r.state("certs.candidate")+r.state("crt.candidate") != "" {
						t.Fatalf("%q, left over %q", r.card(Identity), r.state("config.candidate"))
					}
				})
			})
		})
	}
}

// A card or a state folder that fails one operation costs time, not settings.
func TestEachFaultOfTheDiskIsSurvived(t *testing.T) {
	virtual(t, func(t *testing.T) {
		memfs.EachFault(t, syscall.ENOSPC, newCard, func(f *memfs.FS) error {
			r := update(t, f)
			k, err := Open(Options{Card: below{f, "card"}, State: below{f, "state"}})
			r.k = k
			err = errors.Join(err, k.Card(t.Context(), nil))
			k.Use(r.ways)
			r.run(2 * time.Hour)
			return err
		}, func(f *memfs.FS, err error) {
			pair := read(f, "card/"+Config) + " " + read(f, "card/"+Bundle)
			if pair != "good config 1 good bundle 1" && err == nil {
				t.Errorf("%s", pair)
			}
		})
	})
}
