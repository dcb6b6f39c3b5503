package s3test

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// A body of chunks never gives more bytes than were announced, and ends
// without an error only when it gave all of them.
func FuzzChunked(f *testing.F) {
	s := signature{key: []byte("key"), date: "20260504T100000Z", scope: "20260504/us-east-1/s3/aws4_request", value: strings.Repeat("0", 64)}
	f.Add([]byte("1;chunk-signature="+strings.Repeat("0", 64)+"\r\nx\r\n"), int64(1))
	f.Add([]byte("0;chunk-signature="+s.sign(algorithm+"-PAYLOAD", s.value, emptyHash, emptyHash)+"\r\n\r\n"), int64(0))
	f.Add([]byte("7fffffffffffffff;chunk-signature="), int64(5))
	f.Fuzz(func(t *testing.T, wire []byte, size int64) {
		if size < 0 {
			return
		}
		body, err := io.ReadAll(newChunked(bytes.NewReader(wire), s, size))
		if int64(len(body)) > size || err == nil && int64(len(body)) != size {
			t.Errorf("%d bytes of %d, %v", len(body), size, err)
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/20260504/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64))
	f.Add("AWS4-HMAC-SHA256 Credential=////,SignedHeaders=,Signature=")
	f.Fuzz(func(t *testing.T, header string) {
		a, ok := parseAuthorization(header)
		if ok && (a.access == "" || len(a.signature) != 64 || len(a.signed) == 0) {
			t.Errorf("%+v", a)
		}
	})
}

func FuzzByteRange(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=9-1", "bytes=--", "bytes=1-9223372036854775807"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		from, to, partial, err := byteRange(header, size)
		if err == nil && (from < 0 || to > size || from > to || !partial && (from != 0 || to != size)) {
			t.Errorf("%s of %d: %d to %d", header, size, from, to)
		}
	})
}
