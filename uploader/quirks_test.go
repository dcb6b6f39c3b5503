package uploader_test

import (
	"testing"

	"canseal/internal/s3test"
	"canseal/segment"
	"canseal/uploader"
)

// A store that lacks something is served all the same where the settings say
// so, or where it can be found out; the receipt tells on what it rests.
func TestStoresWithQuirks(t *testing.T) {
	noSHA := s3test.Fault{Header: "x-amz-checksum-sha256", Status: 501, Times: -1}
	noCondition := s3test.Fault{Header: "If-None-Match", Status: 501, Times: -1}
	for name, row := range map[string]struct {
		fault     s3test.Fault
		quirks    uploader.Quirks
		algorithm string // of the receipt, "" for none
		class     string
	}{
		"no SHA-256, told crc32c":    {noSHA, uploader.Quirks{Checksum: "crc32c"}, "CRC32C", ""},
		"no SHA-256, told md5":       {noSHA, uploader.Quirks{Checksum: "md5"}, "MD5", ""},
		"no SHA-256, not told":       {noSHA, uploader.Quirks{}, "", "quirk"},
		"no condition, found out":    {noCondition, uploader.Quirks{IfNoneMatch: "auto"}, "SHA256", ""},
		"no condition, told":         {noCondition, uploader.Quirks{IfNoneMatch: "off"}, "SHA256", ""},
		"no condition, told another": {noCondition, uploader.Quirks{IfNoneMatch: "on"}, "", "quirk"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			b, log := onTheRoad(t, server.URL, accessKey, secretKey)
			b.o.Quirks, b.o.DeviceJSON = row.quirks, nil
			n := b.seal(17, 1)
			server.Script(row.fault)
			b.up = uploader.New(b.o)
			b.settle(n)
			r, err := b.card.ReadReceipt(n)
			if row.algorithm == "" {
				if s := b.up.Status(); err == nil || s.Class != row.class {
					t.Errorf("%+v, receipt %+v", s, r)
				}
				return
			}
			if err != nil || r.Checksum.Algorithm != row.algorithm || r.Checksum.Type != "FULL_OBJECT" {
				t.Fatalf("receipt %+v, %v; log:\n%s", r, err, log)
			}
			// The receipt is one that is read again.
			if s, err := b.card.Load(n); err != nil || !s.Sent() {
				t.Errorf("%+v, %v", s, err)
			}
			wantNoSecret(t, b, []segment.Name{n}, log.String())
		})
	}
}

// Where a store compares nothing by itself, a damaged file is found before it
// is sent.
func TestADamagedFileIsNotSentToAStoreThatComparesLess(t *testing.T) {
	server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b, _ := onTheRoad(t, server.URL, accessKey, secretKey)
	b.o.Quirks.Checksum = "md5"
	n := b.seal(17, 1)
	f, err := b.fs.Edit(b.card.Path(n, segment.Sealed))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("x"), 0)
	f.Close()
	b.up = uploader.New(b.o)
	b.drain()
	b.wantParked(n, "local_corruption")
	if keys := server.Keys("trucks", key(n)); len(keys) != 0 {
		t.Errorf("it is in the store: %v", keys)
	}
}
