package s3

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// late is a body from a slow card that must not be read, nor be in the middle
// of a read, once its request is over.
type late struct {
	io.Reader
	n                 int
	busy, over, reads atomic.Bool
}

func (l *late) Read(p []byte) (int, error) {
	l.busy.Store(true)
	defer l.busy.Store(false)
	if l.n += len(p); l.n > 200_000 {
		time.Sleep(100 * time.Millisecond) // longer than net/http waits for the writer
	}
	if l.over.Load() {
		l.reads.Store(true)
	}
	return l.Reader.Read(p)
}

func (l *late) Close() error { return nil }

// minio-go's signing reader breaks with a nil pointer, and the process with
// it, when it is closed in the middle of a read, which http.Client does after
// a redirect. So no body may be read once RoundTrip has returned, however
// early the answer came.
func TestNoBodyIsReadAfterAnEarlyAnswer(t *testing.T) {
	drained := make(chan struct{})
	serve := func(c net.Conn) {
		defer close(drained)
		req, err := http.ReadRequest(bufio.NewReaderSize(c, 16))
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 301 Moved Permanently\r\nLocation: /x\r\nContent-Length: 1\r\n\r\nx")
		io.Copy(io.Discard, req.Body)
	}
	c, err := New(Options{Endpoint: "http://h", Bucket: "trucks", AccessKey: "a", SecretKey: "b", Mode: "low",
		Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				serve(server)
			}()
			return client, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	body := &late{Reader: bytes.NewReader(make([]byte, 900_000))}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://h/trucks/k", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 900_000
	resp, err := c.wire.RoundTrip(req)
	body.over.Store(true)
	if body.busy.Load() {
		t.Error("the body is being read when the request is over")
	}
	if err != nil || resp.StatusCode != 301 {
		t.Fatal(resp, err)
	}
	<-drained
	if body.reads.Load() {
		t.Error("the body was read after the request was over")
	}
}
