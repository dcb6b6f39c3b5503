package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"canseal/certs"
	"canseal/internal/openssl"
)

// lent is a handshake that the program openssl makes for us.
type lent struct {
	*tlsError
	rules *tls.Config
	state tls.ConnectionState
	high  bool // the server must ask who we are
	id    *certs.Identity
	idErr error // why there is no id
}

// through runs TLS over c by the program openssl, under the very rules of
// handshake: they are applied to what the server says before openssl gets it.
func (d *dialer) through(ctx context.Context, c net.Conn, rules *tls.Config, a certs.Attempt) (*watched, *handshake, error) {
	l := &lent{tlsError: new(tlsError), rules: d.rules(rules), high: d.identity != nil}
	l.state = tls.ConnectionState{Version: tls.VersionTLS12, HandshakeComplete: true, ServerName: l.rules.ServerName}
	h := openssl.Handshake{ServerName: l.rules.ServerName, Suites: a.OpenSSL(), Offered: a.Offers, Now: time.Now(), Judge: l.judge}
	if rules.Time != nil {
		h.Now = rules.Time()
	}
	for _, anchor := range d.bundle.Certificates {
		h.Anchors = append(h.Anchors, anchor.X509)
	}
	if l.high {
		if l.id, l.idErr = d.identity(); l.idErr == nil {
			h.Identity = l.id.TLS()
		}
	}
	conn, err := d.groups.program.Client(ctx, newPaced(newStalling(c, d.stall), d.pace), h)
	if err != nil {
		l.fail(err)
		return nil, nil, l.tlsError
	}
	return &watched{Conn: conn, asked: l.asked, shown: l.shown, ended: make(chan struct{})}, &handshake{at: d.now(), state: l.state}, nil
}

// judge is the check of a server's first words: its chain, and whether it asks
// who we are.
func (l *lent) judge(f openssl.Flight) (err error) {
	l.state.CipherSuite, l.state.PeerCertificates, l.chain = f.Suite, f.Certificates, f.Certificates
	if l.state, err = certs.VerifyServer(l.rules, l.state); err != nil {
		return err
	}
	l.accepted, l.asked = true, f.Asked != nil
	switch {
	case !l.high:
		return nil
	case !l.asked:
		return errNotAsked
	case l.idErr == nil:
		l.idErr = l.id.Speaks(f.Asked)
	}
	if l.own = l.idErr; l.own == nil {
		l.shown = l.id
	}
	return l.own
}

// fail tells what openssl finds as our own checks would.
func (l *lent) fail(err error) {
	var refused *openssl.RefusedError
	l.err = err
	switch {
	case errors.As(err, &refused) && refused.Certificate():
		l.err = &certs.TrustError{Fault: certs.FaultOther, Err: err}
	case errors.Is(err, openssl.ErrKey):
		l.own = &certs.IdentityError{Reason: certs.IdentityUnsupported, Subject: l.id.Leaf.Subject.String(), Detail: err.Error(), Remedy: "have the server take another suite than those of DHE"}
	}
}
