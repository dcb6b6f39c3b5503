package uploader_test

import (
	"os"
	"strings"
	"testing"

	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// All that the uploader does works under the printed policy of least rights:
// facts, events, segments in one request and in parts, the look at what is
// there, the end of a stale upload.
func TestTheUploaderUnderThePrintedPolicy(t *testing.T) {
	text := s3.Policy(s3.PolicyOptions{Bucket: "trucks", Device: string(device), Key: accessKey})
	t.Run("s3test", func(t *testing.T) {
		s, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}, Policy: text, HideMissing: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		underPolicy(t, s.URL)
	})
	t.Run("versitygw", func(t *testing.T) {
		g := gateway.Start(t, gateway.Options{Buckets: []string{"trucks"}})
		g.AddUser(t, accessKey, secretKey)
		owner, err := minio.New(strings.TrimPrefix(g.URL, "http://"), &minio.Options{Creds: credentials.NewStaticV4(g.Access, g.Secret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath})
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.SetBucketPolicy(t.Context(), "trucks", string(text)); err != nil {
			t.Fatal(err)
		}
		underPolicy(t, g.URL)
	})
}

func underPolicy(t *testing.T, url string) {
	b, log := onTheRoad(t, url, accessKey, secretKey)
	b.o.PartSize = 5 << 20
	b.o.EventsJSON = func() ([]byte, bool) { return []byte("{}\n"), true }
	data := noise(11 << 20)
	names := []segment.Name{b.seal(17, 1), b.sealContent(17, 2, data)}
	b.up = uploader.New(b.o)
	if err := b.up.Drain(t.Context()); err != nil {
		t.Fatalf("%v; log:\n%s", err, log)
	}
	// Receipts that were lost are found again by a look, and an upload that
	// nobody needs any more is aborted.
	up, err := b.o.Store.Begin(t.Context(), uploader.Upload{Key: key(names[1])}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.card.ReadReceipt(names[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := b.fs.Remove(b.card.Path(n, segment.Sent)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.card.BeginUpload(names[1], segment.UploadJournal{Endpoint: url, Bucket: "trucks", Key: key(names[1]), UploadID: up.ID,
		Size: int64(len(data)), SHA256: r.SHA256, PartSize: 5 << 20, Checksum: "sha256", At: sessionStart}); err != nil {
		t.Fatal(err)
	}
	b.up = uploader.New(b.o)
	if err := b.up.Drain(t.Context()); err != nil {
		t.Fatalf("%v; log:\n%s", err, log)
	}
	b.drain()
	for _, n := range names {
		if r, err := b.card.ReadReceipt(n); err != nil || r.By != "stat" {
			t.Errorf("%s: %+v, %v; log:\n%s", n, r, err, log)
		}
	}
	if _, err := b.o.Store.Parts(t.Context(), up); uploader.ClassOf(err) != uploader.NoneThere {
		t.Errorf("the stale upload is there: %v", err)
	}
	if _, err := b.fs.Stat(b.card.Path(names[1], segment.Upload)); !os.IsNotExist(err) {
		t.Errorf("its journal is there: %v", err)
	}
}
