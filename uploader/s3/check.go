package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strconv"
	"time"

	"canseal/certs"
	"canseal/uploader"
)

// Report is what Check found, in the order in which it happened.
type Report struct {
	Endpoint string `json:"endpoint"`
	Bucket   string `json:"bucket"`
	Key      string `json:"key"`
	Mode     string `json:"mode"`
	Proved   string `json:"proved"` // tls, plain

	// Groups is what Status.Groups says; only with TLS, as the next two.
	Groups  string       `json:"groups,omitempty"`
	Version string       `json:"version,omitempty"`
	Suite   string       `json:"suite,omitempty"`
	Chain   []ChainEntry `json:"chain,omitempty"` // the server's, from its own certificate up; also of one that was refused
	// DaysLeft counts until the first certificate of the chain expires.
	DaysLeft int `json:"days_left,omitempty"`
	// Asked: the server wanted to know who this device is. Device is the
	// certificate that it was shown.
	Asked  bool        `json:"device_asked"`
	Device *ChainEntry `json:"device,omitempty"`
	// SkewMillis is the store's clock minus ours; verified connections only.
	SkewMillis *int64 `json:"skew_ms,omitempty"`

	Took     int64       `json:"took_ms"`
	Stored   bool        `json:"stored"`
	Checksum string      `json:"checksum,omitempty"` // the store's SHA-256, base64; empty: it named none
	Class    string      `json:"class,omitempty"`    // of the refusal
	Error    string      `json:"error,omitempty"`
	Message  string      `json:"-"` // the server's own words, escaped, at most 1 KiB: for the terminal only
	Fault    certs.Fault `json:"fault,omitempty"`

	Probe *Probe `json:"probe,omitempty"` // filled in by who asks for it
}

// ChainEntry is one certificate of a server's chain.
type ChainEntry struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
}

// Check makes one handshake and one signed write of content under key, which
// is the device's own device.json, and reports what came of it. The error is
// that of the write.
func (c *Client) Check(ctx context.Context, key string, content []byte) (Report, error) {
	r := Report{Endpoint: c.endpoint.String(), Bucket: c.o.Bucket, Key: key, Mode: c.o.Mode, Proved: c.mode.Proved}
	c.Close() // a kept connection would not show a handshake
	x := new(exchange)
	start := c.o.Now()
	stored, err := c.send(ctx, x, uploader.Object{Key: key, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content)}, false)
	r.Took = c.o.Now().Sub(start).Milliseconds()
	r.Stored, r.Checksum = err == nil, stored.Checksum.Value
	x.note(func() {
		c.describe(&r, x)
		if err != nil {
			r.refusal(x, err)
		}
	})
	return r, err
}

// describe adds what the handshake showed.
func (c *Client) describe(r *Report, x *exchange) {
	var chain []*x509.Certificate
	var bad *tlsError
	if g := c.wire.dialer.groups; g != nil {
		var s Status
		g.describe(&s)
		r.Groups = s.Groups()
	}
	if x.conn != nil {
		r.identity(x.conn.asked, x.conn.shown)
	}
	if errors.As(x.dial, &bad) {
		chain = bad.chain
		r.identity(bad.asked, bad.shown)
	} else if h := c.wire.dialer.last.Load(); h != nil && x.dial == nil {
		r.Version, r.Suite = tls.VersionName(h.state.Version), certs.SuiteName(h.state.CipherSuite)
		chain = h.chain()
	}
	for i, cert := range chain {
		r.Chain = append(r.Chain, ChainEntry{cert.Subject.String(), cert.Issuer.String(), cert.NotAfter.UTC()})
		if days := int(cert.NotAfter.Sub(c.wire.dialer.judged()).Hours() / 24); i == 0 || days < r.DaysLeft {
			r.DaysLeft = days
		}
	}
	if d, ok := c.Skew(); ok && x.status != 0 {
		ms := d.Milliseconds()
		r.SkewMillis = &ms
	}
}

func (r *Report) identity(asked bool, shown *certs.Identity) {
	r.Asked = asked
	if shown != nil {
		r.Device = &ChainEntry{shown.Leaf.Subject.String(), shown.Leaf.Issuer.String(), shown.NotAfter()}
	}
}

func (r *Report) refusal(x *exchange, err error) {
	r.Class, r.Error = uploader.ClassOf(err).String(), err.Error()
	message := x.answer.Message
	r.Message = strconv.QuoteToASCII(message[:min(len(message), 1024)])
	if message == "" {
		r.Message = ""
	}
	var t *certs.TrustError
	if errors.As(err, &t) {
		r.Fault = t.Fault
	}
}
