package logger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// bay is a place for a card, which may be empty, or hold another one.
type bay struct {
	durable.FS
	mu    sync.Mutex
	id    string
	empty bool
}

func (s *bay) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty {
		return ErrCardMissing
	}
	return nil
}

func (s *bay) cardID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// put exchanges the card; away is for how long none is there.
func (s *bay) put(f durable.FS, id string, away time.Duration) {
	s.mu.Lock()
	s.empty = away > 0
	s.mu.Unlock()
	time.Sleep(away)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.FS, s.id, s.empty = f, id, false
}

// inSlot is a box whose card can be exchanged; its state folder stays.
func inSlot(t *testing.T, state durable.FS, card *memfs.FS, id string) (*rig, *bay) {
	s := &bay{FS: card, id: id}
	r := newRig(t, card)
	r.o.Card, r.o.State, r.o.CheckCard, r.o.CardID = s, state, s.check, s.cardID
	r.o.Clock = clock.New(clock.Options{Read: r.clocks.read})
	return r, s
}

// usedCard has n segments of session 1, of 20 frames each.
func usedCard(t *testing.T, n int) *memfs.FS {
	r := newRig(t, newCard())
	r.start()
	for range n {
		r.run(1, 10)
		if _, err := r.logger.Rotate(context.Background(), false); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	return r.card
}

// framesOn are the frames of the sealed segments, after one more start.
func framesOn(t *testing.T, f *memfs.FS) int {
	t.Helper()
	if rec := recovered(t, f); len(rec.Problems) > 0 {
		t.Errorf("recovery: %v", rec.Problems)
	}
	return len(chained(t, f).frames)
}

func TestACardExchangedAtRestLosesNothing(t *testing.T) {
	for _, row := range []struct {
		name string
		id   string
		away time.Duration
	}{
		{"away for a minute, with no id", "", time.Minute},
		{"between two looks, with its own id", "b", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			var second *memfs.FS
			var sent int
			synctest.Test(t, func(t *testing.T) {
				second = usedCard(t, 5)
				r, place := inSlot(t, newCard(), newCard(), "a")
				r.start().run(2, 10)
				r.logger.Rotate(context.Background(), true)
				time.Sleep(2 * time.Second)
				place.put(second, row.id, row.away)
				before := len(r.sent)
				r.run(30, 10)
				r.stop()
				sent = len(r.sent) - before
				if s := r.logger.Status().Log; s.Lost.Sum() != 0 || s.Split <= 5 {
					t.Errorf("found split %d, lost %+v", s.Split, s.Lost)
				}
			})
			if got := framesOn(t, second); got != 100+sent {
				t.Errorf("found %d frames, wanted 100 of before and %d", got, sent)
			}
			inventoryOf(t, second)
		})
	}
}

func TestACardThatIsAwayAtRestIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		r, place := inSlot(t, newCard(), card, "a")
		r.start().run(1, 10)
		r.logger.Rotate(context.Background(), true)
		go place.put(card, "a", time.Minute)
		time.Sleep(10 * time.Second)
		if s := r.logger.Status().Log; s.Card.State != "missing" {
			t.Errorf("found card %q", s.Card.State)
		}
		time.Sleep(time.Minute)
		if s := r.logger.Status().Log; s.Card.State != "ok" {
			t.Errorf("then: found card %q", s.Card.State)
		}
		r.stop()
	})
}

func TestACardExchangedWhileRecordingIsRecoveredFirst(t *testing.T) {
	var first, second *memfs.FS
	var sent, after int
	synctest.Test(t, func(t *testing.T) {
		first, second = newCard(), usedCard(t, 5)
		r, place := inSlot(t, newCard(), first, "a")
		r.start().run(12, 10)
		sent = len(r.sent)
		place.put(second, "b", 0)
		r.run(12, 10)
		r.stop()
		after = len(r.sent) - sent
		if s := r.logger.Status().Log; s.Lost.Sum() > 40 {
			t.Errorf("found lost %+v", s.Lost)
		}
	})
	if got := framesOn(t, first); got < sent-20 {
		t.Errorf("first card: found %d frames of %d", got, sent)
	}
	if got := framesOn(t, second); got < 100+after-40 {
		t.Errorf("second card: found %d frames, wanted 100 of before and about %d", got, after)
	}
}

// A segment that still waits for its seal line is looked for on its own card only.
func TestWhatWaitsForItsLineIsNotTakenFromAnotherCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := usedCard(t, 1)
		before := snapshotOf(t, second)
		time.Sleep(time.Hour)
		r, place := inSlot(t, newCard(), newCard(), "")
		r.start().run(2, 10)
		r.logger.keep.hold()
		var done <-chan struct{}
		r.logger.ask(context.Background(), func(rec *recorder) { _, done = rec.rotate(true) })
		place.put(second, "", 0)
		r.logger.keep.letGo()
		<-done
		time.Sleep(5 * time.Second)
		for name, sum := range before {
			if now := snapshotOf(t, second); now[name] != sum {
				t.Errorf("%s has changed", name)
			}
		}
		r.stop()
	})
}

func TestTheLastSessionGoesOnBehindItsSplits(t *testing.T) {
	card, total := newCard(), 0
	if err := card.MkdirAll("LOG/"+string(box)+"/99999999", 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, card).start()
			r.run(2, 50)
			r.stop()
			total += len(r.sent)
			if session(r) != segment.LastSession {
				t.Errorf("found session %d", session(r))
			}
		})
	}
	c := inventory(t, card)
	if len(c.frames) != total || len(c.segments) != 3 {
		t.Errorf("found %d of %d frames in %d segments", len(c.frames), total, len(c.segments))
	}
}

