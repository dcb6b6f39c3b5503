package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
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

// ServerOptions describe the logger's side.
type ServerOptions struct {
	Identity
	Probes   map[string]uint8 // numbers of buses by the names in certificates
	Deny     []string         // fingerprints of certificates that are refused
	Late     time.Duration    // 0: 500 ms over UDP, 2 s over lines
	Log      *slog.Logger     // may be nil
	Security func(Alarm)      // something that an attacker may have done; may be nil
}

const (
	lateUDP  = 500 * time.Millisecond
	lateLine = 2 * time.Second

	mostQueued = 1 << 16 // events; beyond, batches are left to come again
	lateEvery  = 10 * time.Second
)

// Server hears probes, and is a can.Source of what they record.
type Server struct {
	o     ServerOptions
	begun time.Time

	lock    sync.Mutex
	remotes map[string]*remote
	queue   []can.Event
	notes   []Alarm       // for Security, which may ask for the status: told without the lock
	more    chan struct{} // has something when the queue has
	done    chan struct{}
	stop    sync.Once
}

// Alarm is something that Security is told.
type Alarm struct {
	Bus   uint8
	Stale bool   // the probe answers nothing; else frames are late
	Count uint64 // late frames since the last alarm of the bus
	What  string // in words
}

// mostNotes bounds those that wait.
const mostNotes = 64

// tell leaves a note; s.lock is held.
func (s *Server) tell(a Alarm) {
	if len(s.notes) < mostNotes {
		s.notes = append(s.notes, a)
	}
}

// remote is a probe as the logger knows it.
type remote struct {
	name     string
	bus      uint8
	receiver *receiver
	at       *association // nil: none
	router   *router
	state    can.State
	toldLate time.Time
	told     uint64 // late frames
}

// NewServer makes a Server; Listen makes it hear.
func NewServer(o ServerOptions) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Security == nil {
		o.Security = func(Alarm) {}
	}
	s := &Server{o: o, begun: time.Now(), remotes: map[string]*remote{}, more: make(chan struct{}, 1), done: make(chan struct{})}
	for name, bus := range o.Probes {
		s.remotes[name] = &remote{name: name, bus: bus, receiver: newReceiver(lateLine.Microseconds())}
	}
	return s
}

// Prove sets who the logger is, and whom it trusts, for handshakes from now on.
func (s *Server) Prove(c tls.Certificate, roots *x509.CertPool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.o.Certificate, s.o.Roots = c, roots
}

// identity is who the logger is now.
func (s *Server) identity() Identity {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.o.Identity
}

// now is µs of the logger's monotonic clock.
func (s *Server) now() int64 { return time.Since(s.begun).Microseconds() }

// wall is what is to be added to µs of the monotonic clock for ns since 1970.
func (s *Server) wall() int64 { return time.Now().UnixNano() - s.now()*1000 }

// ListenUDP hears probes on a UDP socket until ctx ends.
func (s *Server) ListenUDP(ctx context.Context, c net.PacketConn) error {
	return s.listen(ctx, overUDP(c), lateUDP)
}

// ListenLine hears a probe on a serial line until ctx ends.
func (s *Server) ListenLine(ctx context.Context, l *Line) error {
	return s.listen(ctx, overLine(l), lateLine)
}

func (s *Server) listen(ctx context.Context, t transport, late time.Duration) error {
	if s.o.Late > 0 {
		late = s.o.Late
	}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var r *router
	r = newRouter(t, func(a *association) {
		all.Go(func() { s.serve(ctx, r, a, late) })
	})
	defer context.AfterFunc(ctx, func() { t.Close() })()
	all.Go(func() { s.watch(ctx) })
	if err := r.run(); ctx.Err() == nil {
		return fmt.Errorf("link to probes: %w", err)
	}
	return nil
}

// serve is an association from hello to end.
func (s *Server) serve(ctx context.Context, r *router, a *association, late time.Duration) {
	defer r.remove(a)
	defer a.Close()
	check := func(c *x509.Certificate) (err error) {
		a.name, err = s.permitted(c)
		return err
	}
	peer := <-a.in // the hello
	a.in <- peer
	me := s.identity()
	conn, err := dtls.ServerWithOptions(a.lane, peer.from, me.server(r.transport, check, func() []byte { return r.id(a) })...)
	if err == nil {
		err = shake(ctx, conn)
	}
	if err != nil {
		s.o.Log.Debug("probe refused", "from", peer.from, "error", err)
		return
	}
	a.conn = conn
	defer conn.Close()
	remote := s.join(r, a, late)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	asking, quiet := context.WithCancel(ctx)
	defer quiet()
	go s.ask(asking, remote, a)
	s.hear(remote, a)
	s.leave(remote, a)
}

// permitted tells which probe a certificate is for.
func (s *Server) permitted(c *x509.Certificate) (string, error) {
	if slices.Contains(s.o.Deny, Fingerprint(c)) {
		return "", fmt.Errorf("certificate %s with SHA-256 %s is on the list of refused ones", names(c), Fingerprint(c))
	}
	name, ok := oneOf(namesOf(c), func(name string) bool { return s.remotes[name] != nil })
	if !ok {
		return "", fmt.Errorf("certificate %s: no bus hangs on a probe of that name", names(c))
	}
	return name, nil
}

