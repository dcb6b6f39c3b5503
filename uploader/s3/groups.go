package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"canseal/certs"
	"canseal/internal/openssl"
)

const walkTime = 30 * time.Second // all attempts of one connection together

// What Status says of the suites that only the program openssl speaks.
const (
	dheDisabled = "disabled"
	dheEnabled  = "enabled"
	dheMissing  = "missing"
)

// groups is the walk over the attempts of a profile: from one to the next only
// when the server says, before it has shown a certificate, that it has no suite
// in common. Whoever is on the path can say so too; so a step never leads beyond
// what the profile offers, changes no other rule, and is slow where it is one down.
type groups struct {
	profile  string
	attempts []certs.Attempt // that can be made
	reset    bool            // a connection that is cut means: no suite
	dhe      string
	program  *openssl.Program
	missing  error // why there is none

	key      endpointKey
	memory   *Memory
	identity func() string
	now      func() time.Time
	event    func(kind, what string, bus uint8, detail map[string]any)
	turn     chan struct{} // holds one word: one walk at a time

	mu         sync.Mutex
	last       string // the last good attempt
	downgraded bool
	said       string // the last event, so that a probe does not repeat it
}

func newGroups(ctx context.Context, o Options, endpoint *url.URL) (*groups, error) {
	g := &groups{profile: o.Profile, reset: o.ResetMeansNoSuite, dhe: dheDisabled, memory: o.Memory, now: o.Now, event: o.Event, turn: make(chan struct{}, 1)}
	if g.profile == "" {
		g.profile = certs.ProfileModern
	}
	list, ok := certs.Attempts(g.profile, o.LegacyDHE)
	if !ok {
		return nil, fmt.Errorf("profile: want modern, compat or canedge, found %q", g.profile)
	}
	g.attempts = list
	if slices.ContainsFunc(list, func(a certs.Attempt) bool { return a.DHE }) {
		if o.Bundle == nil {
			return nil, errors.New("tls.legacy_dhe: a trust bundle is needed, the machine's roots are not taken")
		}
		g.find(ctx, o.OpenSSL)
	}
	g.key = endpointKey{Endpoint: endpoint.Scheme + "://" + address(endpoint), Name: o.TLS.ServerName, Bundle: "system", Profile: g.profile}
	if o.Bundle != nil {
		g.key.Bundle = o.Bundle.SetSHA256
	}
	if g.memory == nil {
		g.memory = new(Memory)
	}
	return g, nil
}

// find looks for openssl. Without it the attempts that want it are left out.
func (g *groups) find(ctx context.Context, path string) {
	g.dhe = dheEnabled
	if g.program, g.missing = openssl.Find(ctx, path); g.missing != nil {
		g.dhe = dheMissing
		g.attempts = slices.DeleteFunc(g.attempts, func(a certs.Attempt) bool { return a.DHE })
	}
}

