package logger

import (
	"bytes"
	"context"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// forms are the forms of a card's segments, by the seal lines in their order.
func forms(c contents) (list []string) {
	for _, line := range c.lines {
		list = append(list, line.Form)
	}
	return list
}

// inSplitOrder wants the seal lines of each session by split.
func inSplitOrder(t *testing.T, c contents) {
	t.Helper()
	for i, line := range c.lines[1:] {
		if before := c.lines[i]; before.Session == line.Session && before.Split >= line.Split {
			t.Errorf("split %d was sealed before split %d", before.Split, line.Split)
		}
	}
}

func TestFinishedSegmentsAreCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Compress, r.o.SplitTime = true, 2*time.Second
		r.start().run(7, 50)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		inSplitOrder(t, c)
		v, status := r.logger.keep.view(), r.logger.Status().Log
		var sealed int64
		for _, line := range c.lines {
			sealed += line.Size
		}
		if sealed != status.Bytes-v.Saved || v.Pressed == 0 || status.Card.Written != status.Bytes+v.Pressed {
			t.Errorf("%d bytes are sealed; found status %d, written %d, saved %d, compressed %d",
				sealed, status.Bytes, status.Card.Written, v.Saved, v.Pressed)
		}
		list := forms(c)
		if n := len(list); n < 3 || slices.Contains(list[:n-1], formRaw) || list[n-1] != formRaw {
			t.Errorf("found forms %v, wanted all %s but the last, which the end of the run sealed as it was", list, formPacked)
		}
	})
}

func TestTheOldestAreSealedAsTheyAreWhenMoreThanFourWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Compress, r.o.SplitSize = true, 39_000
		r.start()
		r.logger.keep.hold()
		for range 10 {
			r.send(100, 1)
			time.Sleep(1010 * time.Millisecond)
		}
		waiting := len(r.logger.keep.waiting())
		r.logger.keep.letGo()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if left := r.logger.keep.waiting(); len(left) != 0 || waiting <= maxWaiting {
			t.Errorf("%d waited, %d still do", waiting, len(left))
		}
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		inSplitOrder(t, c)
		list := forms(c)
		whole := len(list) - 1
		if got := slices.Index(list, formPacked); got != waiting-maxWaiting || slices.Contains(list[got:whole], formRaw) {
			t.Errorf("%d waited, found forms %v", waiting, list)
		}
	})
}

func TestTheLastSegmentBeforePowerGoesIsNotCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Compress = true
		r.start().run(2, 50)
		if _, err := r.logger.Rotate(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		r.run(2, 50)
		r.logger.keep.hold() // so that the first of these still waits
		r.logger.ask(context.Background(), func(rec *recorder) { rec.rotate(false) })
		r.run(2, 50)
		var done <-chan struct{}
		r.logger.ask(context.Background(), func(rec *recorder) { _, done = rec.rotate(true) })
		r.logger.keep.letGo()
		<-done
		if got := forms(inventory(t, r.card)); !slices.Equal(got, []string{formPacked, formRaw, formRaw}) {
			t.Errorf("found forms %v", got)
		}
		r.stop()
	})
}

func TestWithoutRoomASegmentIsSealedAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.card.Limit(1_130_000)
		r.o.Compress, r.o.SplitSize, r.o.SplitTime = true, 1_100_000, 2*time.Second
		r.start().run(5, 50)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if list := forms(c); slices.Contains(list, formPacked) {
			t.Errorf("found forms %v", list)
		}
	})
}

func TestWhatWasLeftRawIsCompressedAtTheNextStart(t *testing.T) {
	f := newCard()
	var sent int
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, f)
		r.o.Compress, r.o.SplitTime = true, 2*time.Second
		r.start()
		r.logger.keep.hold() // nothing is compressed before the power fails
		r.run(7, 50)
		sent = len(r.sent)
		f.Fault(func(memfs.Op) error { return memfs.ErrPower })
		r.logger.keep.letGo()
		r.stop()
	})
	left := f.Crash(2)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, left)
		r.o.Compress = true
		r.start()
		time.Sleep(5 * time.Second)
		r.stop()
		c := inventory(t, left)
		inSplitOrder(t, c)
		raw := 0
		for _, line := range c.lines {
			if line.Session == 1 && line.Form == formRaw {
				raw++
			}
		}
		if len(c.frames) < sent-100 || raw > 0 || len(c.lines) < 4 {
			t.Errorf("%d of %d frames, forms %v", len(c.frames), sent, forms(c))
		}
	})
}

// compressing starts a box that compresses on what a power cut left, lets it
// work, and ends it.
func compressing(t *testing.T, f *memfs.FS) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, f)
		r.o.Compress = true
		r.o.Clock = clock.New(clock.Options{Read: r.clocks.read})
		l, rec, err := Prepare(r.o)
		if err != nil || len(rec.Problems) > 0 {
			t.Fatal(err, rec.Problems)
		}
		go func() { r.done <- l.Run(context.Background()) }()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if left := l.keep.waiting(); len(left) > 0 {
			t.Errorf("%d segments still wait", len(left))
		}
		r.stop()
	})
}

