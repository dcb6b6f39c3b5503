package uploader_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"canseal/segment"
	"canseal/uploader"
)

func TestAStoreThatIsDownForAWeek(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(always(uploader.Network))
		b.run()
		pass(week)
		b.wantUnsent(names...)
		b.wantState("retry", "network")
		tries := len(b.store.calls("", ""))
		if s := b.up.Status(); s.Queue.Segments != 3 || s.Queue.Oldest != "00000017/00000001" || s.NextTry == nil || s.Reason == "" {
			t.Errorf("status %+v", s)
		}
		if tries < 600 || tries > 3000 {
			t.Errorf("%d tries in a week, want one in about 7.5 min", tries)
		}
		b.store.set(nil)
		pass(15 * time.Minute)
		b.wantOnce(names...)
		b.wantState("idle", "")
	})
}

func TestAStoreThatRefusesTheCredentials(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(always(uploader.Credentials))
		b.run()
		pass(week)
		b.wantUnsent(names...)
		b.wantState("operator", "credentials")
		probes, others := len(b.store.calls("replace", "device.json")), len(b.store.calls("create", ""))
		if probes < 160 || probes > 400 || others != 0 {
			t.Errorf("%d probes and %d segments tried in a week, want one small probe in 1 to 60 min", probes, others)
		}
		b.store.set(nil)
		pass(time.Hour)
		b.wantOnce(names...)
		b.wantState("idle", "")
		if want := "upload operator credentials,upload resumed credentials"; strings.Join(b.events, ",") != want {
			t.Errorf("events %v, want %s", b.events, want)
		}
	})
}

func TestAStoreThatTakesDeviceJSONButNoSegments(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(on("create", ".MF4", uploader.Credentials))
		b.run()
		pass(24 * time.Hour)
		b.wantUnsent(names...)
		if n := len(b.store.calls("create", "")); n < 20 || n > 90 {
			t.Errorf("%d segments tried in a day, want fewer and fewer", n)
		}
	})
}

func TestAStoreThatReturnsNonsense(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(func(request) error { return errors.New("<html>") })
		b.run()
		pass(week)
		b.wantUnsent(names...)
		b.wantState("retry", "unknown")
		if n := len(b.store.calls("", "")); n < 160 || n > 500 {
			t.Errorf("%d tries in a week, want one in 1 to 60 min", n)
		}
	})
}

// Each class of an error that a segment meets, and what a day of it does.
func TestEveryClassHasItsAction(t *testing.T) {
	for _, row := range []struct {
		class  uploader.Class
		state  string // of the endpoint
		parked string // the first segment
		tries  [2]int // creates of the first segment in a day
	}{
		{uploader.Network, "retry", "", [2]int{80, 1000}},
		{uploader.Busy, "retry", "", [2]int{80, 1000}},
		{uploader.Unknown, "retry", "", [2]int{30, 90}},
		{uploader.NoneThere, "retry", "", [2]int{30, 90}},
		{uploader.IdentitySuspected, "retry", "", [2]int{30, 90}},
		{uploader.CannotTell, "retry", "", [2]int{30, 90}},
		{uploader.Clock, "retry", "", [2]int{30, 90}},
		{uploader.Credentials, "operator", "", [2]int{30, 90}},
		{uploader.Config, "operator", "", [2]int{30, 90}},
		{uploader.Trust, "operator", "", [2]int{30, 90}},
		{uploader.Identity, "operator", "", [2]int{30, 90}},
		{uploader.StoreFull, "operator", "", [2]int{30, 90}},
		{uploader.Transfer, "idle", "transfer", [2]int{4, 4}},
		{uploader.KeyConflict, "idle", "key_conflict", [2]int{1, 1}},
		{uploader.CannotCompare, "idle", "cannot_compare", [2]int{1, 1}},
		{uploader.TooLarge, "idle", "too_large", [2]int{1, 1}},
		{uploader.LocalCorruption, "idle", "local_corruption", [2]int{1, 1}},
	} {
		t.Run(row.class.String(), func(t *testing.T) {
			bubble(t, func(b *box, names []segment.Name) {
				b.store.set(on("create", key(names[0]), row.class))
				b.run()
				pass(24 * time.Hour)
				b.wantUnsent(names[0])
				if row.parked != "" {
					b.wantParked(names[0], row.parked)
					b.wantOnce(names[1:]...)
				} else {
					b.wantUnsent(names[1:]...)
				}
				if n := len(b.store.calls("create", key(names[0]))); n < row.tries[0] || n > row.tries[1] {
					t.Errorf("%d tries, want %v", n, row.tries)
				}
				if s := b.up.Status(); s.State != row.state && !(row.state != "idle" && s.State == "idle") {
					t.Errorf("state %s, want %s", s.State, row.state)
				}
				b.store.set(nil)
				b.up.Retry(false)
				pass(time.Second)
				b.wantOnce(names...)
				b.wantState("idle", "")
			})
		})
	}
}

