package uploader_test

import (
	"bytes"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
	"canseal/uploader"
)

// slot holds a card that can be exchanged while it is in use.
type slot struct{ card atomic.Pointer[memfs.FS] }

func (s *slot) Open(name string) (durable.File, error) { return s.card.Load().Open(name) }
func (s *slot) Edit(name string) (durable.File, error) { return s.card.Load().Edit(name) }
func (s *slot) Create(name string, perm fs.FileMode) (durable.File, error) {
	return s.card.Load().Create(name, perm)
}
func (s *slot) Append(name string, perm fs.FileMode) (durable.File, error) {
	return s.card.Load().Append(name, perm)
}
func (s *slot) Rename(from, to string) error { return s.card.Load().Rename(from, to) }
func (s *slot) Remove(name string) error     { return s.card.Load().Remove(name) }
func (s *slot) MkdirAll(name string, perm fs.FileMode) error {
	return s.card.Load().MkdirAll(name, perm)
}
func (s *slot) ReadDir(name string) ([]fs.DirEntry, error) { return s.card.Load().ReadDir(name) }
func (s *slot) Stat(name string) (fs.FileInfo, error)      { return s.card.Load().Stat(name) }
func (s *slot) SyncDir(name string) error                  { return s.card.Load().SyncDir(name) }
func (s *slot) Space() (durable.Space, error)              { return s.card.Load().Space() }

// exchangeable puts the box's card into a slot.
func (b *box) exchangeable() *slot {
	s := new(slot)
	s.card.Store(b.fs)
	b.card.FS, b.o.Card.FS = s, s
	return s
}

// other is another card of the same device, with one segment of the same name
// and other bytes.
func (b *box) other(t *testing.T) (*memfs.FS, segment.Name) {
	card := newBox(t)
	n := card.sealContent(1, 1, []byte("the segment of another card"))
	return card.fs, n
}

// A card whose reads fail for a while costs time, not segments.
func TestACardThatIsIllForAWhileParksNothing(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.fs.Fault(func(o memfs.Op) error {
			if (o.Kind == "open" || o.Kind == "read") && strings.HasSuffix(o.Name, ".MF4") {
				return syscall.EIO
			}
			return nil
		})
		b.run()
		pass(time.Minute)
		b.fs.Fault(nil)
		b.wantUnsent(names...)
		pass(time.Hour)
		b.wantOnce(names...)
		if parked := b.up.Status().Parked; len(parked) != 0 {
			t.Errorf("parked %v", parked)
		}
	})
}

// A receipt for which one card had no room never lands on another card.
func TestAnOwedReceiptIsNotWrittenOntoAnotherCard(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		slot := b.exchangeable()
		b.fs.Fault(func(o memfs.Op) error {
			if strings.Contains(o.Name, ".sent") && o.Kind != "stat" && o.Kind != "open" {
				return syscall.ENOSPC
			}
			return nil
		})
		b.run()
		pass(time.Minute)
		if b.store.stored() == 0 || b.sent(names[0]) {
			t.Fatal("the first card's segments are not in the store without a receipt")
		}
		b.store.forget() // what the second card holds is nowhere
		second, n := b.other(t)
		slot.card.Store(second)
		b.store.set(on("create", ".MF4", uploader.Network))
		pass(time.Hour)
		if b.sent(n) {
			t.Error("the other card's segment has a receipt")
		}
	})
}

// The segments of an exchanged card are judged by their own seal lines.
func TestSegmentsOfAnExchangedCardAreNotCorrupt(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		slot := b.exchangeable()
		b.store.set(always(uploader.Network))
		b.run()
		pass(time.Second)
		second, n := b.other(t)
		slot.card.Store(second)
		b.store.set(nil)
		pass(time.Hour)
		if got := b.store.objects[key(n)]; !b.sent(n) || !bytes.Equal(got.data, []byte("the segment of another card")) {
			t.Errorf("%q in the store, parked %v", got.data, b.up.Status().Parked)
		}
	})
}

// In mode low anybody on the path can make a key look taken: the segment is
// tried again when he has gone.
func TestInModeLowAParkEndsByItself(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.o.Proved, b.o.Mode = "plain", "low"
		b.store.set(func(r request) error {
			if r.verb == "create" {
				return refusal(uploader.KeyConflict)
			}
			return nil
		})
		b.run()
		pass(time.Minute)
		b.wantParked(names[0], "key_conflict")
		b.store.set(nil)
		pass(2 * time.Hour)
		b.wantOnce(names...)
	})
}

// Whoever answers a put without a checksum, and shows something else at the
// key, is no store: nothing is parked.
func TestACaptivePortalParksNothing(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		var portal atomic.Bool
		portal.Store(true)
		b.store.set(func(r request) error {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			delete(b.store.objects, r.key)
			if portal.Load() && r.verb == "stat" {
				b.store.objects[r.key] = object{data: []byte("<html>please log in</html>")}
			}
			return nil
		})
		b.store.word = func(r request, s *uploader.Stored) {
			if portal.Load() {
				s.Checksum = uploader.Checksum{}
			}
		}
		b.run()
		pass(time.Hour)
		if parked := b.up.Status().Parked; len(parked) != 0 {
			t.Errorf("parked %v", parked)
		}
		b.wantUnsent(names...)
		portal.Store(false)
		b.store.set(nil)
		b.store.forget()
		pass(3 * time.Hour)
		b.wantOnce(names...)
	})
}

// Events that a failure kept back are sent with the next heartbeat, whether
// or not there are new ones.
func TestEventsAreSentAfterAFailure(t *testing.T) {
	bubble(t, func(b *box, _ []segment.Name) {
		told := false
		b.o.EventsJSON = func() ([]byte, bool) {
			if told {
				return nil, false
			}
			told = true
			return []byte("an event\n"), true
		}
		b.store.set(first(1, on("replace", "events.jsonl", uploader.Busy)))
		b.run()
		pass(time.Hour)
		if got := b.store.objects["A1B2C3D4/events.jsonl"].data; string(got) != "an event\n" {
			t.Errorf("%q", got)
		}
	})
}
