package ota

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/trial"
)

func TestASignedStatementSettlesAllOfItOrNothing(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "signed")
		r.put(Config, "signed good config 1")
		r.put(Bundle, "good bundle 1")
		r.sign(1, Config, Bundle)
		r.run(time.Hour)
		r.want(trial.Settled, "signed good config 1", "good bundle 1")
		if r.state("config.previous") != "good config 0" || r.state("certs.previous") != "good bundle 0" || r.state("config.candidate") != "" {
			t.Errorf("previous %q and %q, candidate %q", r.state("config.previous"), r.state("certs.previous"), r.state("config.candidate"))
		}
		if s := r.k.Status(); s.Config.Source != Signed || s.Config.Serial != 1 || s.Bundle.Source != Signed {
			t.Errorf("%+v", s)
		}
		r.put(Config, "good config 2")
		r.put(Bundle, "untrusted bundle 2")
		r.sign(2, Config, Bundle)
		r.run(3 * time.Hour)
		r.want(trial.Refused, "signed good config 1", "good bundle 1")
		r.told("settings refused")
	})
}

func TestWithoutAPolicyNothingIsRead(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "off")
		r.put(Config, "good config 1")
		r.sign(1, Config)
		r.put(Identity, "good crt 1")
		r.run(day)
		r.want(trial.Settled, "good config 0", "good bundle 0")
		if r.proofs+r.currents != 0 {
			t.Errorf("%d attempts", r.proofs+r.currents)
		}
	})
}

// What only the device can judge is refused at once, said once, and not read
// again; nothing of it reaches a trial.
func TestRefusedAtOnce(t *testing.T) {
	large := strings.Repeat("x", 256<<10+1)
	for name, c := range map[string]struct {
		policy  string
		prepare func(r *rig)
		reason  string
	}{
		"an unsigned object above its scope": {"bucket", func(r *rig) { r.put(Config, "signed good config 1") }, "out of scope"},
		"a signed one above its scope":       {"signed", func(r *rig) { r.put(Config, "local"); r.sign(1, Config) }, "out of scope"},
		"one of two above its scope":         {"signed", func(r *rig) { r.put(Config, "local"); r.put(Bundle, "good 1"); r.sign(1, Config, Bundle) }, "out of scope"},
		"an empty bundle":                    {"bucket", func(r *rig) { r.put(Bundle, "") }, "empty"},
		"a signed empty bundle":              {"signed", func(r *rig) { r.put(Bundle, ""); r.sign(1, Bundle) }, "empty"},
		"a large object":                     {"bucket", func(r *rig) { r.put(Config, large) }, "too large"},
		"a large signed object":              {"signed", func(r *rig) { r.put(Config, large); r.sign(1, Config) }, "too large"},
		"a bad signature": {"signed", func(r *rig) {
			r.put(Config, "good 1")
			r.sign(1, Config)
			r.put(Update+Signature, "signed by somebody")
		}, "signature"},
		"a statement that is none": {"signed", func(r *rig) {
			r.put(Update, "{}")
			r.put(Update+Signature, "signed "+hashOf([]byte("{}")))
		}, "update.json"},
		"a statement for another device": {"signed", func(r *rig) {
			r.put(Config, "good 1")
			r.ways.Device = "00000000"
			r.k.Use(r.ways)
			r.sign(1, Config)
		}, "for device A1B2C3D4"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, c.policy)
				c.prepare(r)
				r.run(day)
				r.want(trial.Settled, "good config 0", "good bundle 0")
				if r.proofs != 0 || len(r.events) != 1 || !strings.Contains(r.events[0], c.reason) {
					t.Errorf("%d proofs, events %q", r.proofs, r.events)
				}
			})
		})
	}
}

// device.json names what was refused, not what is current beside it.
func TestTheHashOfWhatIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "signed")
		r.put(Config, "good config 0")
		r.put(Bundle, "")
		r.sign(1, Config, Bundle)
		r.run(time.Hour)
		if got := r.k.Status().Refused; len(got) != 1 || got[0] != hashOf(nil) {
			t.Errorf("found %v, wanted that of the bundle", got)
		}
	})
}