func TestAPowerCutInTheCompressionKeepsTheSegment(t *testing.T) {
	for _, row := range []struct {
		name   string
		search func(testing.TB, func(*memfs.FS), func(*memfs.FS) error, func(*memfs.FS))
	}{{"ext4", memfs.EachCrash}, {"FAT", memfs.EachCrashOnFAT}} {
		t.Run(row.name, func(t *testing.T) {
			var sent, promised, n int
			row.search(t, withState, func(f *memfs.FS) (err error) {
				sent, promised, err = runShort(t, f, 3, true)
				return err
			}, func(left *memfs.FS) {
				if n++; n%4 == 0 {
					compressing(t, left)
				}
				survives(t, left, sent, promised)
			})
		})
	}
}

func TestAFaultInTheCompressionLosesNothing(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		t.Run(fault.Error(), func(t *testing.T) {
			var sent int
			memfs.EachFault(t, fault, withState, func(f *memfs.FS) (err error) {
				sent, _, err = runShort(t, f, 3, true)
				return err
			}, func(f *memfs.FS, err error) {
				if err != nil {
					t.Errorf("Run: %v; wanted that it goes on", err)
				}
				if rec := recovered(t, f); len(rec.Problems) > 0 {
					t.Errorf("recovery: %+v", rec)
				}
				account(t, sent+lostInShortRun, inventory(t, f))
			})
		})
	}
}

// stuck is a card on which the compression's writes wait for a gate.
type stuck struct {
	durable.FS
	gate chan struct{}
}

func (s stuck) Create(name string, perm fs.FileMode) (durable.File, error) {
	f, err := s.FS.Create(name, perm)
	if err == nil && strings.HasSuffix(name, string(segment.Tmp)) {
		f = stuckFile{f, s.gate}
	}
	return f, err
}

type stuckFile struct {
	durable.File
	gate chan struct{}
}

func (f stuckFile) WriteAt(b []byte, at int64) (int, error) {
	<-f.gate
	return f.File.WriteAt(b, at)
}

func TestRecordingDoesNotWaitForTheCompression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		gate := make(chan struct{})
		r.o.Card = stuck{r.card, gate}
		r.o.Compress, r.o.SplitTime = true, time.Second
		r.start().run(8, 50)
		s := r.logger.Status().Log
		if s.Frames != uint64(len(r.sent)) || s.Lost.Sum() != 0 || s.State != "recording" {
			t.Errorf("found %d of %d frames, %d lost, %s", s.Frames, len(r.sent), s.Lost.Sum(), s.State)
		}
		if n := len(r.logger.keep.waiting()); n < 6 {
			t.Errorf("%d segments wait", n)
		}
		close(gate)
		time.Sleep(2 * time.Second)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		inSplitOrder(t, c)
		if list := forms(c); list[0] != formPacked || list[1] != formRaw {
			t.Errorf("found forms %v, wanted the first compressed and the next, because too many waited, as it was", list)
		}
	})
}

func TestASegmentIsSealedWhenItsCompressedFormIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Compress = true
		var away atomic.Bool
		r.o.CheckCard = func() error {
			if away.Load() {
				return ErrCardMissing
			}
			return nil
		}
		r.start().run(2, 50)
		r.card.Fault(func(op memfs.Op) error {
			if op.Kind == "rename" && strings.Contains(op.Name, ".tmp") {
				return syscall.EIO
			}
			return nil
		})
		r.logger.ask(context.Background(), func(rec *recorder) { rec.rotate(false) })
		r.run(3, 50)
		away.Store(true) // when it is back, recovery removes what is no segment
		r.run(3, 50)
		away.Store(false)
		r.run(3, 50)
		r.card.Fault(nil)
		time.Sleep(2 * time.Minute)
		if left := r.logger.keep.waiting(); len(left) > 0 {
			t.Errorf("%d segments still wait", len(left))
		}
		r.stop()
		account(t, len(r.sent), inventory(t, r.card))
	})
}

// slowPress is a card on which each write of the compression takes half a minute.
type slowPress struct{ durable.FS }

type slowTmp struct{ durable.File }

func (s slowPress) Create(name string, perm fs.FileMode) (durable.File, error) {
	f, err := s.FS.Create(name, perm)
	if err == nil && strings.HasSuffix(name, string(segment.Tmp)) {
		f = slowTmp{f}
	}
	return f, err
}

func (f slowTmp) WriteAt(b []byte, at int64) (int, error) {
	time.Sleep(30 * time.Second)
	return f.File.WriteAt(b, at)
}

func TestWhatWaitsForCompressionCanMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.card.Limit(1_000_000)
		r.o.Card = slowPress{r.card}
		r.o.Compress, r.o.SplitSize, r.o.SplitTime, r.o.KeepFree = true, 60_000, time.Hour, Reserve{Bytes: 500_000}
		for r.start(); len(r.logger.keep.waiting()) < 4; r.run(2, 60) {
			r.logger.ask(t.Context(), func(rec *recorder) { rec.rotate(false) })
		}
		put(t, r.card, "holiday.jpg", strings.Repeat("x", 350_000))
		r.run(45, 1)
		if s := r.logger.Status().Log; s.State != "recording" || s.Lost.Deleted == 0 {
			t.Errorf("found %s, lost %+v, %d still wait", s.State, s.Lost, len(r.logger.keep.waiting()))
		}
		r.stop()
		account(t, len(r.sent), chained(t, r.card))
	})
}

// heads is a card that knows how far .raw files were read before a segment was open.
type heads struct {
	*memfs.FS
	began   bool
	reached int64
}

type headFile struct {
	durable.File
	h *heads
}

func (h *heads) Create(name string, perm fs.FileMode) (durable.File, error) {
	h.began = h.began || strings.HasSuffix(name, ".part")
	return h.FS.Create(name, perm)
}

func (h *heads) look(f durable.File, name string, err error) (durable.File, error) {
	if err == nil && strings.HasSuffix(name, ".raw") && !h.began {
		return headFile{f, h}, nil
	}
	return f, err
}

func (h *heads) Open(name string) (durable.File, error) {
	f, err := h.FS.Open(name)
	return h.look(f, name, err)
}

func (h *heads) Edit(name string) (durable.File, error) {
	f, err := h.FS.Edit(name)
	return h.look(f, name, err)
}

func (f headFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(b, at)
	if !f.h.began {
		f.h.reached = max(f.h.reached, at+int64(n))
	}
	return n, err
}

// finishedRaw is a card with a finished .raw of 3,000 frames, and its size.
func finishedRaw(t *testing.T) (*memfs.FS, int64) {
	const name = "LOG/A1B2C3D4/00000001/00000001.MF4"
	var card *memfs.FS
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(1, 1500)
		r.stop()
		card = r.card
	})
	move(t, card, name, name+".raw")
	card.Remove("LOG/A1B2C3D4/00000001/seal.log")
	card.Remove("state/seal")
	info, err := card.Stat(name + ".raw")
	if err != nil {
		t.Fatal(err)
	}
	return card, info.Size()
}

func TestRecordingDoesNotWaitForWhatWaitsForCompression(t *testing.T) {
	for _, compress := range []bool{true, false} {
		card, size := finishedRaw(t)
		synctest.Test(t, func(t *testing.T) {
			r, h := newRig(t, card), &heads{FS: card}
			r.o.Card, r.o.Compress = h, compress
			r.start()
			time.Sleep(5 * time.Second)
			r.stop()
			if h.reached == 0 || h.reached > size/2 {
				t.Errorf("%d of %d bytes were read before the first segment was open", h.reached, size)
			}
			if c := inventory(t, card); len(c.frames) != 3000 {
				t.Errorf("found %d frames", len(c.frames))
			}
		})
	}
}

func TestADamagedRawIsSealedAsItIs(t *testing.T) {
	const name = "LOG/A1B2C3D4/00000001/00000001.MF4"
	for _, wrong := range []int{1, 3000} {
		card, size := finishedRaw(t)
		f, err := card.Edit(name + ".raw")
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt(bytes.Repeat([]byte{0xFF}, wrong), size-20_000)
		f.Close()
		before := snapshotOf(t, card)[name+".raw"]
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, card)
			r.o.Compress = true
			r.start()
			time.Sleep(5 * time.Second)
			if left := r.logger.keep.waiting(); len(left) > 0 {
				t.Errorf("%d segments still wait; events %v", len(left), r.events)
			}
			r.stop()
		})
		after := snapshotOf(t, card)
		if after[name] != before || after[name+".raw"] != "" || after[name+".tmp"] != "" {
			t.Errorf("%d wrong bytes: it was changed, or work is left", wrong)
		}
		log, err := segment.Card{FS: card, Device: box}.ReadSeals(1)
		if err != nil || len(log.Lines) != 1 {
			t.Fatalf("found %d seal lines, %v", len(log.Lines), err)
		}
		if line := log.Lines[0]; line.Size != size || line.Frames == 0 || line.Frames > 3000 || wrong > 1 && (line.Frames == 3000 || line.End != "cut") {
			t.Errorf("%d wrong bytes: the seal line tells %d frames, %d bytes, end %s", wrong, line.Frames, line.Size, line.End)
		}
		if rec := recovered(t, card); rec.Late+rec.Repaired+len(rec.Problems) > 0 {
			t.Errorf("the next start: %+v", rec)
		}
	}
}
