package probe

import (
	"context"
	"crypto/x509"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

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
