package logger

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/clock"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// lostInShortRun are frames that the source of shortRun counts as lost.
const lostInShortRun = 1000

// shortRun records a little into some segments on a card whose power may be cut
// or whose operations may fail, and returns how many frames were sent, and how
// many of them were promised: fed a flush interval before the last moment with
// power.
func shortRun(t *testing.T, f *memfs.FS) (sent, promised int, err error) {
	return runShort(t, f, 5, false)
}

func runShort(t *testing.T, f *memfs.FS, rounds int, compress bool) (sent, promised int, err error) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, f)
		r.o.Compress = compress
		r.o.SplitSize = 42_000
		r.o.Clock = clock.New(clock.Options{Read: r.clocks.read})
		var l *Logger
		if l, _, err = Prepare(r.o); err != nil {
			return
		}
		done := make(chan error)
		go func() { done <- l.Run(context.Background()) }()
		for i := range rounds {
			r.send(70, uint8(i%2+1))
			if i == 2 {
				now := r.clocks.read().Wall
				r.feed.events <- []can.Event{
					{Kind: can.KindLost, Bus: 1, From: now, Time: now, Lost: lostInShortRun, Reason: can.LostSocket},
					{Kind: can.KindState, Bus: 1, Time: now, State: can.BusOff},
				}
			}
			time.Sleep(1010 * time.Millisecond)
			synctest.Wait()
			if _, err := f.Stat("."); err == nil {
				promised = len(r.sent)
			}
		}
		r.feed.Close()
		err = <-done
		sent = len(r.sent)
	})
	return sent, promised, err
}

// recovered starts a box on what a power cut left and ends it at once.
func recovered(t *testing.T, f *memfs.FS) Recovery {
	t.Helper()
	var rec Recovery
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, f)
		r.o.Clock = clock.New(clock.Options{Read: r.clocks.read})
		l, found, err := Prepare(r.o)
		if err != nil {
			t.Fatal(err)
		}
		rec = found
		catchUp(l)
	})
	return rec
}

// catchUp makes the late seal lines, as the keeper does beside the recording.
func catchUp(l *Logger) {
	for range l.keep.waiting() {
		l.keep.catchUp()
	}
}

// snapshotOf is every file of a card but those that each start writes anew.
func snapshotOf(t *testing.T, f *memfs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := f.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := below{dir: dir}.at(e.Name())
			switch {
			case e.IsDir():
				walk(name)
			case name != "state/session":
				in, err := f.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				sum, _, err := hashFile(in)
				if err != nil {
					t.Fatal(err)
				}
				files[name] = sum
			}
		}
	}
	walk(".")
	return files
}

// survives checks what a power cut at any time has to leave.
func survives(t *testing.T, left *memfs.FS, sent, promised int) {
	t.Helper()
	rec := recovered(t, left)
	if len(rec.Problems) > 0 || len(rec.Damaged) > 0 {
		t.Errorf("recovery: %+v", rec)
	}
	c := inventory(t, left)
	seen := map[int]bool{}
	for _, e := range c.frames {
		if n := number(e); seen[n] || n >= sent {
			t.Errorf("frame %d is there twice, or was never sent", n)
		} else {
			seen[n] = true
		}
	}
	for n := range promised {
		if !seen[n] {
			t.Fatalf("frame %d was flushed (%d were) and is not there; %d are", n, promised, len(seen))
		}
	}
	before := snapshotOf(t, left)
	again := recovered(t, left)
	if again.Repaired+again.Late+again.Removed != 0 {
		t.Errorf("second recovery: %+v", again)
	}
	if after := snapshotOf(t, left); !maps.Equal(before, after) {
		t.Errorf("a second recovery changed files: %v", slices.Sorted(maps.Keys(after)))
	}
}

func TestAPowerCutAtAnyOperationKeepsWhatWasFlushed(t *testing.T) {
	for _, row := range []struct {
		name   string
		search func(testing.TB, func(*memfs.FS), func(*memfs.FS) error, func(*memfs.FS))
	}{{"ext4", memfs.EachCrash}, {"FAT", memfs.EachCrashOnFAT}} {
		t.Run(row.name, func(t *testing.T) {
			var sent, promised int
			row.search(t, withState, func(f *memfs.FS) (err error) {
				sent, promised, err = shortRun(t, f)
				return err
			}, func(left *memfs.FS) { survives(t, left, sent, promised) })
		})
	}
}

// cutAt cuts the power before the nth write to a file.
func cutAt(f *memfs.FS, name string, nth int) {
	off := false
	f.Fault(func(o memfs.Op) error {
		if o.Kind == "write" && o.Name == name {
			nth--
		}
		if off = off || nth == 0; off {
			return memfs.ErrPower
		}
		return nil
	})
}

func TestAPowerCutInTheRecoveryIsRecovered(t *testing.T) {
	cut := memfs.New()
	withState(cut)
	cutAt(cut, "LOG/A1B2C3D4/00000001/00000002.MF4.part", 3)
	sent, promised, _ := shortRun(t, cut)
	if promised == 0 || promised == sent {
		t.Fatalf("promised %d of %d: the cut is not in the middle", promised, sent)
	}
	left := cut.Crash(7)
	// Without its seal lines, so that there is more to recover.
	for _, name := range []string{"LOG/A1B2C3D4/00000001/seal.log", "state/seal"} {
		if err := left.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	left.Settle()
	for n := 1; ; n++ {
		f := left.Crash(1)
		f.FailFrom(n, memfs.ErrPower)
		before := f.Ops()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, f)
			r.o.Clock = clock.New(clock.Options{Read: r.clocks.read})
			if l, _, err := Prepare(r.o); err == nil {
				catchUp(l)
			}
		})
		for seed := range uint64(3) {
			survives(t, f.Crash(seed), sent, promised)
		}
		if f.Ops()-before < n || t.Failed() {
			return
		}
	}
}

