package appliance

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// store opens the way to the bucket when it is first needed, and as long as a
// part of it is missing (the trust bundle, the secret) tries again at each
// use: an operator who puts the part on the card needs no restart. It never
// falls to a lower mode. When the server is not trusted, the next use reads the
// bundle again: a corrected one on the card heals it.
type store struct {
	settings    *settings
	card, state durable.FS
	clock       *clock.Clock
	memory      *s3.Memory
	event       func(kind, what string, bus uint8, detail map[string]any)
	log         *slog.Logger

	device atomic.Pointer[certs.Identity] // as last loaded

	asked atomic.Pointer[[sha256.Size]byte] // the request for another certificate

	mu     sync.Mutex
	client *s3.Client
	stale  bool // the server was not trusted: another bundle may be on the card
	bundle *certs.Bundle
}

func (a *Appliance) newStore(s *settings) *store {
	st := &store{settings: s, card: a.card, state: a.state, clock: a.clock, memory: a.groups, event: a.journal.Add, log: a.log}
	if _, err := st.open(); err != nil {
		a.log.Error("uploads wait", "error", err)
	}
	return st
}

// open returns the client, made now if it was not.
func (s *store) open() (*s3.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil && !s.stale {
		return s.client, nil
	}
	options, bundle, err := s3Options(s.settings, s.card, s.state, s.clock)
	s.bundle = bundle
	options.Identity = s.remember(options.Identity)
	if err != nil {
		return nil, err
	}
	if options.Identity != nil {
		_, _ = options.Identity() // remembered; a handshake asks again
	}
	options.Log, options.Accepted = s.log, s.accepted
	options.Memory, options.Event = s.memory, s.event
	client, err := s3.New(options)
	if err != nil {
		return nil, &uploader.Error{Class: uploader.Config, Err: err}
	}
	if s.client != nil {
		s.client.Close()
	}
	s.client, s.stale = client, false
	return client, nil
}

// remember keeps the last identity that was loaded, for Status.
func (s *store) remember(load func() (*certs.Identity, error)) func() (*certs.Identity, error) {
	if load == nil {
		return nil
	}
	return func() (*certs.Identity, error) {
		id, err := load()
		s.device.Store(id)
		return id, err
	}
}

// renew reads the certificates anew, and so do the connections that follow. What
// is missing is told by the next use.
func (s *store) renew() {
	s.mu.Lock()
	s.stale = true
	s.mu.Unlock()
	_, _ = s.open()
}

// close drops what is idle.
func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
	}
}

// judge remembers that the server was not trusted.
func (s *store) judge(err error) {
	if uploader.ClassOf(err) == uploader.Trust {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stale = true
	}
}

// accepted raises the trust floor: a store that we verified took our signature,
// so its clock and ours agree.
func (s *store) accepted() {
	s.clock.AcceptTrust(time.Now())
}

// s3Options maps the configuration to the client's. Errors are *uploader.Error
// of the class that says what is missing.
func s3Options(s *settings, card, state durable.FS, c *clock.Clock) (s3.Options, *certs.Bundle, error) {
	u := s.Upload
	o := s3.Options{
		Endpoint: u.Endpoint, Bucket: u.Bucket, Region: u.Region, PathStyle: u.PathStyle, Mode: string(u.Mode), Proxy: u.Proxy, Stall: u.Stall, Workers: u.Workers, Bandwidth: int64(u.Bandwidth),
		Synchronised: func() bool { return c.Now().Synchronised }, Now: c.TrustedNow, Dial: s.dial,
	}
	var err error
	if o.AccessKey, err = u.AccessKey.Resolve(nil, os.Getenv); err != nil {
		return o, nil, &uploader.Error{Class: uploader.Credentials, Err: fmt.Errorf("access_key: %w", err)}
	}
	if o.SecretKey, err = s.secretKey(state); err != nil {
		return o, nil, &uploader.Error{Class: uploader.Credentials, Err: fmt.Errorf("secret_key: %w", err)}
	}
	row := u.Mode.Row()
	if row.Server {
		if o.Bundle, err = trust(s.Config, card, c, &o); err != nil {
			return o, o.Bundle, &uploader.Error{Class: uploader.Trust, Err: err}
		}
	}
	if row.Device {
		o.Identity = identityOf(s, card, state, c)
		if _, err := o.Identity(); err != nil {
			return o, o.Bundle, &uploader.Error{Class: identityClass(err, o.Synchronised()), Err: fmt.Errorf("mode %s: %w", row.Name, err)}
		}
	}
	return o, o.Bundle, nil
}

