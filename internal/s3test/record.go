package s3test

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// headSize is how much of a body Request.Head keeps.
const headSize = 256

// Request is what the store remembers of a request.
type Request struct {
	Method, Bucket, Key string
	Query               string // raw
	Header              http.Header
	Secure              bool // over TLS
	At                  time.Time
	Remote              string // address of the client: one per connection

	Body   int64  // bytes of the body as on the wire
	Head   []byte // its first bytes, at most 256
	Status int    // of the answer, 0 where none was given
	Code   string // S3 error code of the answer
}

func newRequest(r *http.Request) *Request {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := &Request{Method: r.Method, Bucket: bucket, Key: key, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Secure: r.TLS != nil, At: time.Now(), Remote: r.RemoteAddr}
	q.Header.Set("Host", r.Host)
	return q
}

// enter remembers a request and returns its fault.
func (s *Server) enter(q *Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.requests = append(s.requests, q)
	if len(s.requests) > kept {
		s.requests = append(s.requests[:0], s.requests[kept/2:]...)
	}
	return s.take(q)
}

// leave fills in what is known at the end of a request.
func (x *exchange) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen.Body, x.seen.Head = x.raw.n, x.raw.head
	x.seen.Status, x.seen.Code = x.status, x.code
}

// Requests returns copies of the last requests, oldest first (at least the
// last 2048).
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Request, len(s.requests))
	for i, q := range s.requests {
		list[i] = *q
	}
	return list
}

// Count returns the number of requests since the start.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// meter counts what is read through it and keeps its head.
type meter struct {
	r    io.Reader
	n    int64
	head []byte
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if room := headSize - len(m.head); room > 0 {
		m.head = append(m.head, p[:min(n, room)]...)
	}
	return n, err
}
