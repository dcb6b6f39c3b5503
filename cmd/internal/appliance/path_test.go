package appliance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can/sim"
	"canseal/certs"
	"canseal/config/ota"
	"canseal/internal/clock"
	"canseal/internal/s3test"
)

// road is the network between a device and its store, in virtual time, with a
// man on it.
type road struct {
	t          *testing.T
	honest     *pipes
	man        *pipes // his own store, for whom he can lure
	store, his *s3test.Server

	// meddle decides what becomes of a connection.
	meddle atomic.Pointer[func(n int) fate]
	count  atomic.Int64
}

// fate of a connection.
type fate uint8

const (
	passed  fate = iota
	lured        // to his own server
	alerted      // answered with alert 40
	accused      // answered with alert 48, unknown authority
	reset
)

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- newRoomy(theirs):
		return ours, nil
	case <-p.closed:
		return nil, errors.New("nobody there")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// roomy is an end of a pipe that writes as a socket does: into a buffer.
type roomy struct {
	net.Conn
	out  chan []byte
	done chan struct{}
	once sync.Once
}

func newRoomy(c net.Conn) *roomy {
	r := &roomy{Conn: c, out: make(chan []byte, 1000), done: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-r.out:
				_, _ = c.Write(p)
			case <-r.done:
				return
			}
		}
	}()
	return r
}

func (r *roomy) Write(p []byte) (int, error) {
	select {
	case r.out <- bytes.Clone(p):
		return len(p), nil
	case <-r.done:
		return 0, net.ErrClosed
	}
}

func (r *roomy) Close() error {
	r.once.Do(func() { close(r.done) })
	return r.Conn.Close()
}

func (r *road) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	what := passed
	if m := r.meddle.Load(); m != nil {
		what = (*m)(int(r.count.Add(1)))
	}
	switch what {
	case passed:
		return r.honest.dial(ctx)
	case lured:
		return r.man.dial(ctx)
	case reset:
		return nil, errors.New("connection reset")
	}
	ours, theirs := net.Pipe()
	go answerHello(theirs, map[fate]byte{alerted: 40, accused: 48}[what])
	return ours, nil
}

// answerHello reads a client's hello and sends a fatal alert.
func answerHello(c net.Conn, alert byte) {
	defer c.Close()
	header := make([]byte, 5)
	if _, err := io.ReadFull(c, header); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, int64(header[3])<<8|int64(header[4]))
	_, _ = c.Write([]byte{0x15, 3, 3, 0, 2, 2, alert})
}

// stoodBy is a store behind pipes with a certificate for the device's endpoint.
func stoodBy(t *testing.T, a *certs.Authority) (*pipes, *s3test.Server) {
	t.Helper()
	certificate, err := a.Issue(realNow(), 10*365*24*time.Hour, "store.example")
	if err != nil {
		t.Fatal(err)
	}
	p := newPipes()
	conf := &tls.Config{Certificates: []tls.Certificate{certificate}}
	s, err := s3test.New(s3test.Options{Keys: map[string]string{testAccess: testSecret}, Buckets: []string{testBucket}, Listener: p, TLS: conf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return p, s
}

// traveller is a device on that road. Only its uploads and its settings work: a
// week of virtual time is over in a moment.
func traveller(t *testing.T, r *road, policy string, trusted ...*certs.Authority) *box {
	t.Helper()
	text := configFor("medium", "https://store.example") + fmt.Sprintf("ota: {policy: %s, every: 10m}\n", policy)
	b := newBox(t, text)
	writeFile(t, filepath.Join(b.root, bundleFile), string(holding(t, trusted...)))
	b.state = filepath.Join(b.root, "state")
	o := Options{Root: b.root, StateDir: b.state, Log: slog.New(slog.NewTextHandler(&b.log, nil)), Source: sim.New(sim.Options{Seed: 1, Rate: 1, Pace: 1}), dial: r.dial}
	a, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	b.Appliance = a
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = a.keeper.Run(ctx) })
	all.Go(func() { _ = a.live().uploader.Run(ctx) })
	b.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		a.live().store.close()
		a.Close()
	})
	return b
}

