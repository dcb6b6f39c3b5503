package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"canseal/certs"
	"canseal/internal/mode"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Options name one endpoint, one bucket, one key pair.
type Options struct {
	Endpoint  string // http://host[:port] in mode low, else https://; no path
	Bucket    string
	Region    string // empty: us-east-1
	PathStyle bool   // http://host/bucket instead of http://bucket.host
	AccessKey string
	SecretKey string
	Mode      string // a name of package mode

	TLS *tls.Config // modes medium and high: certs.ClientTLS
	// Bootstrap gives TLS for another time: for one more try when everything
	// about a server, its pin too, is right but that a certificate begins after
	// our time, and our clock is not synchronised. nil: never.
	Bootstrap func(now time.Time) *tls.Config
	// Profile is a name of certs.Attempts; empty: modern. LegacyDHE adds its
	// attempts through the program OpenSSL (an absolute path; empty: it is looked
	// for); they need Bundle.
	Profile   string
	LegacyDHE bool
	OpenSSL   string
	// ResetMeansNoSuite: a server that cuts the connection before it has shown a
	// certificate has no suite in common.
	ResetMeansNoSuite bool
	Memory            *Memory       // of cipher groups; nil: of this client alone
	Bundle            *certs.Bundle // what TLS trusts, for Status; nil: the machine's roots
	// Identity is who this device is, asked for each handshake of mode high in
	// which the server wants to know. Other modes never ask.
	Identity func() (*certs.Identity, error)

	Proxy   string        // http://host:port; empty: none. The environment is not asked
	Stall   time.Duration // no byte for so long ends a request. 0: 60 s
	Workers int           // requests at once. 0: 1
	// Bandwidth is what all connections together may send, in bytes per second,
	// with all that TLS and HTTP add. 0: no limit.
	Bandwidth int64

	// Synchronised tells whether the clock has been set by somebody who
	// knows. While it has not, a certificate out of date is of class Clock.
	// nil: it has.
	Synchronised func() bool
	// Now is the time of Status. nil: time.Now.
	Now func() time.Time
	// Accepted is called after each signed write that the store accepted over
	// a verified connection: only that raises the trust floor. May be nil.
	Accepted func()
	// Dial opens the connection to the endpoint or the proxy. nil: TCP, with
	// forbidden addresses refused.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Event is told when a connection is weaker than before. May be nil.
	Event func(kind, what string, bus uint8, detail map[string]any)
	Log   *slog.Logger
}

// Client is one bucket. It implements uploader.Store; all its errors are
// *uploader.Error. Its methods may be called by several goroutines.
type Client struct {
	o        Options
	mode     mode.Row
	endpoint *url.URL
	core     *minio.Core
	wire     *wire
}

const (
	stallDefault = time.Minute
	region       = "us-east-1"
)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// New prepares a client; nothing is sent. An error names the option.
func New(o Options) (*Client, error) {
	m, ok := mode.Of(o.Mode)
	if !ok {
		return nil, fmt.Errorf("mode: want one of %v, found %q", mode.Names(), o.Mode)
	}
	u, err := endpoint(o.Endpoint, m)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if err := check(o, m); err != nil {
		return nil, err
	}
	o = defaults(o)
	w, err := newWire(o, m, u)
	if err != nil {
		return nil, err
	}
	core, err := minio.NewCore(u.Host, minioOptions(o, m, w))
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	return &Client{o: o, mode: m, endpoint: u, core: core, wire: w}, nil
}

func minioOptions(o Options, m mode.Row, w *wire) *minio.Options {
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	return &minio.Options{
		Creds:  credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""),
		Secure: m.Scheme == "https", Region: o.Region, BucketLookup: lookup,
		MaxRetries:      1,    // retries are the uploader's; 0 would mean ten
		TrailingHeaders: true, // else the client refuses ready-made checksum headers
		Transport:       w,
	}
}

func defaults(o Options) Options {
	if o.Region == "" {
		o.Region = region
	}
	if o.Stall == 0 {
		o.Stall = stallDefault
	}
	if o.Workers == 0 {
		o.Workers = 1
	}
	if o.Synchronised == nil {
		o.Synchronised = func() bool { return true }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Accepted == nil {
		o.Accepted = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func check(o Options, m mode.Row) error {
	switch {
	case !bucketName.MatchString(o.Bucket):
		return fmt.Errorf("bucket: want 3 to 63 of a-z 0-9 . -, found %q", o.Bucket)
	case o.AccessKey == "" || o.SecretKey == "":
		return errors.New("access_key and secret_key: both are needed")
	case m.Server && o.TLS == nil:
		return fmt.Errorf("mode %s: a trust bundle is needed", o.Mode)
	case m.Server && o.TLS.InsecureSkipVerify && o.TLS.VerifyConnection == nil:
		return fmt.Errorf("mode %s: the server must be verified", o.Mode)
	case m.Device && o.Identity == nil:
		return fmt.Errorf("mode %s: an identity of this device is needed", o.Mode)
	case o.Stall < 0 || o.Workers < 0 || o.Bandwidth < 0:
		return errors.New("stall, workers and bandwidth: want 0 or more")
	}
	return nil
}

// endpoint takes scheme, host and port; the scheme must be the mode's.
func endpoint(s string, m mode.Row) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("want %s://host[:port], found %q", m.Scheme, s)
	}
	if u.User != nil {
		return nil, errors.New("user and password have no place here")
	}
	if u.Scheme != m.Scheme {
		return nil, fmt.Errorf("want the scheme %s in this mode, found %q", m.Scheme, u.Scheme)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("want %s://host[:port] without a path, found %q", m.Scheme, s)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && forbidden(a) {
		return nil, &addressError{a}
	}
	return u, nil
}

// Proved returns what a receipt from this client may claim: "tls" for a
// verified connection, "plain" for none.
func (c *Client) Proved() string { return c.mode.Proved }

// Close drops idle connections.
func (c *Client) Close() error {
	c.wire.base.CloseIdleConnections()
	return nil
}
