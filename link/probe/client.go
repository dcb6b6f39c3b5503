package probe

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"

	"canseal/can"
)

// ClientOptions describe a probe.
type ClientOptions struct {
	Identity
	Logger string   // name in the logger's certificate
	Addr   net.Addr // of the logger; nil on a line
	Log    *slog.Logger
}

const (
	silence    = 5 * time.Second // without an ask: the logger is gone, or has begun anew
	firstPause = time.Second
	lastPause  = 30 * time.Second
	workEvery  = 5 * time.Millisecond
)

// Client is a probe: it carries the events of a source to a logger.
type Client struct {
	o     ClientOptions
	t     transport
	route *router
	begun time.Time

	lock   sync.Mutex
	sender *sender
	heard  time.Time // of the last ask
	work   chan struct{}
}

// NewUDPClient makes a probe that reaches its logger over UDP; c is its socket.
func NewUDPClient(c net.PacketConn, o ClientOptions) *Client { return newClient(overUDP(c), o) }

// NewLineClient makes a probe that reaches its logger over a line.
func NewLineClient(l *Line, o ClientOptions) *Client {
	o.Addr = l.LocalAddr()
	return newClient(overLine(l), o)
}

func newClient(t transport, o ClientOptions) *Client {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var boot [8]byte
	_, _ = rand.Read(boot[:]) // never fails
	return &Client{
		o: o, t: t, route: newRouter(t, nil), begun: time.Now(), work: make(chan struct{}, 1),
		sender: newSender(binary.LittleEndian.Uint64(boot[:])|1, t.room()),
	}
}

// now is µs of the probe's monotonic clock.
func (c *Client) now() uint64 { return uint64(time.Since(c.begun).Microseconds()) }

// Run carries the events of a source until ctx ends. It returns an error when the
// source fails, or the way to the logger: a serial port that was pulled out.
func (c *Client) Run(ctx context.Context, source can.Source) error {
	outer := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	defer all.Wait()
	defer context.AfterFunc(ctx, func() { source.Close(); c.t.Close() })()
	all.Go(func() { stop(c.route.run()) })
	all.Go(func() { c.keep(ctx) })
	buf := make([]can.Event, 256)
	for {
		n, err := source.Read(buf)
		c.take(buf[:n])
		if errors.Is(err, io.EOF) {
			<-ctx.Done() // what is kept goes on its way
			if outer.Err() != nil {
				return nil
			}
			return fmt.Errorf("link to the logger: %w", context.Cause(ctx))
		}
		if err != nil {
			return err
		}
	}
}

// take takes events. Their stamps are of the wall clock: how old they are makes
// them times of the monotonic one.
func (c *Client) take(events []can.Event) {
	wall := time.Now().UnixNano()
	c.lock.Lock()
	defer c.lock.Unlock()
	now := int64(c.now())
	for i := range events {
		age := max(0, wall-events[i].Time) / 1000
		c.sender.add(&events[i], uint64(max(0, now-age)))
	}
	c.wake()
}

func (c *Client) wake() {
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// keep keeps an association up: another one is made before the present one
// ends, where that can be.
func (c *Client) keep(ctx context.Context) {
	var live *session
	defer func() {
		if live != nil {
			live.end()
		}
	}()
	for pause := firstPause; ctx.Err() == nil; {
		next, err := c.connect(ctx)
		if err != nil {
			c.o.Log.Warn("no connection to the logger", "error", err)
			if live == nil || live.over() {
				if !sleep(ctx, pause) {
					return
				}
				pause = min(2*pause, lastPause)
				continue
			}
		} else {
			if live != nil {
				live.end()
			}
			live, pause = next, firstPause
		}
		c.wait(ctx, live)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// wait waits until another association is wanted: this one has ended, is
// silent, or has lived long enough.
func (c *Client) wait(ctx context.Context, s *session) {
	for {
		c.lock.Lock()
		quiet := time.Since(c.heard)
		c.lock.Unlock()
		if s.over() || quiet > silence || time.Since(s.born) > mostAge || s.records.Load() > mostRecords {
			return
		}
		select {
		case <-s.done:
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// connect makes an association.
func (c *Client) connect(ctx context.Context) (*session, error) {
	a := &association{lane: newLane(c.t.PacketConn), from: c.o.Addr.String(), born: time.Now()}
	c.route.lock.Lock()
	c.route.add(a)
	c.route.lock.Unlock()
	check := func(cert *x509.Certificate) error {
		if !slices.Contains(namesOf(cert), c.o.Logger) {
			return fmt.Errorf("the logger is %s, wanted %q", names(cert), c.o.Logger)
		}
		return nil
	}
	conn, err := dtls.ClientWithOptions(a.lane, c.o.Addr, c.o.client(c.t, check, func() []byte { return c.route.id(a) })...)
	if err == nil {
		err = shake(ctx, conn)
	}
	if err != nil {
		a.Close()
		c.route.remove(a)
		return nil, fmt.Errorf("handshake with %s: %w", c.o.Addr, err)
	}
	a.conn = conn
	c.route.established(a)
	c.lock.Lock()
	c.sender.connected()
	c.heard = time.Now()
	c.lock.Unlock()
	c.o.Log.Info("connected to the logger", "logger", c.o.Logger)
	return c.begin(a), nil
}

// Counts are what a probe has done.
type ClientCounts struct {
	Events  uint64 `json:"events"`
	Batches uint64 `json:"batches"`
	Dropped uint64 `json:"dropped"` // batches for which the ring had no room any more
	Waiting int    `json:"waiting"` // batches that the logger has not yet
}

// Counts returns what was done so far.
func (c *Client) Counts() ClientCounts {
	c.lock.Lock()
	defer c.lock.Unlock()
	return ClientCounts{Events: c.sender.index, Batches: c.sender.next(), Dropped: c.sender.dropped, Waiting: len(c.sender.kept)}
}
