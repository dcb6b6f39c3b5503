package s3

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"canseal/certs"
	"canseal/internal/mode"
)

// dialer makes connections to one endpoint, directly or through a proxy, and
// judges handshakes where their errors still have types.
type dialer struct {
	open   func(ctx context.Context, network, address string) (net.Conn, error)
	tls    *tls.Config
	host   string // of the endpoint, where tls names none
	groups *groups
	bundle *certs.Bundle
	// bootstrap and synced are those of the options.
	bootstrap func(now time.Time) *tls.Config
	synced    func() bool
	identity  func() (*certs.Identity, error) // nil: this device does not say who it is
	proxy     *url.URL
	stall     time.Duration
	pace      *pace // nil: no limit
	now       func() time.Time
	last      atomic.Pointer[handshake] // the last one that was accepted
}

// handshake is what a finished handshake settled.
type handshake struct {
	at    time.Time
	state tls.ConnectionState
}

// chain is the server's, as it was verified, else as it was shown.
func (h *handshake) chain() []*x509.Certificate {
	if len(h.state.VerifiedChains) > 0 {
		return h.state.VerifiedChains[0]
	}
	return h.state.PeerCertificates
}

func newDialer(o Options, m mode.Row, endpoint *url.URL) (*dialer, error) {
	d := &dialer{open: o.Dial, stall: o.Stall, now: o.Now}
	if o.Bandwidth > 0 {
		d.pace = &pace{rate: o.Bandwidth}
	}
	if d.open == nil {
		d.open = (&net.Dialer{Timeout: handshakeTime, KeepAlive: 30 * time.Second, Control: control}).DialContext
	}
	if m.Device {
		d.identity = o.Identity
	}
	if m.Server {
		d.host, d.tls, d.bootstrap, d.synced, d.bundle = endpoint.Hostname(), o.TLS, o.Bootstrap, o.Synchronised, o.Bundle
		g, err := newGroups(context.Background(), o, endpoint)
		if err != nil {
			return nil, err
		}
		d.groups = g
		if m.Device && len(g.attempts) > 1 {
			g.identity = d.shown
		}
	}
	if o.Proxy == "" {
		return d, nil
	}
	p, err := url.Parse(o.Proxy)
	if err != nil || p.Scheme != "http" || p.Host == "" || p.User != nil {
		return nil, errors.New("proxy: want http://host:port")
	}
	if p.Port() == "" {
		p.Host = net.JoinHostPort(p.Hostname(), "80")
	}
	d.proxy = p
	return d, nil
}

// rules is a copy of conf that names whom to expect.
func (d *dialer) rules(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	if conf.ServerName == "" {
		conf.ServerName = d.host
	}
	return conf
}

// control refuses, once the name is resolved, addresses that no store has but
// that metadata services and the link itself have.
func control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if forbidden(a.Addr()) {
		return &addressError{a.Addr()}
	}
	return nil
}

var metadata = netip.MustParseAddr("fd00:ec2::254")

func forbidden(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a == metadata
}

type addressError struct{ addr netip.Addr }

func (e *addressError) Error() string {
	return fmt.Sprintf("address %s is link-local, multicast, unspecified or a metadata service: never a store", e.addr)
}

// plain dials for http: the endpoint, or the proxy as the transport asks.
func (d *dialer) plain(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	c, err := d.open(ctx, network, address)
	if err != nil {
		exchangeOf(ctx).dialFailed(err)
		return nil, err
	}
	return &watched{Conn: newPaced(newStalling(c, d.stall), d.pace)}, nil
}

// secure dials for https and returns only what has proved who it is.
func (d *dialer) secure(ctx context.Context, network, address string) (net.Conn, error) {
	w, err := d.groups.walk(ctx, func(ctx context.Context, a certs.Attempt) (*watched, *handshake, error) {
		ctx, cancel := context.WithTimeout(ctx, handshakeTime)
		defer cancel()
		w, h, err := d.meet(ctx, network, address, d.tls, a)
		if at, ok := d.young(err); ok {
			w, h, err = d.meet(ctx, network, address, d.bootstrap(at), a)
		}
		return w, h, err
	})
	if err != nil {
		exchangeOf(ctx).dialFailed(err)
		return nil, err
	}
	return w, nil
}

// meet makes one connection under the rules of conf, with the hello of a.
func (d *dialer) meet(ctx context.Context, network, address string, conf *tls.Config, a certs.Attempt) (*watched, *handshake, error) {
	c, err := d.reach(ctx, network, address)
	if err != nil {
		return nil, nil, err
	}
	over := d.handshake
	if a.DHE {
		over = d.through
	}
	s := &spoken{Conn: c}
	w, h, err := over(ctx, s, conf, a)
	if err != nil {
		c.Close()
		var e *tlsError
		if errors.As(err, &e) {
			e.hello = s.first == recordHandshake
		}
		return nil, nil, err
	}
	d.last.Store(h)
	return w, h, nil
}

// spoken notes with which byte the server has begun: the kind of its first
// record.
type spoken struct {
	net.Conn
	first byte
}

const recordHandshake = 22 // RFC 5246 6.2.1

