package segment_test

import (
	"errors"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

func receipt() segment.Receipt {
	return segment.Receipt{
		Endpoint: "https://host:9000", Bucket: "trucks", Key: "A1B2C3D4/00000017/00000003-69F87A20.MF4",
		Size: 33554432, SHA256: hash,
		Checksum: segment.Checksum{Algorithm: "SHA256", Type: "COMPOSITE", Value: "AAEC-4"}, PartSize: 8388608,
		ETag: `"9b<&>ü-4"`, VersionID: "v1", Proved: segment.ProvedTLS, By: "complete", Mode: "medium",
		At: time.Date(2026, 5, 4, 10, 52, 0, 0, time.UTC), Clock: "synchronised",
	}
}

func plain() segment.Receipt {
	r := receipt()
	r.Checksum, r.PartSize = segment.Checksum{Algorithm: "SHA256", Type: "FULL_OBJECT", Value: "AAEC"}, 0
	r.ETag, r.VersionID, r.Proved, r.By, r.Mode, r.Clock = "", "", segment.ProvedPlain, "put", "low", "unsynchronised"
	return r
}

func TestTheReceiptIsWrittenAsTheFormatSays(t *testing.T) {
	want := `{"receipt":1,"endpoint":"https://host:9000","bucket":"trucks","key":"A1B2C3D4/00000017/00000003-69F87A20.MF4","size":33554432,` +
		`"sha256":"` + hash + `","checksum":{"algorithm":"SHA256","type":"COMPOSITE","value":"AAEC-4"},"part_size":8388608,` +
		`"etag":"\"9b<&>ü-4\"","version_id":"v1","proved":"tls","by":"complete","mode":"medium","at":"2026-05-04T10:52:00Z","clock":"synchronised"}` + "\n"
	line, err := receipt().Encode()
	if string(line) != want || err != nil {
		t.Errorf("found  %s%v\nwanted %s", line, err, want)
	}
}

func TestReceiptsAreReadAsTheyAreWritten(t *testing.T) {
	for _, r := range []segment.Receipt{receipt(), plain()} {
		line, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := segment.ParseReceipt(line); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("found  %+v, %v\nwanted %+v", got, err, r)
		}
	}
}

func TestTimesOfReceiptsAreWholeSecondsUTC(t *testing.T) {
	r := receipt()
	r.At = r.At.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
	line, err := r.Encode()
	if err != nil || !strings.Contains(string(line), `"at":"2026-05-04T10:52:00Z"`) {
		t.Errorf("found %s, %v", line, err)
	}
}

func TestReceiptsWithMoreFieldsAreRead(t *testing.T) {
	line, _ := receipt().Encode()
	more := strings.Replace(string(line), `{"receipt":1`, `{"later":[1,2],"receipt":1`, 1)
	if r, err := segment.ParseReceipt([]byte(more)); err != nil || r != receipt() {
		t.Errorf("found %+v, %v", r, err)
	}
}