// trust adds what verifies the server.
func trust(c *config.Config, card durable.FS, clock *clock.Clock, o *s3.Options) (bundle *certs.Bundle, err error) {
	rules := tlsOptions(c, clock.TrustedNow)
	if !rules.System {
		bundle, err = loadBundle(c, card, clock.TrustedNow())
	}
	o.TLS = certs.ClientTLS(bundle, rules)
	profile(c, o)
	if c.TLS.ClockBootstrap && len(rules.Pins) > 0 {
		o.Bootstrap = func(now time.Time) *tls.Config {
			then := rules
			then.Now = func() time.Time { return now }
			return certs.ClientTLS(bundle, then)
		}
	}
	return bundle, err
}

// profile adds what is offered to the server.
func profile(c *config.Config, o *s3.Options) {
	o.Profile, o.ResetMeansNoSuite = c.TLS.Profile, c.TLS.ResetMeansNoSuite
	o.LegacyDHE, o.OpenSSL = c.TLS.LegacyDHE, c.TLS.OpenSSL
}

// identityOf loads who this device is, anew at each call: a certificate that an
// operator puts on the card needs no restart.
func identityOf(s *settings, card, state durable.FS, c *clock.Clock) func() (*certs.Identity, error) {
	rules := certs.IdentityOptions{Device: knownDevice(card, state, s), Now: c.TrustedNow}
	return func() (*certs.Identity, error) { return certs.OpenIdentity(card, state, rules) }
}

// identityClass says what a missing identity means: a date is a question of
// time while nobody has set the clock.
func identityClass(err error, synchronised bool) uploader.Class {
	var e *certs.IdentityError
	if errors.As(err, &e) && e.Dates() && !synchronised {
		return uploader.Clock
	}
	return uploader.Identity
}

// tlsOptions maps the section tls; pins are base64 of 32 bytes, checked by config.
func tlsOptions(c *config.Config, now func() time.Time) certs.TLSOptions {
	o := certs.TLSOptions{MinRSABits: c.TLS.MinRSABits, Now: now, System: c.TLS.Trust == "system", AllowCN: c.TLS.AllowCNForPinnedLeaf}
	if u, err := url.Parse(c.Upload.Endpoint); err == nil {
		o.ServerName = u.Hostname()
	}
	for _, text := range c.TLS.PinSHA256 {
		var pin [sha256.Size]byte
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			copy(pin[:], b)
		}
		o.Pins = append(o.Pins, pin)
	}
	return o
}

// loadBundle reads certs_server.p7b. A bundle that trusts nobody is an error:
// empty never means unchecked.
func loadBundle(c *config.Config, card durable.FS, now time.Time) (*certs.Bundle, error) {
	file, err := durable.ReadFile(card, bundleFile, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("mode %s needs the server's certificates: no %s on the card", c.Upload.Mode, bundleFile)
	}
	if err != nil {
		return nil, err
	}
	bundle, err := certs.LoadBundle(file, certs.BundleOptions{
		MinRSABits: c.TLS.MinRSABits, WarnDuplicateIssuer: c.TLS.DuplicateIssuer == "warn", Now: now,
	})
	if err != nil {
		return bundle, fmt.Errorf("%s: %w", bundleFile, err)
	}
	if bundle.Cleared {
		return bundle, fmt.Errorf("%s is empty: nothing is trusted", bundleFile)
	}
	return bundle, nil
}

// Bundle is what is trusted, nil where nothing was loaded.
func (s *store) Bundle() *certs.Bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bundle
}

// Status is the section tls of device.json.
func (s *store) Status() s3.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var status s3.Status
	if s.client != nil {
		status = s.client.Status()
	}
	if id := s.device.Load(); id != nil {
		status.Device = s3.NewDeviceStatus(id, s.clock.TrustedNow(), s.settings.TLS.RenewBefore)
		if asked := s.asked.Load(); asked != nil && status.Device.RenewDue {
			status.Device.RequestSHA256 = hex.EncodeToString(asked[:])
		}
	}
	return status
}

// bucketSession is the session that the bucket's device.json names, 0 when it
// names none. Only a verified connection is believed.
func (s *store) bucketSession(ctx context.Context, device segment.Device) (uint32, error) {
	client, err := s.open()
	if err != nil || client.Proved() != string(segment.ProvedTLS) {
		return 0, err
	}
	text, err := client.Get(ctx, path.Join(s.settings.Upload.Prefix, string(device), factsFile), 64<<10)
	if uploader.ClassOf(err) == uploader.NoneThere {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var known struct {
		Log struct{ Session uint32 }
	}
	if err := json.Unmarshal(text, &known); err != nil {
		return 0, fmt.Errorf("device.json of the bucket: %w", err)
	}
	return known.Log.Session, nil
}

// skew is the store's clock minus ours in ms; nil when nobody has said.
func (s *store) skew() *int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	d, ok := s.client.Skew()
	if !ok {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}
