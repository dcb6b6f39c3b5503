package logger

import (
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

func TestASessionNumberNeverGoesBack(t *testing.T) {
	for _, row := range []struct {
		name    string
		words   sessionWords
		want    uint32
		granted bool
	}{
		{"first ever", sessionWords{}, 1, false},
		{"state folder", sessionWords{Kept: 7}, 8, false},
		{"card", sessionWords{Kept: 7, Folders: []uint32{3, 9}}, 10, false},
		{"bucket", sessionWords{Kept: 7, Bucket: 12}, 13, false},
		{"bucket below", sessionWords{Kept: 7, Bucket: 2}, 8, false},
		{"bucket within its lead", sessionWords{Kept: 7, Bucket: 100_007}, 100_008, false},
		{"bucket too far ahead", sessionWords{Kept: 7, Bucket: 100_008}, 8, false},
		{"wish", sessionWords{Kept: 7, Wished: 123}, 123, true},
		{"wish below", sessionWords{Kept: 7, Wished: 7}, 8, false},
		{"wish above 8 digits", sessionWords{Kept: 7, Wished: 100_000_000}, 8, false},
		{"wish of the last number", sessionWords{Kept: 7, Wished: 99_999_999}, 8, false},
		{"end of the numbers", sessionWords{Kept: 99_999_999}, 99_999_999, false},
	} {
		if got, granted := row.words.next(); got != row.want || granted != row.granted {
			t.Errorf("%s: found %d, %v; wanted %d, %v", row.name, got, granted, row.want, row.granted)
		}
	}
}

// box1970 is one run of a box whose clock begins in 1970, with a state folder
// of its own.
func run1970(t *testing.T, card *memfs.FS, state durable.FS, device segment.Device) *rig {
	r := newRig(t, card)
	r.clocks.set(from1970, false)
	r.o.State, r.o.Device = state, device
	r.start().run(2, 5)
	r.stop()
	return r
}

func session(r *rig) uint32 { return r.logger.Status().Log.Session }

func TestBoxesAndCardsChangeHands(t *testing.T) {
	const other = segment.Device("0000BEEF")
	count := func(t *testing.T, card durable.FS, d segment.Device) (sessions []uint32, segments int) {
		l, err := segment.Card{FS: card, Device: d}.Scan()
		if err != nil {
			t.Fatal(err)
		}
		return l.Sessions, len(l.Segments)
	}
	t.Run("a wiped card", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			state := memfs.New()
			run1970(t, newCard(), state, box)
			r := run1970(t, newCard(), state, box)
			if session(r) != 2 {
				t.Errorf("found session %d, wanted 2", session(r))
			}
			c := inventoryOf(t, r.card)
			if c.lines[0].Prev == segment.FirstPrev {
				t.Error("the seal chain began anew")
			}
		})
	})
	t.Run("an exchanged card", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			state, first, second := memfs.New(), newCard(), newCard()
			run1970(t, first, state, box)
			run1970(t, second, state, box)
			r := run1970(t, first, state, box)
			sessions, _ := count(t, first, box)
			if session(r) != 3 || len(sessions) != 2 {
				t.Errorf("found session %d and folders %v, wanted 3 and [1 3]", session(r), sessions)
			}
		})
	})
	t.Run("a lost state folder", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			card := newCard()
			run1970(t, card, memfs.New(), box)
			r := run1970(t, card, memfs.New(), box)
			if session(r) != 2 {
				t.Errorf("found session %d, wanted 2", session(r))
			}
			inventory(t, card) // one chain: its end was found on the card
		})
	})
	t.Run("a card of another box", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			card := newCard()
			run1970(t, card, memfs.New(), other)
			before := snapshotOf(t, card)
			r := run1970(t, card, memfs.New(), box)
			after := snapshotOf(t, card)
			for name, sum := range before {
				if after[name] != sum {
					t.Errorf("%s of the other box was touched", name)
				}
			}
			if session(r) != 1 || r.logger.Status().Log.Segments.Foreign != 1 {
				t.Errorf("found session %d and %d foreign segments, wanted 1 and 1", session(r), r.logger.Status().Log.Segments.Foreign)
			}
		})
	})
	t.Run("two boxes from one image", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			card := newCard()
			run1970(t, card, memfs.New(), box)
			a := run1970(t, card.Crash(1), memfs.New(), "11111111")
			b := run1970(t, card.Crash(1), memfs.New(), "22222222")
			for _, r := range []*rig{a, b} {
				if sessions, n := count(t, r.card, r.o.Device); len(sessions) != 1 || n != 1 {
					t.Errorf("box %s: found sessions %v, %d segments", r.o.Device, sessions, n)
				}
			}
		})
	})
}

// inventoryOf is inventory for a card whose chain began elsewhere.
func inventoryOf(t *testing.T, f durable.FS) contents {
	t.Helper()
	card := segment.Card{FS: f, Device: box}
	l, err := card.Scan()
	if err != nil {
		t.Fatal(err)
	}
	var c contents
	for _, s := range l.Sessions {
		log, err := card.ReadSeals(s)
		if err != nil {
			t.Fatal(err)
		}
		c.lines = append(c.lines, log.Lines...)
	}
	return c
}

func TestTheSessionCanBeWishedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		put(t, card, "meta/meta_log.json", `{"session": 123}`)
		r := newRig(t, card).start()
		r.stop()
		if session(r) != 123 || !r.has("segment: session set 0") {
			t.Errorf("found session %d, events %v", session(r), r.events)
		}
		if _, err := card.Stat("meta"); err == nil {
			t.Error("the folder meta is still there")
		}
		again := newRig(t, card).start()
		again.stop()
		if session(again) != 124 {
			t.Errorf("then: found session %d, wanted 124", session(again))
		}
		put(t, card, "meta/meta_log.json", `{"session": 5}`)
		put(t, card, "meta/notes.txt", "mine")
		back := newRig(t, card).start()
		back.stop()
		if session(back) != 125 || !back.has("segment: session wish below the last 0") {
			t.Errorf("wish to go back: found session %d, events %v", session(back), back.events)
		}
		if _, err := card.Stat("meta/notes.txt"); err != nil {
			t.Errorf("a file that is not ours: %v", err)
		}
	})
}

func put(t *testing.T, f durable.FS, name, content string) {
	t.Helper()
	if err := errors.Join(f.MkdirAll(path.Dir(name), 0o755), durable.WriteFile(f, name, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestTheBucketRaisesTheSessionOfAFreshBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(2, 10)
		ctx := context.Background()
		for _, row := range []struct{ bucket, want uint32 }{{0, 1}, {41, 42}, {42, 42}} {
			if got, err := r.logger.Renumber(ctx, row.bucket); err != nil || got != row.want {
				t.Errorf("the bucket says %d: found %d (%v), wanted %d", row.bucket, got, err, row.want)
			}
		}
		r.run(2, 10)
		if _, err := r.logger.Rotate(ctx, false); err != nil {
			t.Error(err)
		}
		r.run(2, 10)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if c.segments[0].Session != 42 || len(c.segments) != 2 || c.lines[0].Session != 1 {
			t.Errorf("found %v, first line of session %d", c.segments, c.lines[0].Session)
		}
		next := newRig(t, r.card).start()
		next.stop()
		if session(next) != 43 {
			t.Errorf("next session: found %d, wanted 43", session(next))
		}
	})
}

func TestABucketThatNamesNonsenseIsNotFollowed(t *testing.T) {
	for _, bucket := range []uint32{100_002, 99_999_999, 4_000_000_000} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard()).start()
			if got, err := r.logger.Renumber(context.Background(), bucket); err != nil || got != 1 {
				t.Errorf("the bucket says %d: found %d, %v; wanted 1", bucket, got, err)
			}
			r.stop()
		})
	}
}

func TestASessionOfWhichSomethingWasSentKeepsItsNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(1, 10)
		name, err := r.logger.Rotate(context.Background(), false)
		if err != nil {
			t.Fatal(err)
		}
		receipt(t, r.card, name, segment.ProvedTLS)
		if got, err := r.logger.Renumber(context.Background(), 41); err != nil || got != 1 {
			t.Errorf("found %d, %v; wanted 1", got, err)
		}
		r.stop()
	})
}

// receipt makes a segment a sent one.
func receipt(t testing.TB, f durable.FS, n segment.Name, proved segment.Proof) {
	t.Helper()
	err := segment.Card{FS: f, Device: box}.WriteReceipt(n, segment.Receipt{
		Endpoint: "https://host:9000", Bucket: "trucks", Key: segment.Key("", box, n, time.Unix(1.8e9, 0)), Size: 1,
		SHA256: strings.Repeat("a", 64), Checksum: segment.Checksum{Algorithm: "SHA256", Type: "FULL_OBJECT", Value: strings.Repeat("A", 43) + "="},
		Proved: proved, By: "put", Mode: "medium", At: time.Unix(1.8e9, 0), Clock: "synchronised",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestACardInItsPlaceIsToldFromAnEmptyFolder(t *testing.T) {
	state := memfs.New()
	id, mounted, broken := "aa", false, error(nil)
	check := watchCard(func() (string, bool, error) { return id, mounted, broken }, state)
	fresh := func() func() error {
		return watchCard(func() (string, bool, error) { return id, mounted, broken }, state)
	}
	for _, row := range []struct {
		name    string
		id      string
		mounted bool
		err     error
		missing bool
	}{
		{"a folder of the system disk, first start", "aa", false, nil, false},
		{"a card is mounted", "bb", true, nil, false},
		{"it is unplugged", "aa", false, nil, true},
		{"the folder is gone", "", false, errors.New("no such folder"), true},
		{"another card", "cc", true, nil, false},
		{"unplugged again", "aa", false, nil, true},
	} {
		id, mounted, broken = row.id, row.mounted, row.err
		for _, c := range []func() error{check, fresh()} {
			if err := c(); errors.Is(err, ErrCardMissing) != row.missing {
				t.Errorf("%s: found %v, wanted missing %v", row.name, err, row.missing)
			}
		}
	}
}