// walk makes a connection with the first attempt that the server takes. try makes
// one attempt.
func (g *groups) walk(ctx context.Context, try func(context.Context, certs.Attempt) (*watched, *handshake, error)) (*watched, error) {
	ctx, cancel := context.WithTimeout(ctx, walkTime)
	defer cancel()
	if len(g.attempts) > 1 {
		select {
		case g.turn <- struct{}{}:
			defer func() { <-g.turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	known := g.memory.of(g.key)
	list, whole := g.plan(known)
	var refused error
	for _, a := range list {
		w, h, err := try(ctx, a)
		switch {
		case err == nil:
			if err := g.settle(known, a, h, whole); err != nil {
				w.Close()
				return nil, err
			}
			return w, nil
		case !g.next(err):
			return nil, g.explain(err)
		}
		refused = err
	}
	g.refused(known)
	return nil, g.exhausted(refused, len(list))
}

// plan is the order of the attempts: the last good one first, for a day. Those
// that give away more than it did are left out until the server has refused
// patiently. whole: the walk begins with the profile's first.
func (g *groups) plan(known remembered) (list []certs.Attempt, whole bool) {
	at := slices.IndexFunc(g.attempts, func(a certs.Attempt) bool { return a.Name == known.Attempt })
	if at < 0 {
		return g.attempts, true
	}
	now := g.now()
	fresh := !now.Before(known.Walked) && now.Sub(known.Walked) < memoryFresh && (g.identity == nil || g.identity() == known.Identity)
	// Profile canedge begins with its weakest group: what was forward secret
	// once stays where it was.
	if !fresh && !(g.profile == certs.ProfileCANedge && known.ForwardSecret) {
		at = 0
	}
	list = slices.Concat(g.attempts[at:], g.attempts[:at])
	if !known.patient(now) {
		list = slices.DeleteFunc(list, func(a certs.Attempt) bool { return a.Rank > known.Rank })
	}
	return list, at == 0
}

// next tells whether an error means that there is no suite in common. A server
// that has said hello has chosen one.
func (g *groups) next(err error) bool {
	var e *tlsError
	if !errors.As(err, &e) || e.hello || e.accepted || e.asked {
		return false
	}
	alert, ok := remoteAlert(err)
	if ok {
		return alert == alertHandshakeFailure || alert == alertInsufficient
	}
	return g.reset && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET))
}

// Alerts of RFC 5246 7.2.
const (
	alertHandshakeFailure = 40
	alertProtocolVersion  = 70
	alertInsufficient     = 71
)

// settle judges a finished handshake before any request leaves, and remembers it.
func (g *groups) settle(known remembered, a certs.Attempt, h *handshake, whole bool) error {
	secret := certs.ForwardSecret(h.state.Version, h.state.CipherSuite)
	detail := map[string]any{"profile": g.profile, "attempt": a.Name, "suite": certs.SuiteName(h.state.CipherSuite), "before": known.Attempt}
	if known.ForwardSecret && !secret {
		g.down("downgrade refused", detail) // it would give up forward secrecy
		return &downgradeError{certs.SuiteName(h.state.CipherSuite)}
	}
	if known.Attempt != "" && a.Rank > known.Rank {
		g.down("downgrade", detail)
	} else {
		g.good()
	}
	now := known
	now.Attempt, now.Rank, now.Version, now.Suite, now.ForwardSecret = a.Name, a.Rank, h.state.Version, h.state.CipherSuite, secret || known.ForwardSecret
	now.Refusals, now.RefusedFirst = 0, time.Time{}
	if whole || now.Attempt != known.Attempt {
		now.Walked = g.now().UTC().Truncate(time.Second)
	}
	if g.identity != nil {
		now.Identity = g.identity()
	}
	g.memory.learn(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = a.Name
	return nil
}

// refused counts a walk that ended without a suite, for an endpoint that is known.
func (g *groups) refused(known remembered) {
	now := g.now().UTC().Truncate(time.Second)
	if known.Attempt == "" || known.patient(now) {
		return
	}
	if known.Refusals == 0 || now.Before(known.RefusedFirst) {
		known.Refusals, known.RefusedFirst = 0, now
	}
	known.Refusals++
	g.memory.learn(known)
}

// down tells once of a connection that is weaker than those before.
func (g *groups) down(what string, detail map[string]any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.downgraded = true
	if g.event != nil && g.said != what {
		g.event("tls", what, 0, detail)
	}
	g.said = what
}

func (g *groups) good() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.downgraded, g.said = false, ""
}

// describe fills in what Status says of groups.
func (g *groups) describe(s *Status) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Profile, s.Attempt, s.Downgraded, s.DHE = g.profile, g.last, g.downgraded, g.dhe
	if s.Attempt == "" {
		s.Attempt = g.memory.of(g.key).Attempt
	}
}

// downgradeError is a connection that was closed before any request.
type downgradeError struct{ suite string }

func (e *downgradeError) Error() string {
	return fmt.Sprintf("the server chose %s, which is not forward secret, and it has been before: not connected; if the server was changed on purpose, take %s out of the state folder", e.suite, MemoryFile)
}

// walkError adds to a refusal what this side offered.
type walkError struct {
	text string
	err  error
}

func (e *walkError) Error() string { return e.text + ": " + e.err.Error() }
func (e *walkError) Unwrap() error { return e.err }

// exhausted is the error of a walk in which no attempt was taken.
func (g *groups) exhausted(err error, made int) error {
	if alert, _ := remoteAlert(err); alert == 0 {
		return err // cut each time: that may be the network
	}
	var s strings.Builder
	fmt.Fprintf(&s, "no cipher suite in common: profile %s, %d of %d attempts made", g.profile, made, len(g.attempts))
	if made < len(g.attempts) {
		fmt.Fprintf(&s, " (weaker ones after %d refusals within more than an hour)", patientRefusals)
	}
	if g.profile == certs.ProfileModern {
		s.WriteString("; older suites are in profiles compat and canedge")
	} else {
		fmt.Fprintf(&s, "; of the nine suites 6/9 built in, 3/9 through openssl: %s", g.dhe)
	}
	if g.missing != nil {
		s.WriteString(" (" + g.missing.Error() + ")")
	}
	return &walkError{s.String(), err}
}

// explain adds to "no such version" which side may be too old.
func (g *groups) explain(err error) error {
	if alert, _ := remoteAlert(err); alert != alertProtocolVersion {
		return err
	}
	text := "no version of TLS in common: the server's is older than 1.2"
	if g.profile == certs.ProfileCANedge {
		text = "no version of TLS in common: profile canedge speaks 1.2 alone, the server only newer (take profile compat or modern) or older ones"
	}
	return &walkError{text, err}
}