func TestAnyFailingOperationIsToldAndRecordingGoesOn(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		t.Run(fault.Error(), func(t *testing.T) {
			var sent int
			memfs.EachFault(t, fault, withState, func(f *memfs.FS) (err error) {
				sent, _, err = shortRun(t, f)
				return err
			}, func(f *memfs.FS, err error) {
				if err != nil {
					t.Errorf("Run: %v; wanted that it goes on", err)
				}
				if rec := recovered(t, f); len(rec.Problems) > 0 {
					t.Errorf("recovery: %+v", rec)
				}
				c := inventory(t, f)
				account(t, sent+lostInShortRun, c)
				if !slices.Contains(stateList(c.states), can.BusOff) {
					t.Errorf("found states %v, wanted bus-off among them", stateList(c.states))
				}
			})
		})
	}
}

// A card that refuses everything for a while.
func outage(t *testing.T, break_, mend func(f *memfs.FS, r *rig), state can.State) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.start().run(3, 20)
		break_(r.card, r)
		r.run(5, 20)
		s := r.logger.Status().Log
		if s.State != "stopped" || s.Card.State != state.String() || s.Lost.Write == 0 {
			t.Errorf("in the outage: found state %q, card %q, lost %d", s.State, s.Card.State, s.Lost.Write)
		}
		mend(r.card, r)
		r.run(5, 20)
		if s := r.logger.Status().Log; s.State != "recording" || s.Card.State != "ok" {
			t.Errorf("after the outage: found state %q, card %q", s.State, s.Card.State)
		}
		r.stop()
		c := inventory(t, r.card)
		recorded, counted := account(t, len(r.sent), c)
		if recorded < 200 || counted < 200 {
			t.Errorf("recorded %d, counted %d", recorded, counted)
		}
		list := stateList(c.states)
		for _, want := range []can.State{state, can.CardOK, can.RecordingStopped, can.RecordingStarted} {
			if !slices.Contains(list, want) {
				t.Errorf("found states %v, wanted %v among them", list, want)
			}
		}
		for _, g := range c.gaps {
			if g.Reason != can.LostWrite && g.Reason != can.LostCut {
				t.Errorf("found gap %+v", g)
			}
		}
		if !r.has("card: "+state.String()+" 0") || !r.has("card: ok 0") {
			t.Errorf("found events %v", r.events)
		}
	})
}

func TestRecordingResumesWhenTheCardTakesFramesAgain(t *testing.T) {
	t.Run("read-only", func(t *testing.T) {
		outage(t, func(f *memfs.FS, _ *rig) { f.ReadOnly(true) }, func(f *memfs.FS, _ *rig) { f.ReadOnly(false) }, can.CardReadOnly)
	})
	t.Run("full", func(t *testing.T) {
		outage(t, func(f *memfs.FS, r *rig) { f.Limit(1) }, func(f *memfs.FS, _ *rig) { f.Limit(1 << 40) }, can.CardFull)
	})
	t.Run("input/output error", func(t *testing.T) {
		outage(t, func(f *memfs.FS, _ *rig) {
			f.Fault(func(o memfs.Op) error { return syscall.EIO })
		}, func(f *memfs.FS, _ *rig) { f.Fault(nil) }, can.CardWriteError)
	})
}

func TestNothingIsWrittenWhereTheCardIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		var missing atomic.Bool
		r.o.CheckCard = func() error {
			if missing.Load() {
				return ErrCardMissing
			}
			return nil
		}
		missing.Store(true)
		r.start().run(3, 20)
		if _, err := r.card.ReadDir("LOG"); err == nil {
			t.Error("found a LOG folder below the empty mount point")
		}
		if s := r.logger.Status().Log; s.State != "stopped" || s.Card.State != "missing" {
			t.Errorf("found state %q, card %q", s.State, s.Card.State)
		}
		missing.Store(false)
		r.run(3, 20)
		missing.Store(true)
		r.run(3, 20)
		missing.Store(false)
		r.run(3, 20)
		r.stop()
		c := inventory(t, r.card)
		recorded, _ := account(t, len(r.sent), c)
		if recorded < 150 || len(c.segments) != 2 || c.segments[1].Session != c.segments[0].Session {
			t.Errorf("recorded %d in %v", recorded, c.segments)
		}
	})
}

func TestASegmentCutAtAnyByteIsRepairedAndSealed(t *testing.T) {
	f := newCard()
	cutAt(f, "LOG/A1B2C3D4/00000001/00000001.MF4.part", 5)
	shortRun(t, f)
	left := f.Crash(1)
	card := segment.Card{FS: left, Device: box}
	name := card.Path(segment.Name{Session: 1, Split: 1}, segment.Part)
	whole, err := left.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	size, _ := whole.Size()
	for at := int64(0); at <= size; at += max(1, size/97) {
		f := left.Crash(1)
		part, err := f.Edit(name)
		if err != nil {
			t.Fatal(err)
		}
		part.Truncate(at)
		part.Close()
		f.Settle()
		survives(t, f, 1000, 0)
	}
}
