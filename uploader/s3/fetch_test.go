package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"canseal/uploader"
)

// torn serves one object, and cuts each answer after so many bytes.
type torn struct {
	content []byte
	cuts    []int // of the answers, one after the other; then whole
	sum     string
	ranges  []string
	match   []string
}

func (s *torn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.ranges, s.match = append(s.ranges, r.Header.Get("Range")), append(s.match, r.Header.Get("If-Match"))
	from, status := 0, http.StatusOK
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		status = http.StatusPartialContent
	}
	part := s.content[from:]
	h := w.Header()
	h.Set("ETag", `"one"`)
	h.Set("Last-Modified", "Fri, 20 Nov 2026 12:00:00 GMT")
	h.Set("Content-Length", fmt.Sprint(len(part)))
	if s.sum != "" && status == http.StatusOK {
		h.Set("x-amz-checksum-sha256", s.sum)
		h.Set("x-amz-checksum-type", "FULL_OBJECT")
	}
	w.WriteHeader(status)
	if len(s.cuts) > 0 {
		part, s.cuts = part[:s.cuts[0]], s.cuts[1:]
		w.Write(part)
		panic(http.ErrAbortHandler)
	}
	w.Write(part)
}

func fetcher(t *testing.T, h http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := New(Options{Endpoint: server.URL, Bucket: "bucket", PathStyle: true, AccessKey: "key", SecretKey: "secret", Mode: "low"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAFetchGoesOnWhereItBroke(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	sum := sha256.Sum256(content)
	s := &torn{content: content, cuts: []int{300_000, 500_000}, sum: base64.StdEncoding.EncodeToString(sum[:])}
	var b bytes.Buffer
	n, err := fetcher(t, s).Fetch(context.Background(), "a b/ü.MF4", &b, 1<<30)
	if err != nil || n != int64(len(content)) || !bytes.Equal(b.Bytes(), content) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if len(s.ranges) != 3 || s.ranges[0] != "" || !strings.HasSuffix(s.ranges[2], fmt.Sprintf("-%d", len(content)-1)) || s.match[1] != `"one"` {
		t.Errorf("ranges %q, If-Match %q", s.ranges, s.match)
	}
}

func TestAFetchThatIsNotWhatTheStoreSays(t *testing.T) {
	other := sha256.Sum256([]byte("other"))
	wrong := &torn{content: []byte("content"), sum: base64.StdEncoding.EncodeToString(other[:])}
	if _, err := fetcher(t, wrong).Fetch(context.Background(), "k", io.Discard, 100); uploader.ClassOf(err) != uploader.Transfer {
		t.Errorf("another SHA-256: %v", err)
	}
	if _, err := fetcher(t, &torn{content: []byte("content")}).Fetch(context.Background(), "k", io.Discard, 6); uploader.ClassOf(err) != uploader.TooLarge {
		t.Errorf("too large: %v", err)
	}
	full := errors.New("the disk is full")
	if _, err := fetcher(t, &torn{content: []byte("content")}).Fetch(context.Background(), "k", broken{full}, 100); !errors.Is(err, full) {
		t.Errorf("nothing takes it: %v", err)
	}
	for _, key := range []string{"", "a\nb", "\xff", strings.Repeat("x", 1025)} {
		if _, err := fetcher(t, &torn{}).Fetch(context.Background(), key, io.Discard, 100); uploader.ClassOf(err) != uploader.Config {
			t.Errorf("%q: %v", key, err)
		}
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
