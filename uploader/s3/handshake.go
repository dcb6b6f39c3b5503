package s3

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"canseal/internal/mode"
)

// Handshake makes one handshake with an endpoint and no request: of Options it
// needs Endpoint, Mode and TLS, and looks at Identity, Bundle, Proxy,
// Synchronised, Now and Dial. What a server says of this device with TLS 1.3
// is waited for a second; one that answers with a page says it only to a
// request.
func Handshake(ctx context.Context, o Options) (Report, error) {
	m, ok := mode.Of(o.Mode)
	if !ok || !m.Server || o.TLS == nil {
		return Report{}, fmt.Errorf("mode %q: no handshake there", o.Mode)
	}
	u, err := endpoint(o.Endpoint, m)
	if err != nil {
		return Report{}, fmt.Errorf("endpoint: %w", err)
	}
	o = defaults(o)
	d, err := newDialer(o, m, u)
	if err != nil {
		return Report{}, err
	}
	c := &Client{o: o, mode: m, endpoint: u, wire: &wire{dialer: d}}
	r := Report{Endpoint: u.String(), Mode: o.Mode}
	x := new(exchange)
	start := o.Now()
	err = c.shake(ctx, x)
	r.Took = o.Now().Sub(start).Milliseconds()
	c.describe(&r, x)
	if err != nil {
		refused := c.refused(x, err)
		r.refusal(x, refused)
		return r, refused
	}
	return r, nil
}

// shake opens a connection, waits for a late refusal, and closes it.
func (c *Client) shake(ctx context.Context, x *exchange) error {
	conn, err := c.wire.dialer.secure(x.in(ctx), "tcp", address(c.endpoint))
	if err != nil {
		return err
	}
	defer conn.Close()
	w, ok := conn.(*watched)
	if !ok {
		return nil
	}
	x.conn = w
	if w.tls13 && w.asked {
		go w.Read(make([]byte, 1)) // ends with the connection
		select {
		case <-w.ended:
		case <-time.After(lastWord):
		}
	}
	return w.alert()
}

// address is the host and port of an https endpoint.
func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}