func TestASplitOfWhichAnythingIsThereIsNotUsed(t *testing.T) {
	for _, suffix := range []string{"", ".raw", ".part", ".tmp", ".sent", ".keep"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard()).start()
			r.run(1, 10)
			put(t, r.card, "LOG/A1B2C3D4/00000001/00000002.MF4"+suffix, "not ours")
			name, err := r.logger.Rotate(context.Background(), false)
			r.run(1, 10)
			s := r.logger.Status().Log
			r.stop()
			if name.Split != 1 || err != nil || s.Split != 3 || s.Lost.Sum() != 0 {
				t.Errorf("%s: found split %d, lost %+v", suffix, s.Split, s.Lost)
			}
		})
	}
}

func TestAFullSessionIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(1, 10)
		r.logger.ask(context.Background(), func(rec *recorder) { rec.split = maxSplits })
		for range 2 {
			if _, err := r.logger.Rotate(context.Background(), false); err != nil {
				t.Fatal(err)
			}
			r.run(1, 10)
		}
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		list := fmt.Sprint(c.segments[0].Name, c.segments[1].Name, c.segments[2].Name)
		if want := "00000001/00000001 00000002/00000001 00000002/00000002"; list != want {
			t.Errorf("found %s, wanted %s", list, want)
		}
		next := newRig(t, r.card).start()
		next.stop()
		if session(next) != 3 {
			t.Errorf("next start: found session %d", session(next))
		}
	})
}

// twoUnderOneSplit is a card on which split 1 is a sealed segment of 20 frames and
// an open one, of another card, of 150.
func twoUnderOneSplit(t *testing.T) *memfs.FS {
	var card *memfs.FS
	synctest.Test(t, func(t *testing.T) {
		other := newRig(t, newCard()).start()
		other.run(1, 10)
		card = usedCard(t, 1)
		other.run(7, 10)
		data, err := durable.ReadFile(other.card, "LOG/A1B2C3D4/00000001/00000001.MF4.part", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		put(t, card, "LOG/A1B2C3D4/00000001/00000001.MF4.part", string(data))
		other.stop()
	})
	card.Settle()
	return card
}

func TestTwoSegmentsUnderOneSplitAreBothSealed(t *testing.T) {
	card := twoUnderOneSplit(t)
	whole := card.Crash(1)
	rec := recovered(t, whole)
	want := inventory(t, whole)
	if len(rec.Moved) != 1 || rec.Cut != 1 || len(want.frames) < 20+140 || len(want.segments) != 3 {
		t.Fatalf("found %+v, %d frames in %v", rec, len(want.frames), want.segments)
	}
	if again := recovered(t, whole); len(again.Moved)+again.Repaired+again.Late+again.Removed != 0 {
		t.Errorf("second recovery: %+v", again)
	}
	for n := 1; !t.Failed(); n++ {
		f := card.Crash(1)
		f.FailFrom(n, memfs.ErrPower)
		before := f.Ops()
		recovered(t, f)
		for seed := range uint64(3) {
			left := f.Crash(seed)
			recovered(t, left)
			if c := inventory(t, left); len(c.frames) != len(want.frames) || len(c.segments) != 3 {
				t.Fatalf("cut at operation %d: found %d frames in %v", n, len(c.frames), c.segments)
			}
		}
		if f.Ops()-before < n {
			return
		}
	}
}

func TestRecordingDoesNotWaitForLateSealLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := usedCard(t, 20)
		card.Remove("LOG/A1B2C3D4/00000001/seal.log")
		card.Remove("state/seal")
		card.Settle()
		began, read := false, map[string]int{}
		r := newRig(t, card)
		card.Fault(func(o memfs.Op) error {
			began = began || o.Kind == "create" && strings.HasSuffix(o.Name, ".part")
			if !began && strings.HasPrefix(o.Kind, "read") && strings.HasSuffix(o.Name, ".MF4") {
				read[o.Name]++
			}
			return nil
		})
		r.start()
		if len(read) > 1 { // the newest tells the time
			t.Errorf("before the first segment was open, %d sealed ones were read", len(read))
		}
		if r.rec.Late != 21 {
			t.Errorf("found %+v, wanted 21 without a line", r.rec)
		}
		r.run(2, 10)
		r.stop()
		c := inventory(t, card)
		if len(c.frames) != 20*20+len(r.sent) || !c.lines[0].Late {
			t.Errorf("found %d frames, first line %+v", len(c.frames), c.lines[0])
		}
	})
}

func TestAPowerCutAfterAnExchangeKeepsWhatWasFlushed(t *testing.T) {
	var used *memfs.FS
	synctest.Test(t, func(t *testing.T) { used = usedCard(t, 2) })
	used.Settle()
	for n := 1; !t.Failed(); n += 2 {
		second, promised := used.Crash(1), 0
		before := second.Ops()
		synctest.Test(t, func(t *testing.T) {
			r, place := inSlot(t, newCard(), newCard(), "a")
			r.start().run(1, 10)
			r.logger.Rotate(context.Background(), true)
			second.FailFrom(n, memfs.ErrPower)
			place.put(second, "b", 0)
			sent := len(r.sent)
			for range 4 {
				r.send(10, 1)
				time.Sleep(1010 * time.Millisecond)
				synctest.Wait()
				if _, err := second.Stat("."); err == nil {
					promised = len(r.sent) - sent
				}
			}
			r.stop()
		})
		for seed := range uint64(3) {
			if got := framesOn(t, second.Crash(seed)); got < 40+promised {
				t.Fatalf("cut at operation %d: found %d frames, wanted 40 of before and %d", n, got, promised)
			}
		}
		if second.Ops()-before < n {
			return
		}
	}
}
