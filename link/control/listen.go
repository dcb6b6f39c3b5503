package control

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	patience      = 5 * time.Second // for a handshake
	mostHalfOpen  = 16
	mostOpen      = 16
	mostSources   = 1024
	firstBackOff  = 50 * time.Millisecond
	latestBackOff = time.Second
)

// Listener makes the connections of a net.Listener secure, and yields those
// whose first record has decrypted. It closes all others without a word.
type Listener struct {
	inner net.Listener
	key   Key
	log   *slog.Logger
	ready chan net.Conn
	slots chan struct{} // of open connections
	done  chan struct{}
	stop  sync.Once
	err   error // of inner, once done is closed

	lock     sync.Mutex
	halfOpen []*visitor // in the order of their coming
	sources  map[string]*source
	counts   Counts
}

// Counts tell what came to a Listener.
type Counts struct {
	Accepted uint64 `json:"accepted"` // connections
	Refused  uint64 `json:"refused"`  // handshakes that did not verify, or did not end
	Ignored  uint64 `json:"ignored"`  // closed unheard: too many, too soon, or pushed out
}

type visitor struct {
	net.Conn
	source string
}

// source is an address that failed.
type source struct {
	fails int
	until time.Time // it is not heard before
}

// NewListener listens for holders of the key. Log may be nil.
func NewListener(inner net.Listener, k Key, log *slog.Logger) *Listener {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Listener{
		inner: inner, key: k, log: log, ready: make(chan net.Conn), slots: make(chan struct{}, mostOpen), done: make(chan struct{}),
		sources: map[string]*source{},
	}
	go l.listen()
	return l
}

// Accept returns the next connection whose peer knows the key.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, l.err
	}
}

// Addr is the address of the inner listener.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Close stops listening; accepted connections go on.
func (l *Listener) Close() error {
	err := l.inner.Close()
	l.finish(net.ErrClosed)
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, v := range l.halfOpen {
		v.Close()
	}
	return err
}

// Counts returns what came so far.
func (l *Listener) Counts() Counts {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.counts
}

func (l *Listener) finish(err error) {
	l.stop.Do(func() {
		l.err = err
		close(l.done)
	})
}

func (l *Listener) listen() {
	for {
		c, err := l.inner.Accept()
		var passing net.Error
		switch {
		case err == nil:
			l.hear(c)
		case errors.As(err, &passing) && passing.Timeout():
		case errors.Is(err, net.ErrClosed):
			l.finish(err)
			return
		default: // too many open files, say: it passes, or Close comes
			l.log.Warn("control connection not taken", "error", err)
			select {
			case <-time.After(latestBackOff):
			case <-l.done:
				return
			}
		}
	}
}

// hear begins a handshake, in a goroutine of its own.
func (l *Listener) hear(c net.Conn) {
	v := &visitor{c, sourceOf(c)}
	l.lock.Lock()
	defer l.lock.Unlock()
	if s := l.sources[v.source]; s != nil && time.Now().Before(s.until) {
		l.counts.Ignored++
		c.Close()
		return
	}
	if len(l.halfOpen) == mostHalfOpen {
		l.counts.Ignored++
		l.crowded().Close() // its goroutine ends
	}
	l.halfOpen = append(l.halfOpen, v)
	go l.serve(v)
}

func sourceOf(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}

// crowded takes the oldest visitor of the source that has most out of those
// that are half open; l.lock is held.
func (l *Listener) crowded() *visitor {
	n, most := map[string]int{}, 0
	for _, v := range l.halfOpen {
		n[v.source]++
		most = max(most, n[v.source])
	}
	for i, v := range l.halfOpen {
		if n[v.source] == most {
			l.halfOpen = append(l.halfOpen[:i], l.halfOpen[i+1:]...)
			return v
		}
	}
	return nil // there are none: not with a full list
}

// serve does the handshake of a visitor and hands it over.
func (l *Listener) serve(v *visitor) {
	c, err := l.admit(v)
	pushed := l.leave(v)
	if errors.Is(err, errGoodbye) {
		l.count(func(n *Counts) { n.Accepted++ })
		v.Close()
		return
	}
	if err != nil {
		v.Close()
		if !pushed {
			l.failed(v, err)
		}
		return
	}
	l.welcome(v, c)
}

// admit is the handshake up to the first record.
func (l *Listener) admit(v *visitor) (net.Conn, error) {
	if err := v.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	c, err := respond(v.Conn, l.key)
	if err != nil {
		return nil, err
	}
	first := bufio.NewReaderSize(c, mostData)
	if _, err := first.Peek(1); errors.Is(err, io.EOF) {
		return nil, errGoodbye
	} else if err != nil {
		return nil, err
	}
	return &begun{c, first}, v.SetDeadline(time.Time{})
}

// errGoodbye is a peer who knows the key, and wanted to know no more than that.
var errGoodbye = errors.New("goodbye")

// begun is a connection whose first record waits.
type begun struct {
	*conn
	first *bufio.Reader
}

func (b *begun) Read(p []byte) (int, error) { return b.first.Read(p) }

// leave takes a visitor out of those that are half open; true: it was pushed
// out before.
func (l *Listener) leave(v *visitor) (pushed bool) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for i, other := range l.halfOpen {
		if other == v {
			l.halfOpen = append(l.halfOpen[:i], l.halfOpen[i+1:]...)
			return false
		}
	}
	return true
}

func (l *Listener) failed(v *visitor, err error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.log.Debug("control connection refused", "from", v.source, "error", err)
	if l.counts.Refused++; !errors.Is(err, errRefused) {
		return // it was silent, or went away
	}
	s := l.sources[v.source]
	if s == nil {
		l.forget()
		s = &source{}
		l.sources[v.source] = s
	}
	s.until = time.Now().Add(min(latestBackOff, firstBackOff<<min(s.fails, 10)))
	s.fails++
}

// forget makes room for a source.
func (l *Listener) forget() {
	for len(l.sources) >= mostSources {
		oldest, first := "", time.Time{}
		for name, s := range l.sources {
			if oldest == "" || s.until.Before(first) {
				oldest, first = name, s.until
			}
		}
		delete(l.sources, oldest)
	}
}

func (l *Listener) welcome(v *visitor, c net.Conn) {
	l.lock.Lock()
	delete(l.sources, v.source)
	l.lock.Unlock()
	select {
	case l.slots <- struct{}{}:
	default:
		l.count(func(n *Counts) { n.Ignored++ })
		c.Close()
		return
	}
	out := &open{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}
	select {
	case l.ready <- out:
		l.count(func(n *Counts) { n.Accepted++ })
	case <-l.done:
		out.Close()
	}
}

func (l *Listener) count(f func(*Counts)) {
	l.lock.Lock()
	defer l.lock.Unlock()
	f(&l.counts)
}

// open is a connection that has a slot.
type open struct {
	net.Conn
	free func()
}

func (o *open) Close() error {
	o.free()
	return o.Conn.Close()
}
