package uploader_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