func TestOldStatementsAreDead(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "signed")
		r.put(Config, "good config 1")
		r.sign(7, Config)
		old := map[string]string{}
		for name, text := range r.bucket {
			old[name] = text
		}
		r.run(time.Hour)
		r.put(Config, "good config 2")
		r.sign(8, Config)
		r.run(time.Hour)
		r.want(trial.Settled, "good config 2", "good bundle 0")
		for name, text := range old { // replayed, also after a new start
			r.put(name, text)
		}
		r.run(time.Hour)
		r.start(r.fs)
		r.run(time.Hour)
		r.want(trial.Settled, "good config 2", "good bundle 0")
		r.told("an old statement")
		r.put(Config, "good config 3") // the number of another statement
		r.sign(8, Config)
		r.run(time.Hour)
		r.want(trial.Settled, "good config 2", "good bundle 0")
		r.told("used by another statement")
	})
}

// Objects are put first and the statement last; in between nothing is refused.
func TestWhatIsNotCompleteIsLookedAtAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "signed")
		r.put(Config, "good config 1")
		r.sign(1, Config)
		r.put(Config, "half of it")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 0", "good bundle 0")
		if !strings.Contains(r.k.Status().Reason, "not complete") || len(r.events) != 0 {
			t.Errorf("%q %q", r.k.Status().Reason, r.events)
		}
		r.put(Config, "good config 1")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 1", "good bundle 0")
		r.put(Config, "good config 2") // the statement before its signature: refused, until that comes
		old := r.bucket[Update+Signature]
		r.sign(2, Config)
		right := r.bucket[Update+Signature]
		r.put(Update+Signature, old)
		r.run(time.Hour)
		r.want(trial.Settled, "good config 1", "good bundle 0")
		r.put(Update+Signature, right)
		r.run(time.Hour)
		r.want(trial.Settled, "good config 2", "good bundle 0")
	})
}

// Dates wait for the clock, before 1980 as in 2099, and judge nothing for good.
func TestDatesWait(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Bundle, "wait until 2027")
		r.run(day)
		r.want(trial.Settled, "good config 0", "good bundle 0")
		if len(r.events) != 0 || !strings.Contains(r.k.Status().Reason, "not yet valid") {
			t.Errorf("%q %q", r.events, r.k.Status().Reason)
		}
		r.put(Bundle, "good bundle 1")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 0", "good bundle 1")
	})
}

func TestAStatementWithAnEnd(t *testing.T) {
	for _, clock := range []string{"1979-01-01", "2026-12-01", "2099-01-01"} {
		virtual(t, func(t *testing.T) {
			r := newRig(t, "signed")
			r.clock, _ = time.Parse(time.DateOnly, clock)
			r.put(Bundle, "good bundle 1")
			r.put(Update, `{"canseal_update":1,"fleet":"vans","serial":1,"not_after":"2027-01-01T00:00:00Z","objects":{"certs_server.p7b":"`+hashOf([]byte("good bundle 1"))+`"}}`)
			r.put(Update+Signature, "signed "+hashOf([]byte(r.bucket[Update])))
			r.run(time.Hour)
			if clock == "2099-01-01" { // a lie; when it has gone, the statement counts
				r.want(trial.Settled, "good config 0", "good bundle 0")
				r.clock = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
				r.run(time.Hour)
			}
			r.want(trial.Settled, "good config 0", "good bundle 1")
			if r.k.Status().NewsUntil != "2027-01-01T00:00:00Z" {
				t.Errorf("%+v", r.k.Status())
			}
		})
	}
}

// A man on the path who damages only the candidate's connections for a day
// cannot refuse it for good: signed, it is tried anew after he has gone; and one
// whose failures have no success of the present around them never fails.
func TestAManOnThePathForADay(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "signed")
		r.put(Bundle, "good bundle 1")
		r.sign(1, Bundle)
		r.damaged = true
		r.run(day - time.Hour)
		r.want(trial.Refused, "good config 0", "good bundle 0")
		r.damaged = false
		r.run(day)
		r.want(trial.Settled, "good config 0", "good bundle 1")
	})
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Bundle, "unanswered good bundle 1")
		r.run(6 * day)
		r.want(trial.Trying, "good config 0", "good bundle 0")
		r.run(2 * day)
		r.want(trial.Refused, "good config 0", "good bundle 0")
		r.told(trial.NoAnswer)
	})
}