func holding(t *testing.T, list ...*certs.Authority) []byte {
	t.Helper()
	var all []*x509.Certificate
	for _, a := range list {
		all = append(all, a.Certificate)
	}
	b, err := certs.EncodeBundle(all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// realNow is the time of the machine: the clock that certificates are judged by
// does not stop in a bubble.
func realNow() time.Time { return time.Unix(0, clock.System().Wall) }

// authorityOf is one whose dates hold by the clock of the machine, which does
// not stand still in virtual time.
func authorityOf(t *testing.T, name string) *certs.Authority {
	t.Helper()
	a, err := certs.NewAuthority(name, realNow(), 10*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newRoad(t *testing.T, honest, his *certs.Authority) *road {
	r := &road{t: t}
	r.honest, r.store = stoodBy(t, honest)
	r.man, r.his = stoodBy(t, his)
	return r
}

func (r *road) does(f func(n int) fate) { r.meddle.Store(&f) }

// bucket puts an object into the honest store, past the man.
func (r *road) bucket(b *box, name string, content []byte) {
	r.t.Helper()
	before := r.meddle.Swap(nil)
	if err := b.put(r.t.Context(), name, content); err != nil {
		r.t.Fatal(err)
	}
	r.meddle.Store(before)
}

// A certificate authority was broken and its certificate withdrawn. For a week a
// man on the path has a server that it vouches for, in the way of each
// connection: not one byte of a request reaches him, also when he replays the old
// bundle to whoever asks; and when he has gone, the device goes on by itself.
func TestAManWithAWithdrawnAuthorityForAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, good := authorityOf(t, "broken"), authorityOf(t, "good")
		r := newRoad(t, good, broken)
		b := traveller(t, r, "bucket", broken, good)
		defer b.stop()
		old := []byte(b.file(t, bundleFile))
		time.Sleep(time.Minute)
		r.bucket(b, ota.Bundle, holding(t, good))
		time.Sleep(time.Hour)
		if f := b.collect(); f.Settings.Bundle.Source != ota.Unsigned || len(f.CertsServer) != 1 {
			t.Fatalf("%+v", f.Settings)
		}
		r.does(func(int) fate { return lured })
		b.live().store.renew() // no connection is left over
		if err := b.put(t.Context(), ota.Bundle, old); err == nil {
			t.Error("a write reached the man")
		}
		time.Sleep(7 * 24 * time.Hour)
		if n := r.his.Count(); n != 0 {
			t.Errorf("%d requests reached the man: %+v", n, r.his.Requests()[0])
		}
		f := b.collect()
		if f.Upload.Class != "trust" || len(f.CertsServer) != 1 || f.Settings.Bundle.State != "settled" {
			t.Errorf("%s %d %+v", f.Upload.Class, len(f.CertsServer), f.Settings.Bundle)
		}
		r.does(func(int) fate { return passed })
		before := r.store.Count()
		time.Sleep(2 * time.Hour)
		if f := b.collect(); r.store.Count() == before || f.Upload.State == "operator" {
			t.Errorf("after he has gone: %s %s", f.Upload.State, f.Upload.Reason)
		}
	})
}

// A man who lets what is current pass and damages every other connection, in each
// way that needs no certificate, for a day: nothing is refused for good, uploads
// go on, and when he has gone the bundle settles.
func TestAManWhoDamagesCandidateConnectionsForADay(t *testing.T) {
	for name, does := range map[string]fate{"alert 40": alerted, "alert 48": accused, "reset": reset, "a foreign server": lured} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second, foreign := authorityOf(t, "first"), authorityOf(t, "second"), authorityOf(t, "foreign")
				r := newRoad(t, first, foreign)
				b := traveller(t, r, "bucket", first)
				defer b.stop()
				time.Sleep(time.Minute)
				r.bucket(b, ota.Bundle, holding(t, first, second))
				trying := func() bool { return b.collect().Settings.Bundle.State == "trying" }
				r.does(func(n int) fate {
					if trying() && n%2 == 0 { // he guesses: half of all while a trial lasts
						return does
					}
					return passed
				})
				for range 24 {
					if b.collect().Settings.Bundle.State == "refused" {
						break
					}
					time.Sleep(time.Hour)
				}
				r.does(func(int) fate { return passed })
				time.Sleep(2 * time.Hour)
				f := b.collect()
				if f.Settings.Bundle.State == "refused" { // he was lucky three times: put anew it is tried again
					r.bucket(b, ota.Bundle, bytes.Clone(holding(t, first, second)))
					time.Sleep(time.Hour)
					f = b.collect()
				}
				if len(f.CertsServer) != 2 || f.Settings.Bundle.State != "settled" || f.Upload.State == "operator" {
					t.Errorf("%+v, %d certificates, uploads %s: %s\n%s", f.Settings.Bundle, len(f.CertsServer), f.Upload.State, f.Upload.Reason, b.log.String())
				}
				if n := r.his.Count(); n != 0 {
					t.Errorf("%d requests reached the man", n)
				}
			})
		})
	}
}

// Redirects and old ciphers are no way to a device's settings either: the store's
// words are not followed elsewhere, and what it offers is not taken below the
// profile.
func TestAStoreThatSendsElsewhereGivesNoSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, his := authorityOf(t, "good"), authorityOf(t, "his")
		r := newRoad(t, good, his)
		b := traveller(t, r, "bucket", good, his)
		defer b.stop()
		before := b.file(t, bundleFile)
		r.store.Script(s3test.Fault{Effect: s3test.Redirect, Method: "GET", Times: -1, Status: 307, Location: "https://elsewhere.example/"},
			s3test.Fault{Effect: s3test.Redirect, Method: "HEAD", Times: -1, Status: 301, Location: "https://elsewhere.example/"})
		time.Sleep(24 * time.Hour)
		if b.file(t, bundleFile) != before || r.his.Count() != 0 {
			t.Errorf("%d requests elsewhere", r.his.Count())
		}
		if f := b.collect(); f.Settings.Bundle.State != "settled" || !strings.Contains(f.Settings.Reason, "config") {
			t.Errorf("%+v", f.Settings)
		}
	})
}
