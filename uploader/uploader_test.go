package uploader_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
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

const week = 7 * 24 * time.Hour

// bubble runs a test in virtual time with a box of three sealed segments.
func bubble(t *testing.T, test func(b *box, names []segment.Name)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		names := []segment.Name{b.seal(17, 1), b.seal(17, 2), b.seal(18, 1)}
		test(b, names)
	})
}

func TestEverySegmentArrivesOnceWithItsReceipt(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.run()
		pass(time.Second)
		b.wantOnce(names...)
		names = append(names, b.seal(18, 2))
		pass(time.Second)
		b.wantOnce(names...)
		b.wantState("idle", "")
		if s := b.up.Status(); s.Queue.Segments != 0 || s.Sent.Segments != 4 || s.Last.Split != 2 || s.ResentBytes != 0 {
			t.Errorf("status %+v", s)
		}
		if n := len(b.store.calls("stat", "")); n != 0 {
			t.Errorf("%d looks at the store on the good path, want none", n)
		}
	})
}

func TestReceiptTellsWhatTheStoreSaid(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.clock.set(true, 0)
		b.run()
		pass(time.Second)
		r, err := b.card.ReadReceipt(names[0])
		if err != nil {
			t.Fatal(err)
		}
		want := segment.Receipt{Endpoint: "https://store:9000", Bucket: "trucks", Key: "A1B2C3D4/00000017/00000001-6A0ED7DC.MF4",
			Size: int64(len(content(names[0]))), SHA256: r.SHA256, Checksum: segment.Checksum(checksum(content(names[0]))), ETag: "etag",
			Proved: "tls", By: "put", Mode: "medium", At: r.At, Clock: "synchronised"}
		if *r != want {
			t.Errorf("receipt %+v\nwant    %+v", *r, want)
		}
	})
}

func TestMetadataIsThatOfTheCANedgeAndTheSealLine(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.run()
		pass(time.Second)
		m := b.store.objects[key(names[1])].meta
		log, _ := b.card.ReadSeals(17)
		seal, _ := base64.StdEncoding.DecodeString(m["seal"])
		if string(seal)+"\n" != string(log.Lines[1].Raw) || m["sha256"] != log.Lines[1].SHA256 {
			t.Errorf("seal %q, sha256 %s", seal, m["sha256"])
		}
		if m["hw"] != "00.00" || m["fw"] != "01.02.03" || m["timestamp"] != "20260521T100200" || m["put-index"] != "3" {
			t.Errorf("metadata %v", m)
		}
	})
}

func TestDeviceJSONGoesFirstThenPinnedThenOldest(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		if err := b.card.Pin(names[2]); err != nil {
			t.Fatal(err)
		}
		b.run()
		pass(time.Second)
		want := []string{"A1B2C3D4/device.json", key(names[2]), key(names[0]), key(names[1])}
		for i, r := range b.store.calls("", "") {
			if i >= len(want) || r.key != want[i] {
				t.Errorf("request %d is for %s, want the order %v", i, r.key, want)
			}
		}
	})
}

func TestASegmentWithoutItsSealLineWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		early := segment.Name{Session: 17, Split: 1}
		write(t, b.fs, b.card.Path(early, segment.Sealed), content(early))
		b.run()
		pass(time.Minute)
		if n := len(b.store.calls("", ".MF4")); n != 0 {
			t.Errorf("%d requests for a segment without seal line", n)
		}
	})
}

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

func TestNothingIsSentAgainAfterARestart(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.run()
		pass(time.Second)
		b.store.requests = nil
		b.restart(b.fs)
		b.o.Endpoint, b.o.Bucket = "https://elsewhere", "others"
		b.run()
		pass(time.Hour)
		if n := len(b.store.calls("", ".MF4")); n != 0 {
			t.Errorf("%d requests for segments that were sent before", n)
		}
	})
}

func TestRetryAllSendsToAChangedStore(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.run()
		pass(time.Second)
		old := b.store
		b.store = newStore()
		b.restart(b.fs)
		b.o.Bucket = "others"
		b.run()
		b.up.Retry(true)
		pass(time.Minute)
		b.wantOnce(names...)
		if r, _ := b.card.ReadReceipt(names[0]); r.Bucket != "others" {
			t.Errorf("receipt of bucket %s", r.Bucket)
		}
		for _, n := range names {
			if old.puts[key(n)] != 1 {
				t.Errorf("%s: %d puts to the old store", n, old.puts[key(n)])
			}
		}
		if n := len(b.store.calls("create", "")); n != 3 {
			t.Errorf("%d creates, want 3", n)
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

func TestDeviceJSONIsTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		var events []byte
		changed := false
		b.o.EventsJSON = func() ([]byte, bool) {
			c := changed
			changed = false
			return events, c
		}
		b.run()
		pass(time.Hour - time.Second)
		if n := len(b.store.calls("replace", "A1B2C3D4/device.json")); n != 12 {
			t.Errorf("%d heartbeats in an hour, want 12", n)
		}
		events, changed = []byte("{}\n"), true
		b.store.set(first(2, on("replace", "events.jsonl", uploader.Network)))
		pass(time.Hour)
		if got := b.store.objects["A1B2C3D4/events.jsonl"]; b.store.puts["A1B2C3D4/events.jsonl"] != 1 || !bytes.Equal(got.data, events) {
			t.Errorf("events.jsonl was put %d times, want once", b.store.puts["A1B2C3D4/events.jsonl"])
		}
	})
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

func TestStatusHasTheShapeOfDeviceJSON(t *testing.T) {
	bubble(t, func(b *box, names []segment.Name) {
		b.store.set(on("create", key(names[1]), uploader.KeyConflict))
		b.run()
		pass(time.Second)
		b.store.set(always(uploader.Credentials))
		b.seal(18, 2)
		pass(time.Second)
		text, err := json.MarshalIndent(b.up.Status(), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"mode": "medium"`, `"state": "operator"`, `"class": "credentials"`, `"reason": "credentials"`, `"since": "2000-01-01T00:00:0`,
			`"next_try": "2000-01-01T00:0`, `"endpoint": "https://store:9000"`, `"bucket": "trucks"`, `"segments": 1,`, `"oldest": "00000018/00000002"`,
			`"session": 17`, `"split": 2`, `"class": "key_conflict"`, `"plain_deleted": 0`, `"resent_bytes": 0`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("status lacks %s:\n%s", want, text)
			}
		}
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
