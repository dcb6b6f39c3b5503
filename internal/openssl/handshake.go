package openssl

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Handshake is what a connection is made by.
type Handshake struct {
	ServerName string // a name, or an IP address
	Suites     string // names of OpenSSL, with ":" between
	Offered    func(suite uint16) bool
	Anchors    []*x509.Certificate // of the server's chain, at any height
	Now        time.Time           // judges the dates
	// Identity is shown to a server that asks; nil: nothing is.
	Identity *tls.Certificate
	// Judge is called once the server's first flight is whole, before openssl sees
	// any of it. An error ends the connection and is returned as it is.
	Judge func(Flight) error
}

// A RefusedError says that openssl itself ended a handshake that Judge had found
// good.
type RefusedError struct {
	Alert Alert // that it sent; 0: it just ended
}

func (e *RefusedError) Error() string {
	if e.Alert == 0 {
		return "openssl ended before the connection stood"
	}
	return fmt.Sprintf("openssl refuses the server: alert %d", uint8(e.Alert))
}

// Certificate tells that it refuses the server's certificate.
func (e *RefusedError) Certificate() bool { return e.Alert >= 42 && e.Alert <= 48 && e.Alert != 47 }

// ErrKey says that the device's key cannot be lent to openssl.
var ErrKey = errors.New("the device's key cannot leave its place, and openssl wants it in hand")

// arguments are the whole command line but the program, for pipes that the child
// has from descriptor 3 on.
func (h *Handshake) arguments(socket string) []string {
	args := []string{"s_client", "-unix", socket}
	if _, err := netip.ParseAddr(h.ServerName); err == nil {
		args = append(args, "-noservername", "-verify_ip", h.ServerName)
	} else {
		args = append(args, "-servername", h.ServerName, "-verify_hostname", h.ServerName)
	}
	args = append(args,
		"-CAfile", "/dev/fd/3", "-no-CAfile", "-no-CApath", "-no-CAstore", "-partial_chain", "-purpose", "sslserver",
		"-verify_return_error", "-attime", strconv.FormatInt(h.Now.Unix(), 10),
		"-tls1_2", "-no_renegotiation", "-no_ticket", "-alpn", "http/1.1",
		"-cipher", h.Suites+":@SECLEVEL=2", "-quiet", "-brief", "-nocommands")
	if h.Identity != nil {
		args = append(args, "-cert", "/dev/fd/4", "-key", "/dev/fd/5", "-cert_chain", "/dev/fd/6")
	}
	return args
}

// files are what the pipes hold.
func (h *Handshake) files() ([][]byte, error) {
	var anchors []byte
	for _, c := range h.Anchors {
		anchors = append(anchors, certificate(c.Raw)...)
	}
	if h.Identity == nil {
		return [][]byte{anchors}, nil
	}
	key, err := privateKey(h.Identity.PrivateKey)
	if err != nil {
		return nil, err
	}
	var chain []byte
	for _, der := range h.Identity.Certificate {
		chain = append(chain, certificate(der)...)
	}
	return [][]byte{anchors, certificate(h.Identity.Certificate[0]), key, chain}, nil
}

func certificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func privateKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, ErrKey
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func (h *Handshake) check() error {
	if h.ServerName == "" || h.Suites == "" || h.Offered == nil || h.Judge == nil || len(h.Anchors) == 0 {
		return errors.New("openssl: a name, suites, anchors and a judge are needed")
	}
	return nil
}

// Client makes a connection over raw, which it takes over also when it fails.
// ctx bounds the handshake. At most 8 connections of a Program stand at once;
// more wait. Errors: those of Judge; an alert of the server, as crypto/tls has it;
// RefusedError; what happened to raw.
func (p *Program) Client(ctx context.Context, raw net.Conn, h Handshake) (*Conn, error) {
	if err := h.check(); err != nil {
		raw.Close()
		return nil, err
	}
	select {
	case p.free <- struct{}{}:
	case <-ctx.Done():
		raw.Close()
		return nil, ctx.Err()
	}
	c := &Conn{raw: raw, h: h, free: p.free, stands: make(chan struct{}), failed: make(chan struct{})}
	if err := c.start(p.Path); err != nil {
		c.Close()
		return nil, fmt.Errorf("start openssl: %w", err)
	}
	c.ended = make(chan struct{})
	go c.relay()
	select {
	case <-c.stands:
		return c, nil
	case <-c.failed:
	case <-ctx.Done():
		c.fail(ctx.Err())
	}
	c.Close()
	return nil, c.err
}
