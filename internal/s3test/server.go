package s3test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options describe a store. Only Keys is needed.
type Options struct {
	Keys    map[string]string // access key to secret key
	Buckets []string          // there from the start
	Region  string            // default us-east-1
	Dir     string            // where objects live; empty: in memory
	MaxSize int64             // of one object in bytes, default 1 GiB
	// Policy is a bucket policy, as JSON; it binds all keys but Owner's. Empty:
	// every key may do everything.
	Policy []byte
	Owner  string
	// HideMissing answers 403 for a key that is not there, as AWS does to
	// callers who may not list.
	HideMissing bool
	// TLS makes it https; it needs a certificate.
	TLS *tls.Config
	// Devices makes a store with TLS verify its clients; nil: it asks nobody.
	Devices *Devices
	// Listener to serve on; default a free port of 127.0.0.1.
	Listener net.Listener
	// Now is the store's clock, default time.Now.
	Now func() time.Time
}

// kept is the number of requests that are remembered.
const kept = 4096

// Server is a running store. It is an http.Handler too.
type Server struct {
	URL string // http://127.0.0.1:port, or https

	o      Options
	shelf  *shelf
	policy *policy
	http   *http.Server
	done   chan struct{}
	closed sync.Once

	mu       sync.Mutex
	faults   []Fault
	requests []*Request
	uploads  map[string]*upload // by id
	count    int
}

// New starts a store. It fails when it cannot listen or cannot use Dir.
func New(o Options) (*Server, error) {
	o = withDefaults(o)
	policy, err := parsePolicy(o.Policy)
	if err != nil {
		return nil, err
	}
	shelf, err := openShelf(o.Dir, o.Buckets)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	l, scheme := o.Listener, "http"
	if l == nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	s := &Server{o: o, shelf: shelf, policy: policy, done: make(chan struct{}), uploads: map[string]*upload{}}
	if o.TLS != nil {
		scheme = "https"
		conf := o.TLS.Clone()
		conf.NextProtos = []string{"http/1.1"}
		if o.Devices != nil {
			o.Devices.configure(conf)
		}
		l = tls.NewListener(l, conf)
	}
	s.URL = scheme + "://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go s.http.Serve(l) // ends with Close
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.MaxSize == 0 {
		o.MaxSize = 1 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Close ends the store and all its connections.
func (s *Server) Close() error {
	s.closed.Do(func() { close(s.done) })
	return s.http.Close()
}

// ServeHTTP answers one request. It panics with http.ErrAbortHandler where a
// fault wants the connection cut.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.o.Devices.turnedAway(w, r) {
		return
	}
	x := &exchange{Server: s, w: w, r: r, seen: newRequest(r), now: s.o.Now()}
	x.fault = s.enter(x.seen)
	if x.fault.Effect == Skew {
		x.now = x.now.Add(x.fault.Delay)
	}
	x.raw = &meter{r: x.faulty(r.Body), head: make([]byte, 0, headSize)}
	defer x.leave()
	h := w.Header()
	h.Set("Date", x.now.UTC().Format(http.TimeFormat))
	h.Set("Server", "s3test")
	h.Set("X-Amz-Request-Id", requestID())
	if err := x.serve(); err != nil {
		x.refuse(err)
	}
}

func requestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// pause waits for d (0: for ever), or until the request or the store ends.
func (s *Server) pause(ctx context.Context, d time.Duration) {
	var alarm <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-alarm:
	case <-ctx.Done():
	case <-s.done:
	}
}