// join makes an association that of its probe. The one before ends.
func (s *Server) join(r *router, a *association, late time.Duration) *remote {
	r.established(a)
	s.lock.Lock()
	defer s.lock.Unlock()
	p := s.remotes[a.name]
	if before := p.at; before != nil {
		go before.conn.Close()
	}
	p.at, p.router, p.receiver.late, p.receiver.tell = a, r, late.Microseconds(), r.tell.Microseconds()
	p.receiver.heardAt = s.now()
	s.look(p)
	s.o.Log.Info("probe connected", "probe", p.name, "bus", p.bus, "from", a.from)
	return p
}

func (s *Server) leave(p *remote, a *association) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if p.at == a {
		p.at = nil
		s.o.Log.Info("probe gone", "probe", p.name, "bus", p.bus)
	}
}

// hear takes messages until the association ends.
func (s *Server) hear(p *remote, a *association) {
	b := make([]byte, mostFrame)
	for {
		n, err := a.conn.Read(b)
		var passing net.Error
		if errors.As(err, &passing) && passing.Timeout() {
			continue
		}
		if err != nil {
			return
		}
		s.take(p, a, b[:n])
	}
}

// take takes a message, unless there is no room: then it will come again.
func (s *Server) take(p *remote, a *association, message []byte) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if p.at != a || len(s.queue) > mostQueued {
		return
	}
	at := len(s.queue)
	var err error
	s.queue, err = p.receiver.take(message, s.now(), s.queue)
	wall := s.wall()
	for i := at; i < len(s.queue); i++ {
		e := &s.queue[i]
		e.Bus, e.Time = p.bus, e.Time*1000+wall
		e.From = min(e.From*1000+wall, e.Time)
	}
	if err != nil {
		s.o.Log.Warn("message of a probe", "probe", p.name, "error", err)
	}
	s.judge(p)
	if len(s.queue) > at {
		s.wake()
	}
}

// judge tells of frames that may be older than the limit.
func (s *Server) judge(p *remote) {
	if p.receiver.status.Late > 0 && !p.receiver.fresh && p.receiver.status.Batches > 0 && time.Since(p.toldLate) > lateEvery {
		p.toldLate = time.Now()
		late := p.receiver.status.Late
		s.tell(Alarm{Bus: p.bus, Count: late - p.told, What: fmt.Sprintf("frames of the probe %s are late: %d so far", p.name, late)})
		p.told = late
	}
}

func (s *Server) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// ask asks the probe, as often as there is something to ask.
func (s *Server) ask(ctx context.Context, p *remote, a *association) {
	for {
		s.lock.Lock()
		now := s.now()
		wait := p.receiver.due() - now
		var message []byte
		if wait <= 0 {
			message = p.receiver.ask(nonce(), now)
		}
		s.lock.Unlock()
		if message != nil {
			if _, err := a.conn.Write(message); err != nil {
				return
			}
			continue
		}
		select {
		case <-time.After(min(time.Duration(wait)*time.Microsecond, 10*time.Millisecond)):
		case <-ctx.Done():
			return
		}
	}
}

// nonce is random, and not 0.
func nonce() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) | 1
}

// watch tells how the links are.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		s.lock.Lock()
		for _, p := range s.remotes {
			s.look(p)
		}
		notes := s.notes
		s.notes = nil
		s.lock.Unlock()
		for _, n := range notes {
			s.o.Security(n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) look(p *remote) {
	state := can.LinkUp
	switch {
	case p.at == nil:
		state = can.LinkMissing
	case p.receiver.stale(s.now()):
		state = can.LinkDown
		if p.state == can.LinkUp {
			s.tell(Alarm{Bus: p.bus, Stale: true, Count: 1, What: fmt.Sprintf("the link to the probe %s is stale: it answers nothing", p.name)})
		}
	}
	if state != p.state {
		p.state = state
		s.queue = append(s.queue, can.Event{Kind: can.KindState, Bus: p.bus, State: state, Time: time.Now().UnixNano()})
		s.wake()
	}
}

// Read delivers events, as can.Source says.
func (s *Server) Read(buf []can.Event) (int, error) {
	for {
		s.lock.Lock()
		n := copy(buf, s.queue)
		if s.queue = s.queue[n:]; len(s.queue) == 0 {
			s.queue = nil
		} else {
			s.wake()
		}
		s.lock.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-s.more:
		case <-s.done:
			return 0, io.EOF
		}
	}
}

// Close makes Read end.
func (s *Server) Close() error {
	s.stop.Do(func() { close(s.done) })
	return nil
}

// Status is how a probe is.
type Status struct {
	Name       string `json:"name"`
	Bus        uint8  `json:"bus"`
	State      string `json:"state"`
	From       string `json:"from,omitempty"`
	ClockError int64  `json:"clock_error_us"` // its times are that far off at most; -1: not known
	Counts
}

// Status tells how the probes are, by bus.
func (s *Server) Status() (all []Status) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, p := range s.remotes {
		one := Status{Name: p.name, Bus: p.bus, State: p.state.String(), ClockError: -1, Counts: p.receiver.status}
		if p.at != nil {
			one.From = p.at.from
		}
		if c := &p.receiver.clock; c.known {
			one.ClockError = (c.spread(s.now()) + 1) / 2
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Status) int { return int(a.Bus) - int(b.Bus) })
	return all
}
