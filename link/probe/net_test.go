package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
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

func TestAProbeOverUDP(t *testing.T) {
	l := newLink(t, nil)
	at, source := l.listen(), newNumbers()
	client, _ := l.probe(at.LocalAddr(), source, l.fleet.probe(t, "roof"))
	source.give(20_000)
	within(t, "20000 frames", func() bool { return l.ears.at() >= 20_000 })
	l.ears.good(t)
	within(t, "the probe forgets what has arrived", func() bool { return client.Counts().Waiting <= 1 })
	if s := l.status(); s.State != "up" || s.Bus != 3 || s.ClockError < 0 || s.Lost != 0 || s.Bad != 0 {
		t.Errorf("%+v", s)
	}
}

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

func TestAHostilePathLosesNothing(t *testing.T) {
	l := newLink(t, nil)
	at, source := l.listen(), newNumbers()
	p := newProxy(t, at.LocalAddr())
	r := rand.New(rand.NewPCG(3, 4))
	p.delay = func() time.Duration { return time.Duration(r.Int64N(int64(8 * time.Millisecond))) }
	p.set(func(_ bool, b []byte) [][]byte {
		switch x := r.Float64(); {
		case x < 0.03:
			return nil
		case x < 0.05:
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			return [][]byte{b}
		case x < 0.10:
			return [][]byte{b, b}
		}
		return [][]byte{b}
	})
	l.probe(p.front.LocalAddr(), source, l.fleet.probe(t, "roof"))
	source.give(20_000)
	within(t, "20000 frames", func() bool { return l.ears.at() >= 20_000 })
	l.ears.good(t)
	if s := l.status(); s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// kills are datagrams that end an association of the library when one reaches
// it, and others that must not.
func kills() map[string][]byte {
	record := func(content byte, epoch byte, body []byte) []byte {
		return append([]byte{content, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0x7F, 0xFF, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	return map[string][]byte{
		"application data, epoch 0":    record(23, 0, []byte("hello")),
		"unknown type, epoch 0":        record(99, 0, []byte{1, 2, 3}),
		"malformed change of cipher":   record(20, 0, []byte{7, 7}),
		"change of cipher":             record(20, 0, []byte{1}),
		"fatal alert":                  record(21, 0, []byte{2, 40}),
		"close notify":                 record(21, 0, []byte{1, 0}),
		"alert of one byte":            record(21, 0, []byte{2}),
		"handshake of 16 MB":           record(22, 0, append([]byte{11, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0}, 1)),
		"hello request":                record(22, 0, make([]byte, 12)),
		"garbage":                      {1, 2, 3},
		"wrong length":                 {22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 1},
		"forged body, epoch 1":         record(23, 1, make([]byte, 40)),
		"too short for a nonce":        record(23, 1, make([]byte, 3)),
		"empty, epoch 1":               record(23, 1, nil),
		"epoch 2":                      record(23, 2, make([]byte, 40)),
		"forged id":                    append([]byte{25, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4, 0, 20}, make([]byte, 20)...),
		"two records, one of them bad": append(record(20, 0, []byte{1}), record(23, 0, []byte("x"))...),
	}
}

// No datagram that nobody has authenticated ends an association, at either
// side.
func TestNoDatagramKills(t *testing.T) {
	l := newLink(t, nil)
	at, source := l.listen(), newNumbers()
	p := newProxy(t, at.LocalAddr())
	l.probe(p.front.LocalAddr(), source, l.fleet.probe(t, "roof"))
	source.give(100)
	within(t, "the first frames", func() bool { return l.ears.at() >= 100 })
	first := l.association()
	due := 100
	for name, b := range kills() {
		for _, toLogger := range []bool{true, false} {
			p.send(toLogger, b)
			source.give(10)
			due += 10
			within(t, name, func() bool { return l.ears.at() >= due })
		}
	}
	for _, b := range p.recorded() { // the whole handshake, and data, once more
		p.send(true, b)
	}
	source.give(10)
	within(t, "frames behind a replay", func() bool { return l.ears.at() >= due+10 })
	l.ears.good(t)
	if l.association() != first {
		t.Error("another association was needed")
	}
}

func (l *link) association() *association {
	l.server.lock.Lock()
	defer l.server.lock.Unlock()
	return l.server.remotes["roof"].at
}

// A probe that begins anew comes back, and a forged hello from its address
// harms nobody.
func TestARebootedProbeComesBack(t *testing.T) {
	l := newLink(t, nil)
	at, source := l.listen(), newNumbers()
	p := newProxy(t, at.LocalAddr())
	_, stop := l.probe(p.front.LocalAddr(), source, l.fleet.probe(t, "roof"))
	source.give(50)
	within(t, "the first frames", func() bool { return l.ears.at() >= 50 })
	for range 20 { // hellos of nobody
		b := append([]byte(nil), p.recorded()[0]...)
		b[recordHead+handshakeHead+2+5] ^= byte(rand.Uint32N(255) + 1)
		p.send(true, b)
	}
	source.give(50)
	within(t, "frames behind forged hellos", func() bool { return l.ears.at() >= 100 })
	p.lock.Lock()
	p.change = func(bool, []byte) [][]byte { return nil } // the power goes: no goodbye
	p.lock.Unlock()
	stop()
	p.set(nil)
	again := newNumbers()
	again.next, again.limit = 100, 150
	l.probe(p.front.LocalAddr(), again, l.fleet.probe(t, "roof"))
	within(t, "frames of its next life", func() bool { return l.ears.at() >= 150 })
	l.ears.good(t)
	if s := l.status(); s.Boots != 2 {
		t.Errorf("%+v", s)
	}
}

// Hellos of many addresses, which never go on, do not keep a probe out.
func TestAFloodOfHellosKeepsNobodyOut(t *testing.T) {
	l := newLink(t, nil)
	at, source := l.listen(), newNumbers()
	p := newProxy(t, at.LocalAddr())
	_, stop := l.probe(p.front.LocalAddr(), source, l.fleet.probe(t, "roof"))
	source.give(50)
	within(t, "the first frames", func() bool { return l.ears.at() >= 50 })
	stop()
	hello := append([]byte(nil), p.recorded()[0]...)
	for range 3 * mostPending {
		hello[recordHead+handshakeHead+2+5]++
		if _, err := udp(t).WriteTo(hello, at.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	again := newNumbers()
	again.next, again.limit = 50, 100
	begun := time.Now()
	l.probe(at.LocalAddr(), again, l.fleet.probe(t, "roof"))
	within(t, "frames beside the flood", func() bool { return l.ears.at() >= 100 })
	l.ears.good(t)
	t.Logf("first frames after %v", time.Since(begun))
}

// Whoever is not meant is refused: by a wrong root, usage, name, list or clock.
func TestStrangersAreRefused(t *testing.T) {
	other := newFleet(t)
	for name, row := range map[string]struct {
		who    func(l *link) Identity
		change func(*fleet, *ServerOptions)
	}{
		"another root": {who: func(l *link) Identity { i := other.probe(l.t, "roof"); i.Roots = l.fleet.roots; return i }},
		"no client's purpose": {who: func(l *link) Identity {
			return Identity{Certificate: l.fleet.leaf(l.t, "roof", true, false), Roots: l.fleet.roots}
		}},
		"another name":             {who: func(l *link) Identity { return l.fleet.probe(l.t, "cellar") }},
		"a logger of another root": {who: func(l *link) Identity { i := l.fleet.probe(l.t, "roof"); i.Roots = other.roots; return i }},
		"a logger without a server's purpose": {
			who:    func(l *link) Identity { return l.fleet.probe(l.t, "roof") },
			change: func(f *fleet, o *ServerOptions) { o.Certificate = f.leaf(t, "logger", false, true) },
		},
		"a logger of another name": {
			who:    func(l *link) Identity { return l.fleet.probe(l.t, "roof") },
			change: func(f *fleet, o *ServerOptions) { o.Certificate = f.leaf(t, "imposter", true, false) },
		},
		"a clock in 1970": {
			who:    func(l *link) Identity { return l.fleet.probe(l.t, "roof") },
			change: func(_ *fleet, o *ServerOptions) { o.Now = func() time.Time { return time.Unix(0, 0) } },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l *link
			f := newFleet(t)
			l = newLink(t, func(o *ServerOptions) {
				o.Identity = f.logger(t)
				if row.change != nil {
					row.change(f, o)
				}
			})
			l.fleet = f
			at := l.listen()
			c := NewUDPClient(udp(t), ClientOptions{Identity: row.who(l), Logger: "logger", Addr: at.LocalAddr()})
			ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
			defer stop()
			go func() { _ = c.route.run() }()
			s, err := c.connect(ctx)
			if err == nil { // the server's refusal comes behind the client's last flight
				within(t, "the end", func() bool { return s.over() })
			}
			if l.association() != nil {
				t.Error("taken")
			}
		})
	}
}

func TestADeniedCertificateIsRefused(t *testing.T) {
	f := newFleet(t)
	who := f.probe(t, "roof")
	cert, err := x509.ParseCertificate(who.Certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerOptions{Identity: f.logger(t), Probes: map[string]uint8{"roof": 3}, Deny: []string{Fingerprint(cert)}})
	if name, err := s.permitted(cert); err == nil {
		t.Errorf("%s is permitted", name)
	}
}

// A new association replaces the old one without losing a frame.
func TestANewKeyLosesNothing(t *testing.T) {
	l := newLink(t, nil)
	at, source := l.listen(), newNumbers()
	c := NewUDPClient(udp(t), ClientOptions{Identity: l.fleet.probe(t, "roof"), Logger: "logger", Addr: at.LocalAddr()})
	l.background(func(ctx context.Context) { _ = c.Run(ctx, source) })
	source.give(100)
	within(t, "the first frames", func() bool { return l.ears.at() >= 100 })
	first := l.association()
	source.give(5000)
	next, err := c.connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.end)
	within(t, "all frames", func() bool { return l.ears.at() >= 5100 })
	l.ears.good(t)
	if l.association() == first {
		t.Error("the old keys are still in use")
	}
	if s := l.status(); s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// A line that is held up is told of as a security event, and a silent one is
// stale.
func TestAHeldUpLinkIsTold(t *testing.T) {
	l := newLink(t, func(o *ServerOptions) { o.Late = 200 * time.Millisecond })
	at, source := l.listen(), newNumbers()
	p := newProxy(t, at.LocalAddr())
	l.probe(p.front.LocalAddr(), source, l.fleet.probe(t, "roof"))
	source.give(100)
	within(t, "the first frames", func() bool { return l.ears.at() >= 100 })
	p.lock.Lock()
	p.delay = func() time.Duration { return time.Second }
	p.lock.Unlock()
	source.give(100)
	within(t, "late frames", func() bool { return l.ears.at() >= 200 })
	within(t, "they are told", func() bool { return l.status().Late >= 100 })
	p.set(func(bool, []byte) [][]byte { return nil })
	within(t, "the link is stale", func() bool { return l.status().State == "down" || l.status().State == "missing" })
	l.lock.Lock()
	defer l.lock.Unlock()
	if len(l.told) == 0 {
		t.Error("nothing was told")
	}
}

// When both ends stop, nothing of them goes on.
func TestNothingGoesOnBehindTheEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFleet(t)
	for range 3 {
		s := NewServer(ServerOptions{Identity: f.logger(t), Probes: map[string]uint8{"roof": 1}})
		e := &ears{}
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		at, source := udp(t), newNumbers()
		client := NewUDPClient(udp(t), ClientOptions{Identity: f.probe(t, "roof"), Logger: "logger", Addr: at.LocalAddr()})
		all.Go(func() { e.hear(s) })
		all.Go(func() { _ = s.ListenUDP(ctx, at) })
		all.Go(func() { _ = client.Run(ctx, source) })
		source.give(1000)
		within(t, "frames", func() bool { return e.at() >= 1000 })
		stop()
		s.Close()
		all.Wait()
	}
	within(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}
