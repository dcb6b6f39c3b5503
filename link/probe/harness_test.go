package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"canseal/can"
	"canseal/certs"
)

// fleet is a root with certificates for a logger and its probes.
type fleet struct {
	root  *certs.Authority
	roots *x509.CertPool
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	root, err := certs.NewAuthority("probe root", time.Now().Add(-time.Hour), 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{root: root, roots: x509.NewCertPool()}
	f.roots.AddCert(root.Certificate)
	return f
}

func (f *fleet) leaf(t testing.TB, name string, server, client bool) tls.Certificate {
	t.Helper()
	c, err := f.root.IssueLeaf(certs.Leaf{Name: name, Names: []string{name}, Server: server, Client: client, Life: 24 * time.Hour}, certs.KeyP256, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fleet) logger(t testing.TB) Identity {
	return Identity{Certificate: f.leaf(t, "logger", true, false), Roots: f.roots}
}

func (f *fleet) probe(t testing.TB, name string) Identity {
	return Identity{Certificate: f.leaf(t, name, false, true), Roots: f.roots}
}

// numbers is a source of frames that carry their numbers, given at will.
type numbers struct {
	lock  sync.Mutex
	next  uint32
	limit uint32
	more  chan struct{}
	done  chan struct{}
	once  sync.Once
}

func newNumbers() *numbers { return &numbers{more: make(chan struct{}, 1), done: make(chan struct{})} }

func (n *numbers) give(count uint32) {
	n.lock.Lock()
	n.limit += count
	n.lock.Unlock()
	select {
	case n.more <- struct{}{}:
	default:
	}
}

func (n *numbers) Read(buf []can.Event) (int, error) {
	for {
		n.lock.Lock()
		k := 0
		for ; k < len(buf) && k < 32 && n.next < n.limit; k++ {
			buf[k] = *number(n.next)
			buf[k].Time = time.Now().UnixNano()
			n.next++
		}
		n.lock.Unlock()
		if k > 0 {
			return k, nil
		}
		select {
		case <-n.more:
		case <-time.After(10 * time.Millisecond):
		case <-n.done:
			return 0, io.EOF
		}
	}
}

func (n *numbers) Close() error { n.once.Do(func() { close(n.done) }); return nil }

// ears collect what a server delivers, and judge it.
type ears struct {
	lock   sync.Mutex
	next   int // of the frame that is due
	wrong  error
	lost   uint64
	states []can.State
}

func (e *ears) hear(s *Server) {
	buf := make([]can.Event, 256)
	for {
		n, err := s.Read(buf)
		if err != nil {
			return
		}
		e.lock.Lock()
		for i := range buf[:n] {
			e.event(&buf[i])
		}
		e.lock.Unlock()
	}
}

func (e *ears) event(x *can.Event) {
	switch x.Kind {
	case can.KindState:
		e.states = append(e.states, x.State)
	case can.KindLost:
		e.lost += x.Lost
		e.next += int(x.Lost)
	default:
		if numberOf(x) != e.next && e.wrong == nil {
			e.wrong = errors.New("frame out of order")
		}
		if off := time.Since(time.Unix(0, x.Time)); (off < -time.Second || off > time.Minute) && e.wrong == nil {
			e.wrong = errors.New("time of a frame far off: " + off.String())
		}
		e.next++
	}
}

func (e *ears) at() int { e.lock.Lock(); defer e.lock.Unlock(); return e.next }

func (e *ears) good(t *testing.T) {
	t.Helper()
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.wrong != nil {
		t.Error(e.wrong)
	}
}

func within(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(45 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 45 s: %s", what)
		}
	}
}

// link is a logger with one probe.
type link struct {
	t      *testing.T
	fleet  *fleet
	server *Server
	ears   *ears
	told   []string
	lock   sync.Mutex
}

func newLink(t *testing.T, change func(*ServerOptions)) *link {
	t.Helper()
	l := &link{t: t, fleet: newFleet(t), ears: &ears{}}
	o := ServerOptions{
		Identity: l.fleet.logger(t), Probes: map[string]uint8{"roof": 3},
		Security: func(x Alarm) {
			l.server.Status() // as a line of a journal does, which tells how the logger is
			l.lock.Lock()
			l.told = append(l.told, x.What)
			l.lock.Unlock()
		},
	}
	if change != nil {
		change(&o)
	}
	l.server = NewServer(o)
	go l.ears.hear(l.server)
	t.Cleanup(func() { l.server.Close() })
	return l
}

// background runs something until the test ends, or its stop is called.
func (l *link) background(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = func() { cancel(); <-done }
	l.t.Cleanup(stop)
	return stop
}

func udp(t testing.TB) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// listen makes the logger hear a UDP socket.
func (l *link) listen() net.PacketConn {
	c := udp(l.t)
	l.background(func(ctx context.Context) { _ = l.server.ListenUDP(ctx, c) })
	return c
}

// probe runs a probe over UDP to an address.
func (l *link) probe(to net.Addr, source can.Source, who Identity) (*Client, func()) {
	c := NewUDPClient(udp(l.t), ClientOptions{Identity: who, Logger: "logger", Addr: to})
	return c, l.background(func(ctx context.Context) { _ = c.Run(ctx, source) })
}

func (l *link) status() Status { return l.server.Status()[0] }

// proxy is a man on the path between a probe and a logger.
type proxy struct {
	front, back net.PacketConn
	logger      net.Addr
	lock        sync.Mutex
	probe       net.Addr
	change      func(toLogger bool, b []byte) [][]byte // what goes on instead of a datagram
	delay       func() time.Duration
	tape        [][]byte // what the probe sent
}

func newProxy(t testing.TB, logger net.Addr) *proxy {
	p := &proxy{front: udp(t), back: udp(t), logger: logger}
	go p.carry(p.front, true)
	go p.carry(p.back, false)
	return p
}

func (p *proxy) carry(from net.PacketConn, toLogger bool) {
	b := make([]byte, 4096)
	for {
		n, addr, err := from.ReadFrom(b)
		if err != nil {
			return
		}
		p.lock.Lock()
		if toLogger {
			p.probe = addr
			if len(p.tape) < 1000 {
				p.tape = append(p.tape, append([]byte(nil), b[:n]...))
			}
		}
		all := [][]byte{append([]byte(nil), b[:n]...)}
		if p.change != nil {
			all = p.change(toLogger, all[0])
		}
		var wait time.Duration
		if p.delay != nil {
			wait = p.delay()
		}
		p.lock.Unlock()
		for _, x := range all {
			if wait > 0 {
				time.AfterFunc(wait, func() { p.send(toLogger, x) })
			} else {
				p.send(toLogger, x)
			}
		}
	}
}

func (p *proxy) send(toLogger bool, b []byte) {
	p.lock.Lock()
	probe := p.probe
	p.lock.Unlock()
	if toLogger {
		_, _ = p.back.WriteTo(b, p.logger)
	} else if probe != nil {
		_, _ = p.front.WriteTo(b, probe)
	}
}

// recorded is what the probe sent so far.
func (p *proxy) recorded() [][]byte {
	p.lock.Lock()
	defer p.lock.Unlock()
	return append([][]byte(nil), p.tape...)
}

func (p *proxy) set(change func(bool, []byte) [][]byte) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.change = change
}

func (l *link) association() *association {
	l.server.lock.Lock()
	defer l.server.lock.Unlock()
	return l.server.remotes["roof"].at
}