func TestARefusedObjectIsTriedAgainWhenPutAnew(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.damaged = true
		r.put(Bundle, "good bundle 1")
		r.run(day)
		r.want(trial.Refused, "good config 0", "good bundle 0")
		proofs := r.proofs
		r.damaged = false
		r.run(day)
		if r.proofs != proofs {
			t.Error("an unsigned object was tried again by itself")
		}
		r.put(Bundle, "good bundle 1")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 0", "good bundle 1")
	})
}

// Nothing is tried before what is current works, so a box without a network has
// lost nothing.
func TestATrialBeginsAfterARoundTripWithTheCurrent(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Config, "good config 1")
		r.ways.Current = func(context.Context) error { return context.DeadlineExceeded }
		r.k.Use(r.ways)
		r.run(2 * day)
		r.want(trial.Staged, "good config 0", "good bundle 0")
		if r.proofs != 0 {
			t.Errorf("%d proofs", r.proofs)
		}
		r.ways.Current = r.current
		r.k.Use(r.ways)
		r.run(time.Hour)
		r.want(trial.Settled, "good config 1", "good bundle 0")
	})
}

func TestAConfigurationThatCannotWorkIsRefusedAtOnce(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.cannot = "good config 1"
		r.put(Config, r.cannot)
		r.run(time.Hour)
		r.want(trial.Refused, "good config 0", "good bundle 0")
		r.told("no such interface")
	})
}

// A configuration on trial is in force, and survives a start; after three starts
// without proof the current one is back.
func TestStartsDuringATrial(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Config, "unanswered good config 1")
		r.run(time.Minute)
		for n := range 2 {
			r.start(r.fs)
			if r.force[Config] != "unanswered good config 1" {
				t.Fatalf("start %d: %v", n, r.force)
			}
			r.run(time.Minute)
		}
		r.start(r.fs)
		r.want(trial.Refused, "good config 0", "good bundle 0")
		r.run(day)
		r.want(trial.Refused, "good config 0", "good bundle 0")
	})
}

func TestTheCardWins(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Config, "unanswered good config 1")
		r.run(time.Hour)
		r.want(trial.Trying, "good config 0", "good bundle 0")
		must(t, durable.WriteFile(below{r.fs, "card"}, Config, []byte("the operator's"), 0o644))
		r.run(time.Hour)
		if s := r.k.Status(); s.Config.State != trial.Settled || !strings.Contains(s.Reason, "changed on the card") {
			t.Errorf("%+v", s)
		}
		r.start(r.fs)
		r.run(day)
		r.want(trial.Settled, "the operator's", "good bundle 0")
		r.told("changed on the card")
		r.put(Config, "good config 2") // put anew: the bucket may speak again
		r.run(time.Hour)
		r.want(trial.Settled, "good config 2", "good bundle 0")
	})
}

// A bundle on the card is in force without a start.
func TestABundleOnTheCardEndsItsTrial(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Bundle, "unanswered good bundle 1")
		r.run(time.Hour)
		must(t, durable.WriteFile(below{r.fs, "card"}, Bundle, []byte("the operator's"), 0o644))
		r.run(day)
		r.want(trial.Settled, "good config 0", "the operator's")
	})
}

// What this program writes itself is no change of an operator.
func TestOurOwnEditIsNoChange(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		before := hashOf([]byte(r.card(Config)))
		must(t, durable.WriteFile(below{r.fs, "card"}, Config, []byte("secret moved"), 0o644))
		must(t, r.k.Card(context.Background(), map[string]string{Config: before}))
		if len(r.events) != 0 || r.k.Status().Config.SHA256 != hashOf([]byte("secret moved")) {
			t.Errorf("%q %+v", r.events, r.k.Status().Config)
		}
	})
}

