package s3test_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"canseal/internal/s3test"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Checksums behind the body, as minio-go sends them: in signed chunks over
// http, in bare ones over https. versitygw refuses the signed kind.
func TestStoresTakeTrailers(t *testing.T) {
	conforms(t, func(p *peer) {
		scheme, host, _ := strings.Cut(p.url, "://")
		c, err := minio.New(host, &minio.Options{Creds: credentials.NewStaticV4(goodAccess, goodSecret, ""), Secure: scheme == "https", Region: "us-east-1",
			BucketLookup: minio.BucketLookupPath, MaxRetries: 1, TrailingHeaders: true,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}})
		if err != nil {
			p.Fatal(err)
		}
		for _, size := range []int{1, chunk, 200_000} {
			for name, kind := range map[string]minio.ChecksumType{"sha256": minio.ChecksumSHA256, "crc32c": minio.ChecksumCRC32C} {
				body := random(size)
				info, err := c.PutObject(p.Context(), "trucks", name, bytes.NewReader(body), int64(size), minio.PutObjectOptions{Checksum: kind, DisableMultipart: true})
				if !p.secure && p.name == "versitygw" {
					if minio.ToErrorResponse(err).Code != "BadDigest" {
						p.Errorf("%s of %d bytes: %v, want BadDigest", name, size, err)
					}
					continue
				}
				got, _ := p.object(name)
				if err != nil || !bytes.Equal(got, body) || info.ChecksumSHA256+info.ChecksumCRC32C == "" {
					p.Errorf("%s of %d bytes: %v, %d bytes there, answer %+v", name, size, err, len(got), info)
				}
			}
		}
	})
}

// secured are the options of a store over https.
func secured(t *testing.T) s3test.Options {
	t.Helper()
	cert, key := certificate(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return s3test.Options{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}
}

// A trailer that is not that of the body, or that nobody has signed, keeps the
// object out.
func TestATrailerIsCompared(t *testing.T) {
	_, p := ours(t, secured(t))
	p.secure = true
	for name, row := range map[string]struct{ wire, want string }{
		"right":           {"d\r\nhello, bucket\r\n0\r\nx-amz-checksum-crc32c:" + crc(hello) + "\r\n\r\n", "200"},
		"another":         {"d\r\nhello, bucket\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n", "400 BadDigest"},
		"none":            {"d\r\nhello, bucket\r\n0\r\n\r\n", "400 IncompleteBody"},
		"of no checksum":  {"d\r\nhello, bucket\r\n0\r\nx-amz-meta-a:b\r\n\r\n", "400 InvalidRequest"},
		"something after": {"d\r\nhello, bucket\r\n0\r\nx-amz-checksum-crc32c:" + crc(hello) + "\r\n\r\nmore", "400 InvalidRequest"},
	} {
		got := p.send(call{key: name, body: hello, kind: bare, tamper: func(_ *http.Request, _ []byte) []byte { return []byte(row.wire) }}).text
		if got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}
