package uploader_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"canseal/internal/s3test"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// What queue, seal records, hashing and receipts cost beside the client
// alone: 20 segments of 1 MiB over http, the store in the same process.
func BenchmarkUpload(b *testing.B) {
	const count, size = 20, 1 << 20
	server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	client, err := s3.New(s3.Options{Endpoint: server.URL, Bucket: "trucks", PathStyle: true, AccessKey: accessKey, SecretKey: secretKey, Mode: "low"})
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	b.Run("client", func(b *testing.B) {
		b.SetBytes(count * size)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			for k := range count {
				o := uploader.Object{Key: fmt.Sprintf("%d-%d/%d", b.N, i, k), Body: bytes.NewReader(data), Size: size, SHA256: sha256.Sum256(data)}
				if _, err := client.Replace(context.Background(), o); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("uploader", func(b *testing.B) {
		b.SetBytes(count * size)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			box := newBox(b)
			var names []segment.Name
			for k := range count {
				names = append(names, box.sealContent(17, uint32(k+1), data))
			}
			box.o.Store, box.o.DeviceJSON = client, nil
			up := uploader.New(box.o)
			for _, n := range names {
				server.Remove("trucks", key(n))
			}
			b.StartTimer()
			if err := up.Drain(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