func TestUnreadableReceipts(t *testing.T) {
	line, _ := receipt().Encode()
	good := string(line)
	for what, text := range map[string]string{
		"empty":                  "",
		"cut":                    good[:len(good)/2],
		"zeros":                  strings.Repeat("\x00", 300),
		"two objects":            good + good,
		"another version":        strings.Replace(good, `"receipt":1`, `"receipt":2`, 1),
		"no version":             strings.Replace(good, `"receipt":1,`, ``, 1),
		"no endpoint":            strings.Replace(good, `https://host:9000`, ``, 1),
		"no key":                 strings.Replace(good, `"key":`, `"kay":`, 1),
		"a negative size":        strings.Replace(good, `33554432`, `-1`, 1),
		"a size with a fraction": strings.Replace(good, `33554432`, `1.5`, 1),
		"an upper-case hash":     strings.Replace(good, hash, strings.ToUpper(hash), 1),
		"another algorithm":      strings.Replace(good, `SHA256`, `SHA1`, 1),
		"another type":           strings.Replace(good, `COMPOSITE`, `PARTS`, 1),
		"no checksum":            strings.Replace(good, `AAEC-4`, ``, 1),
		"parts without number":   strings.Replace(good, `AAEC-4`, `AAEC-`, 1),
		"composite in one part":  strings.Replace(good, `AAEC-4`, `AAEC`, 1),
		"no part size":           strings.Replace(good, `"part_size":8388608,`, ``, 1),
		"full with part size":    strings.Replace(strings.Replace(good, `COMPOSITE`, `FULL_OBJECT`, 1), `AAEC-4`, `AAEC`, 1),
		"another proof":          strings.Replace(good, `"tls"`, `"sure"`, 1),
		"another answer":         strings.Replace(good, `"complete"`, `"list"`, 1),
		"mode off":               strings.Replace(good, `"medium"`, `"off"`, 1),
		"no time":                strings.Replace(good, `"at":"2026-05-04T10:52:00Z",`, ``, 1),
		"another clock":          strings.Replace(good, `"synchronised"`, `"sure"`, 1),
		"a control character":    strings.Replace(good, `trucks`, `tr\u0000cks`, 1),
		"too long":               strings.Replace(good, `trucks`, strings.Repeat("t", 9000), 1),
	} {
		if r, err := segment.ParseReceipt([]byte(text)); err == nil || r != (segment.Receipt{}) {
			t.Errorf("%s: found %+v, %v; wanted an error alone", what, r, err)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	for _, r := range []segment.Receipt{receipt(), plain()} {
		line, _ := r.Encode()
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := segment.ParseReceipt(data)
		if err != nil {
			return
		}
		line, err := r.Encode()
		if err != nil {
			t.Fatalf("read, but not to be written: %v", err)
		}
		r.At = r.At.Truncate(time.Second)
		if again, err := segment.ParseReceipt(line); err != nil || again != r {
			t.Fatalf("found  %+v, %v\nwanted %+v", again, err, r)
		}
	})
}

func TestAnUnreadableReceiptCountsAsNone(t *testing.T) {
	f := memfs.New()
	c := card(f)
	touch(t, f, "LOG/A1B2C3D4/00000017/00000003.MF4", "LOG/A1B2C3D4/00000017/00000003.MF4.sent")
	if s, err := c.Load(name(17, 3)); err != nil || s.Sent() || !s.Has.Has(segment.Sent) {
		t.Errorf("found %+v, %v; wanted not sent", s, err)
	}
	if err := c.WriteReceipt(name(17, 3), receipt()); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Load(name(17, 3)); err != nil || !s.Sent() || *s.Receipt != receipt() {
		t.Errorf("found %+v, %v; wanted sent", s, err)
	}
}

func TestNoCutMakesAReceiptThatWasNotWritten(t *testing.T) {
	for what, search := range searches() {
		t.Run(what, func(t *testing.T) {
			written := false
			search(t, func(f *memfs.FS) {
				touch(t, f, "LOG/A1B2C3D4/00000017/00000003.MF4")
				// An old receipt may come back in clusters.
				card(f).WriteReceipt(name(17, 2), receipt())
				f.Remove("LOG/A1B2C3D4/00000017/00000002.MF4.sent")
			}, func(f *memfs.FS) error {
				written = false
				err := card(f).WriteReceipt(name(17, 3), plain())
				written = err == nil
				return err
			}, func(f *memfs.FS) {
				s, err := card(f).Load(name(17, 3))
				if err != nil || !s.Sealed() || written && !s.Sent() {
					t.Fatalf("found %+v, %v; written: %v", s, err, written)
				}
				if s.Sent() && *s.Receipt != plain() {
					t.Fatalf("found a receipt of somebody else: %+v", *s.Receipt)
				}
				if err := card(f).WriteReceipt(name(17, 3), plain()); err != nil {
					t.Fatalf("the next attempt: %v", err)
				}
			})
		})
	}
}

func TestAFailedReceiptIsNone(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
		memfs.EachFault(t, fault, func(f *memfs.FS) {
			touch(t, f, "LOG/A1B2C3D4/00000017/00000003.MF4")
		}, func(f *memfs.FS) error {
			return card(f).WriteReceipt(name(17, 3), plain())
		}, func(f *memfs.FS, err error) {
			if !errors.Is(err, fault) {
				t.Fatalf("found %v, wanted the fault", err)
			}
			if s, err := card(f).Load(name(17, 3)); err != nil || s.Sent() && *s.Receipt != plain() {
				t.Fatalf("found %+v, %v", s, err)
			}
			if data, _ := durable.ReadFile(f, "LOG/A1B2C3D4/00000017/00000003.MF4", 100); len(data) == 0 {
				t.Fatal("the segment suffered")
			}
		})
	}
}