func TestALostAnswerIsFoundByALook(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.lose = first(1, on("create", key(names[0]), uploader.Network))
		b.run()
		pass(time.Second)
		b.wantOnce(names...)
		if n := len(b.store.calls("create", key(names[0]))); n != 1 {
			t.Errorf("%d creates, want one", n)
		}
		if r, err := b.card.ReadReceipt(names[0]); err != nil || r.By != "stat" {
			t.Errorf("receipt %+v, %v", r, err)
		}
	})
}

func TestALostAnswerBeforeALongOutageIsFoundBeforeSendingAgain(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.lose = first(1, func(r request) error {
			if r.verb != "create" {
				return nil
			}
			b.store.fault = always(uploader.Network)
			return refusal(uploader.Network)
		})
		b.run()
		pass(time.Hour)
		b.store.set(nil)
		pass(15 * time.Minute)
		b.wantOnce(names...)
		if n := len(b.store.calls("create", key(names[0]))); n != 1 {
			t.Errorf("%d creates, want one", n)
		}
	})
}

func TestA403OnALookDoesNotStopTheQueue(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		lost := first(1, on("create", key(names[0]), uploader.Network))
		b.store.set(func(r request) error {
			if r.verb == "stat" {
				return refusal(uploader.CannotTell)
			}
			return lost(r)
		})
		b.run()
		pass(time.Minute)
		b.wantOnce(names...)
	})
}

func TestARefusalThatLooksLikeAResetIsAskedForByASmallPut(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(func(r request) error {
			switch {
			case r.verb == "create":
				return refusal(uploader.Network)
			case r.verb == "replace" && len(b.store.calls("create", "")) > 0:
				return refusal(uploader.Config)
			}
			return nil
		})
		b.run()
		pass(time.Minute)
		b.wantState("operator", "config")
		if n := len(b.store.calls("create", "")); n != 3 {
			t.Errorf("%d creates before the probe, want 3", n)
		}
	})
}

func TestRetryAfterIsHonouredUpToAnHour(t *testing.T) {
	for wish, want := range map[time.Duration]time.Duration{20 * time.Minute: 20 * time.Minute, 24 * time.Hour: time.Hour} {
		bubble(t, func(b *box, names []segment.Name) {
			b.store.set(first(1, func(r request) error { return &uploader.Error{Class: uploader.Busy, Status: 503, RetryAfter: wish} }))
			b.run()
			pass(want - time.Second)
			b.wantUnsent(names...)
			pass(2 * time.Second)
			b.wantOnce(names...)
		})
	}
}

// A synchronised clock that lied (2099) is a question of trust; that it is put
// right ends the waiting all the same.
func TestATimeThatLiedDoesNoLastingHarm(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.clock.set(true, 73*365*24*time.Hour)
		b.store.set(always(uploader.Trust))
		b.run()
		pass(time.Hour)
		b.wantState("operator", "trust")
		b.store.set(nil)
		b.clock.set(true, 0)
		pass(5 * time.Second)
		b.wantOnce(names...)
	})
}

func TestAWrongClockWaitsAndGoesOnAtOnceWhenItIsSet(t *testing.T) {
	for name, set := range map[string]func(c *handClock){
		"synchronised": func(c *handClock) { c.set(true, 0) },
		"stepped":      func(c *handClock) { c.set(false, 50*365*24*time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(b *box, names []segment.Name) {
				b.store.set(always(uploader.Clock))
				b.run()
				pass(24 * time.Hour)
				b.wantState("retry", "clock")
				if n := len(b.store.calls("create", "")); n != 0 {
					t.Errorf("%d segments tried while the clock is wrong", n)
				}
				b.store.set(nil)
				set(b.clock)
				pass(5 * time.Second)
				b.wantOnce(names...)
			})
		})
	}
}

func TestDrainOffersTheLastSegment(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(always(uploader.Network))
		b.run()
		pass(time.Hour) // the next try is far
		b.store.set(nil)
		names = append(names, b.seal(18, 2))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.up.Drain(ctx); err != nil {
			t.Error(err)
		}
		b.wantOnce(names...)
		if r := b.store.calls("", ""); r[len(r)-1].key != "A1B2C3D4/device.json" {
			t.Errorf("the last word is %s, want device.json", r[len(r)-1].key)
		}
	})
}

func TestDrainSaysWhatIsLeft(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(always(uploader.Network))
		b.up = uploader.New(b.o)
		start := time.Now()
		err := b.up.Drain(context.Background())
		if err == nil || !strings.Contains(err.Error(), "3 segments left: network") || time.Since(start) > time.Second {
			t.Errorf("Drain: %v after %s", err, time.Since(start))
		}
		b.wantUnsent(names...)
	})
}
