package uploader_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/durable/memfs"
	"canseal/segment"
	"canseal/uploader"
)

func TestAWrongChecksumInTheAnswerIsNoReceipt(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.word = func(r request, s *uploader.Stored) {
			if strings.HasSuffix(r.key, ".MF4") {
				s.Checksum = checksum([]byte("forged"))
			}
		}
		b.run()
		pass(week)
		b.wantUnsent(names...)
		for _, n := range names {
			b.wantParked(n, "key_conflict")
		}
	})
}

func TestAStoreWithoutChecksumsProvesNothing(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.word = func(r request, s *uploader.Stored) { s.Checksum = uploader.Checksum{} }
		b.run()
		pass(time.Hour)
		b.wantUnsent(names...)
		b.wantParked(names[0], "cannot_compare")
	})
}

func TestAnAnswerWithoutChecksumIsFollowedByALook(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.word = func(r request, s *uploader.Stored) {
			if r.verb == "create" {
				s.Checksum = uploader.Checksum{}
			}
		}
		b.run()
		pass(time.Second)
		b.wantOnce(names...)
	})
}

func TestOtherBytesUnderOurKeyAreNeverOverwritten(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		other := object{data: []byte("other"), checksum: checksum([]byte("other"))}
		b.store.objects[key(names[0])] = other
		b.run()
		pass(time.Hour)
		b.wantParked(names[0], "key_conflict")
		b.wantOnce(names[1:]...)
		b.up.Retry(false)
		pass(time.Hour)
		if got := b.store.objects[key(names[0])]; string(got.data) != "other" {
			t.Errorf("the store now holds %q", got.data)
		}
		b.wantParked(names[0], "key_conflict")
		b.wantUnsent(names[0])
	})
}

func TestAStoreWithoutConditionalCreateIsLookedAtFirst(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(on("create", "", uploader.Quirk))
		other := object{data: []byte("other"), checksum: checksum([]byte("other"))}
		b.store.objects[key(names[1])] = other
		b.run()
		pass(time.Minute)
		b.wantOnce(names[0], names[2])
		b.wantParked(names[1], "key_conflict")
		if n := len(b.store.calls("create", "")); n != 1 {
			t.Errorf("%d creates, want one: it is remembered", n)
		}
		// Where it may not look, it may not put; but it asks again.
		late := b.seal(18, 2)
		b.store.set(on("stat", "", uploader.CannotTell))
		pass(time.Second)
		b.wantState("operator", "quirk")
		b.wantUnsent(late)
		pass(time.Hour)
		b.wantOnce(late)
	})
}

func TestAFileThatDiffersFromItsSealRecordIsNotSent(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		f, _ := b.fs.Edit(b.card.Path(names[0], segment.Sealed))
		f.WriteAt([]byte("X"), 100)
		f.Close()
		g, _ := b.fs.Edit(b.card.Path(names[1], segment.Sealed))
		g.Truncate(100)
		g.Close()
		b.run()
		pass(time.Hour)
		b.wantParked(names[0], "local_corruption")
		b.wantParked(names[1], "local_corruption")
		b.wantOnce(names[2])
		if b.store.puts[key(names[0])]+b.store.puts[key(names[1])] != 0 || len(b.store.calls("create", key(names[0]))) != 1 {
			t.Errorf("a damaged file was sent: %v", b.store.puts)
		}
	})
}

func TestACardThatErrsOnceDoesNotSpoilASegment(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		failed := false
		b.fs.Fault(func(o memfs.Op) error {
			if !failed && o.Kind == "read" && strings.HasSuffix(o.Name, "1.MF4") {
				failed = true
				return syscall.EIO
			}
			return nil
		})
		b.run()
		pass(time.Minute)
		b.wantOnce(names...)
		if !failed {
			t.Error("no read failed")
		}
	})
}

func TestACardThatTakesNoReceiptCostsNoSecondPut(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.fs.ReadOnly(true)
		b.run()
		pass(time.Hour)
		if n := len(b.store.calls("create", "")); n != 3 {
			t.Errorf("%d creates of 3 segments", n)
		}
		b.fs.ReadOnly(false)
		pass(10 * time.Minute)
		b.wantOnce(names...)
	})
}

// The power may fail at any operation on the card: afterwards each segment
// gets into the store once, and a receipt is never without its object.
func TestAfterAPowerCutAtAnyOperationEachSegmentIsInTheStoreOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *box
		var names []segment.Name
		setup := func(f *memfs.FS) {
			b = newBox(t)
			b.restart(f)
			names = []segment.Name{b.seal(17, 1), b.seal(17, 2)}
		}
		run := func(f *memfs.FS) error { return uploader.New(b.o).Drain(context.Background()) }
		memfs.EachCrash(t, setup, run, func(f *memfs.FS) {
			stored := len(b.store.puts)
			b.restart(f)
			for _, n := range names {
				if b.sent(n) && b.store.puts[key(n)] != 1 {
					t.Errorf("%s has a receipt and was stored %d times", n, b.store.puts[key(n)])
				}
			}
			if err := uploader.New(b.o).Drain(context.Background()); err != nil {
				t.Errorf("after the cut, with %d objects stored: %v", stored, err)
			}
			b.wantOnce(names...)
		})
	})
}

func TestAfterAFaultOfAnyOperationARetryArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *box
		var names []segment.Name
		var up *uploader.Uploader
		setup := func(f *memfs.FS) {
			b = newBox(t)
			b.restart(f)
			names = []segment.Name{b.seal(17, 1), b.seal(17, 2)}
		}
		run := func(f *memfs.FS) error {
			up = uploader.New(b.o)
			return up.Drain(context.Background())
		}
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
			memfs.EachFault(t, fault, setup, run, func(f *memfs.FS, _ error) {
				pass(time.Hour)
				up.Retry(false)
				if err := up.Drain(context.Background()); err != nil {
					t.Error(err)
				}
				b.wantOnce(names...)
			})
		}
	})
}

func TestSegmentsDeletedMeanwhileAreForgotten(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(always(uploader.Busy))
		b.run()
		pass(time.Hour)
		if err := b.card.Remove(names[0]); err != nil {
			t.Fatal(err)
		}
		b.store.set(nil)
		pass(15 * time.Minute)
		b.wantOnce(names[1:]...)
		if s := b.up.Status(); s.Queue.Segments != 0 || s.State != "idle" {
			t.Errorf("status %+v", s)
		}
		if _, err := b.fs.Stat(b.card.Path(names[0], segment.Sent)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a receipt without segment: %v", err)
		}
	})
}