func TestANewerObjectTakesThePlaceOfACandidate(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Bundle, "unanswered good bundle 1")
		r.run(time.Hour)
		r.put(Bundle, "good bundle 2")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 0", "good bundle 2")
	})
}

// Without a statement, bundle and configuration that came together are one
// trial, and never only half of it.
func TestBothWithoutAStatement(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Config, "good config 1")
		r.put(Bundle, "good bundle 1")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 1", "good bundle 1")
		r.put(Config, "local config 2") // out of scope; the bundle alone is good
		r.put(Bundle, "good bundle 2")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 1", "good bundle 2")
	})
}

func TestAnIdentityIsATrialOfItsOwn(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "signed")
		var settled string
		r.ways.Settled = func(file []byte) error { settled = string(file); return nil }
		r.k.Use(r.ways)
		r.put(Bundle, "unanswered good bundle 1")
		r.sign(1, Bundle)
		r.put(Identity, "good crt 1")
		r.run(time.Hour)
		if r.card(Identity) != "good crt 1" || r.state("crt.previous") != "good crt 0" || settled != "good crt 1" {
			t.Errorf("%q, previous %q, told %q", r.card(Identity), r.state("crt.previous"), settled)
		}
		r.want(trial.Trying, "good config 0", "good bundle 0")
		r.told("certificate settled")
	})
}

// What the state folder has lost, or holds damaged, costs a trial and nothing
// else: the card is current, and the next settings are taken.
func TestADamagedRecordEndsAtTheStart(t *testing.T) {
	gone := hashOf([]byte("gone"))
	for name, record := range map[string]trial.Record{
		"settling, candidate lost": {State: trial.Settling, Source: Signed, Objects: []trial.Object{{Name: Config, New: gone}}},
		"settling, no such object": {State: trial.Settling, Source: Signed, Objects: []trial.Object{{Name: "../config.yaml", New: gone}}},
		"trying, candidate lost":   {State: trial.Trying, Source: Signed, Boots: 3, Left: day, Objects: []trial.Object{{Name: Bundle, New: gone}}},
		"no such state":            {State: "nonsense", Objects: []trial.Object{{Name: Config, New: gone}}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, "signed")
				must(t, r.k.remember(func(b *book) { b.Settings = record }))
				r.start(r.fs)
				r.want(trial.Settled, "good config 0", "good bundle 0")
				r.put(Config, "signed good config 1")
				r.sign(1, Config)
				r.run(time.Hour)
				r.want(trial.Settled, "signed good config 1", "good bundle 0")
			})
		})
	}
}

func TestRollback(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		if err := r.k.Rollback(t.Context(), Config); err == nil {
			t.Error("went back to nothing")
		}
		r.put(Config, "good config 1")
		r.run(time.Hour)
		r.want(trial.Settled, "good config 1", "good bundle 0")
		r.k.because(errors.New("of what was on trial"))
		must(t, r.k.Rollback(t.Context(), Config))
		r.want(trial.Settled, "good config 0", "good bundle 0")
		if s := r.k.Status(); s.Reason != "" {
			t.Errorf("nothing waits, and the reason is %q", s.Reason)
		}
		r.start(r.fs)
		r.run(day) // and stays there
		r.want(trial.Settled, "good config 0", "good bundle 0")
		if s := r.k.Status(); s.Config.Source != Rollback || r.state("config.previous") != "good config 1" {
			t.Errorf("%+v", s)
		}
	})
}

// A word of an operator does not wait for the network.
func TestARollbackEndsTheWorkOfTheMoment(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, "bucket")
		r.put(Config, "good config 1")
		r.run(time.Hour)
		r.put(Bundle, "good bundle 1")
		r.ways.Prove = func(ctx context.Context, _ Candidate) (Outcome, error) {
			<-ctx.Done()
			return Failed, ctx.Err()
		}
		r.k.Use(r.ways)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.k.Run(ctx)
		time.Sleep(time.Hour)
		must(t, r.k.Rollback(t.Context(), Config))
		if r.card(Config) != "good config 0" {
			t.Errorf("%q", r.card(Config))
		}
	})
}