func (s *spoken) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 && s.first == 0 {
		s.first = p[0]
	}
	return n, err
}

// shown names the device's certificate; "" where there is none.
func (d *dialer) shown() string {
	id, err := d.identity()
	if err != nil {
		return ""
	}
	return id.SHA256()
}

// young tells whether a handshake failed because a certificate begins after
// our time, of which nobody has said that it is right, and when the last of
// them begins.
func (d *dialer) young(err error) (at time.Time, ok bool) {
	var e *tlsError
	if d.bootstrap == nil || d.synced() || !errors.As(err, &e) {
		return at, false
	}
	t := certs.Explain(err, d.judged())
	if t == nil || t.Fault != certs.FaultNotYetValid {
		return at, false
	}
	for _, c := range e.chain {
		if c.NotBefore.After(at) {
			at = c.NotBefore
		}
	}
	return at, at.After(d.judged())
}

// reach opens a connection to address, by way of the proxy if there is one.
func (d *dialer) reach(ctx context.Context, network, address string) (net.Conn, error) {
	if d.proxy == nil {
		return d.open(ctx, network, address)
	}
	c, err := d.open(ctx, network, d.proxy.Host)
	if err != nil {
		return nil, err
	}
	if t, ok := ctx.Deadline(); ok {
		c.SetDeadline(t)
	}
	if err := tunnel(c, address); err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return c, nil
}

// tunnel asks a proxy for a connection to address.
func tunnel(c net.Conn, address string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if err := req.Write(c); err != nil {
		return err
	}
	// The proxy sends nothing behind its answer before we do, so nothing is
	// lost in this buffer.
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, headerLimit)), req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &proxyError{resp.StatusCode}
	}
	return nil
}

type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy refuses the connection: status %d", e.status)
}

// handshake runs TLS over c and notes how far it came.
func (d *dialer) handshake(ctx context.Context, c net.Conn, rules *tls.Config, a certs.Attempt) (*watched, *handshake, error) {
	e := &tlsError{}
	conf := d.rules(rules)
	a.Apply(conf)
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		e.chain = s.PeerCertificates
		if rules.VerifyConnection != nil {
			if err := rules.VerifyConnection(s); err != nil {
				return err
			}
		}
		e.accepted = true
		return nil
	}
	conf.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		e.asked = true
		return d.present(r, e)
	}
	t := tls.Client(newPaced(newStalling(c, d.stall), d.pace), conf)
	if err := t.HandshakeContext(ctx); err != nil {
		e.err = err
		var v *tls.CertificateVerificationError
		if errors.As(err, &v) {
			e.chain = v.UnverifiedCertificates
		}
		return nil, nil, e
	}
	if d.identity != nil && !e.asked {
		e.err = errNotAsked
		return nil, nil, e
	}
	state := t.ConnectionState()
	w := &watched{Conn: t, tls13: state.Version >= tls.VersionTLS13, asked: e.asked, shown: e.shown, ended: make(chan struct{})}
	return w, &handshake{at: d.now(), state: state}, nil
}

// present answers a server that asks who we are; it has proved who it is by
// then. The authorities that it names are not obeyed: its refusal says more
// than a certificate left out.
func (d *dialer) present(r *tls.CertificateRequestInfo, e *tlsError) (*tls.Certificate, error) {
	if d.identity == nil {
		return new(tls.Certificate), nil
	}
	id, err := d.identity()
	if err == nil {
		err = id.Speaks(r)
	}
	if err != nil {
		e.own = err
		return nil, err
	}
	e.shown = id
	return id.TLS(), nil
}

var errNotAsked = errors.New("the server did not ask for this device's certificate: mode high wants it to verify devices (mode medium does not)")

// tlsError is a handshake that failed, and how far it had come.
type tlsError struct {
	hello    bool // the server had begun to answer: it has a suite
	accepted bool // the server's certificate had been accepted
	asked    bool // the server had asked for ours
	shown    *certs.Identity
	own      error // why ours could not be shown
	chain    []*x509.Certificate
	err      error
}

func (e *tlsError) Error() string { return "handshake: " + e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

// watched notes an alert that arrives after the handshake: TLS 1.3 reports a
// refused device only there.
type watched struct {
	net.Conn
	tls13, asked bool
	shown        *certs.Identity
	ended        chan struct{} // closed when reading has failed; nil over http

	once sync.Once
	mu   sync.Mutex
	late error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	if _, ok := remoteAlert(err); ok {
		w.mu.Lock()
		w.late = err
		w.mu.Unlock()
	}
	if w.ended != nil {
		w.once.Do(func() { close(w.ended) })
	}
	return n, err
}

// lastWord is how long a failed write waits for what the server may have said.
const lastWord = time.Second

// Write gives the reader a moment when it fails: a server that refuses the
// device says so and closes, and the write may notice the end first.
func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil && w.tls13 && w.asked {
		patience := time.NewTimer(lastWord)
		defer patience.Stop()
		select {
		case <-w.ended:
		case <-patience.C:
		}
	}
	return n, err
}

// alert returns the alert that arrived after the handshake, nil for none.
func (w *watched) alert() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}
