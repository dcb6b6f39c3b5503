package uploader_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"canseal/segment"
	"canseal/uploader"
)

func TestTheOrderAfterAnOutage(t *testing.T) {
	for order, want := range map[string][]uint32{
		uploader.Oldest: {3, 5, 1, 2, 4, 6, 7, 8},
		uploader.Newest: {3, 5, 8, 7, 6, 4, 2, 1},
		uploader.Mixed:  {3, 5, 8, 7, 6, 1, 4, 2},
		"":              {3, 5, 1, 2, 4, 6, 7, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t)
			for split := range uint32(8) {
				b.seal(17, split+1)
			}
			for _, split := range []uint32{5, 3} {
				if err := b.card.Pin(segment.Name{Session: 17, Split: split}); err != nil {
					t.Fatal(err)
				}
			}
			b.o.Order = order
			b.run()
			pass(time.Minute)
			if got := b.sequence(); !slices.Equal(got, want) {
				t.Errorf("order %q: %v, want %v", order, got, want)
			}
		})
	}
}

// sequence lists the splits in the order in which they were put.
func (b *box) sequence() (list []uint32) {
	for _, r := range b.store.calls("create", "") {
		for split := range uint32(10) {
			if strings.Contains(r.key, segment.Name{Session: 17, Split: split}.String()) {
				list = append(list, split)
			}
		}
	}
	return list
}

// As long as new segments come, the oldest get their place too.
func TestMixedStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.o.Order = uploader.Mixed
		b.store.fault = func(request) error {
			time.Sleep(10 * time.Second)
			return nil
		}
		for split := range uint32(40) {
			b.seal(17, split+1)
		}
		b.run()
		for split := range uint32(60) {
			pass(10 * time.Second)
			b.seal(17, split+41)
		}
		pass(0)
		var old int
		for split := range uint32(12) {
			if b.sent(segment.Name{Session: 17, Split: split + 1}) {
				old++
			}
		}
		if old < 11 {
			t.Errorf("%d of the oldest 12 are in the store after 60 turns, want every fourth turn to be one", old)
		}
	})
}

// Workers send side by side; when the store fails, one tries alone.
func TestWorkersSendSideBySide(t *testing.T) {
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t)
			var names []segment.Name
			for split := range uint32(12) {
				names = append(names, b.seal(17, split+1))
			}
			var mu sync.Mutex
			now, most, down := 0, 0, false
			b.store.fault = func(r request) error {
				if r.verb != "create" {
					mu.Lock()
					defer mu.Unlock()
					if down {
						return refusal(uploader.Network)
					}
					return nil
				}
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(10 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				now--
				if down {
					return refusal(uploader.Network)
				}
				return nil
			}
			b.o.Workers = workers
			b.run()
			pass(15 * time.Second)
			if most != workers {
				t.Errorf("%d at once, want %d", most, workers)
			}
			mu.Lock()
			down = true
			mu.Unlock()
			pass(11 * time.Second)
			if s := b.up.Status(); s.Class != "network" {
				t.Errorf("state %s %s", s.State, s.Class)
			}
			mu.Lock()
			most = 0
			mu.Unlock()
			pass(time.Hour)
			if most > 1 {
				t.Errorf("%d at once while the store is down, want at most one", most)
			}
			if workers > 1 && len(b.events) != 1 {
				t.Errorf("events %v, want one for the outage", b.events)
			}
			mu.Lock()
			down = false
			mu.Unlock()
			pass(20 * time.Minute)
			b.wantOnce(names...)
		})
	}
}

// Once the mode is raised, each receipt that a forger could have given is
// proved again, after what was never sent; what was not there is sent.
func TestPlainReceiptsAreProvedAgain(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.o.Mode, b.o.Proved, b.o.Endpoint = "low", "plain", "http://store:9080"
		b.run()
		pass(time.Second)
		b.wantOnce(names...)
		delete(b.store.objects, key(names[1])) // "stored", somebody on the path had said
		delete(b.store.puts, key(names[1]))
		b.store.objects[key(names[2])] = object{data: noise(9), checksum: checksum(noise(9))}
		b.store.requests = nil
		b.restart(b.fs)
		fresh := b.seal(18, 2)
		b.run()
		pass(time.Minute)
		b.wantOnce(names[0], names[1], fresh)
		for i, n := range names {
			r, err := b.card.ReadReceipt(n)
			if want := map[bool]segment.Proof{true: segment.ProvedTLS, false: segment.ProvedPlain}[i != 2]; err != nil || r.Proved != want {
				t.Errorf("%s: proved %s, want %s", n, r.Proved, want)
			}
		}
		b.wantParked(names[2], "key_conflict")
		creates := b.store.calls("create", "")
		if len(creates) != 2 || creates[0].key != key(fresh) || creates[1].key != key(names[1]) {
			t.Errorf("created %v, want the fresh one, then the one that was not there", creates)
		}
	})
}

// A receipt of another store says nothing about this one: what it has is not sent
// here too.
func TestReceiptsOfAnotherStoreAreNotProvedHere(t *testing.T) {
	for name, change := range map[string]func(*uploader.Options){
		"host":   func(o *uploader.Options) { o.Endpoint = "http://elsewhere:9000" },
		"bucket": func(o *uploader.Options) { o.Bucket = "cars" },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(b *box, names []segment.Name) {
				b.o.Mode, b.o.Proved = "low", "plain"
				change(&b.o)
				b.run()
				pass(time.Second)
				b.wantOnce(names...)
				b.store.requests = nil
				b.restart(b.fs)
				b.run()
				pass(time.Minute)
				if creates := b.store.calls("create", ""); len(creates) > 0 {
					t.Errorf("created %v", creates)
				}
			})
		})
	}
}

// One week without network, then 1 Mbit/s: with order mixed today's drive is in
// the bucket within the hour, though every fourth place is for the oldest.
func TestTodaysDriveIsThereWithinTheHour(t *testing.T) {
	const (
		days, perDay = 7, 24         // an hour's drive each day
		size         = 10_000_000    // a segment as it is sent
		rate         = 1_000_000 / 8 // bytes/s
	)
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.o.Order = uploader.Mixed
		var down atomic.Bool
		down.Store(true)
		b.store.fault = func(r request) error {
			if down.Load() {
				return refusal(uploader.Network)
			}
			if r.verb == "create" {
				time.Sleep(size * time.Second / rate)
			}
			return nil
		}
		b.run()
		var today []segment.Name
		for day := range uint32(days) {
			today = nil
			for split := range uint32(perDay) {
				pass(time.Hour / perDay)
				today = append(today, b.seal(17+day, split+1))
			}
			pass(23 * time.Hour)
		}
		down.Store(false)
		pass(time.Hour + 15*time.Minute) // the network is noticed within 15 min
		there := 0
		for _, n := range today {
			if b.sent(n) {
				there++
			}
		}
		if there != perDay {
			t.Errorf("%d of %d of today's segments are there after an hour", there, perDay)
		}
		pass(24 * time.Hour)
		if s := b.up.Status(); s.Queue.Segments != 0 {
			t.Errorf("%d segments wait after a day", s.Queue.Segments)
		}
	})
}
