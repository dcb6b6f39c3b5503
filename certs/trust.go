package certs

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TLSOptions are the rules for one endpoint.
type TLSOptions struct {
	// ServerName is the endpoint's host, a name or an IP address. A name is
	// sent as SNI; an address is not.
	ServerName string
	// MinRSABits is the smallest RSA key in the chain. 0: 2048; at least 1024.
	MinRSABits int
	// Pins are SHA-256 of SubjectPublicKeyInfo. With any, one certificate of
	// the chain must match, besides everything else.
	Pins [][sha256.Size]byte
	// Now judges dates: the trust floor or the clock, whichever is later.
	// nil: time.Now.
	Now func() time.Time
	// System trusts the machine's own roots instead of a bundle.
	System bool
	// AllowCN takes a server whose very certificate is in the bundle by its
	// common name, where it has no subject alternative name.
	AllowCN bool
}

// ClientTLS returns the configuration of a client of one endpoint, profile
// modern; Attempt.Apply makes it that of another. The roots are the bundle alone: any certificate above the server's,
// or the server's own, is an anchor. A nil or cleared bundle trusts nobody.
// What the configuration refuses, Explain tells.
func ClientTLS(b *Bundle, o TLSOptions) *tls.Config {
	if o.MinRSABits == 0 {
		o.MinRSABits = defaultRSABits
	}
	if b == nil || o.System {
		b = new(Bundle)
	}
	c := &tls.Config{
		ServerName: o.ServerName, RootCAs: b.Pool(), Time: o.Now, NextProtos: []string{"http/1.1"},
		MinVersion: tls.VersionTLS12, CipherSuites: slices.Clone(modernSuites),
		VerifyConnection: func(s tls.ConnectionState) error { return b.accept(s.VerifiedChains, o) },
	}
	switch {
	case o.System:
		c.RootCAs = nil
	case o.AllowCN:
		// crypto/tls knows no exception for a name, so the whole check is ours;
		// the handshake's signature stays the library's.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error {
			chains, err := b.verify(s.PeerCertificates, o)
			if err != nil {
				return err
			}
			return b.accept(chains, o)
		}
	}
	return c
}

// VerifyServer holds the chain that a server has shown, its own certificate
// first, to a configuration of ClientTLS, as crypto/tls does in a handshake: for
// one that somebody else runs. It returns the state with the verified chains.
func VerifyServer(c *tls.Config, s tls.ConnectionState) (tls.ConnectionState, error) {
	s.VerifiedChains = nil
	if len(s.PeerCertificates) == 0 || c.VerifyConnection == nil {
		return s, errors.New("a server without a certificate, or rules without a check")
	}
	if !c.InsecureSkipVerify {
		rules := new(Bundle)
		chains, err := rules.chains(s.PeerCertificates, TLSOptions{ServerName: c.ServerName, Now: c.Time}, c.RootCAs)
		if err != nil {
			return s, err
		}
		s.VerifiedChains = chains
	}
	return s, c.VerifyConnection(s)
}

// verify does what crypto/tls does, and lets a pinned certificate without a
// SAN stand for its common name.
func (b *Bundle) verify(peer []*x509.Certificate, o TLSOptions) ([][]*x509.Certificate, error) {
	return b.chains(peer, o, b.Pool())
}

// chains leads a server's certificate to roots; nil: the machine's.
func (b *Bundle) chains(peer []*x509.Certificate, o TLSOptions, roots *x509.CertPool) ([][]*x509.Certificate, error) {
	if o.ServerName == "" || len(peer) == 0 {
		return nil, &TrustError{Fault: FaultName, Err: errors.New("no name to hold the server to")}
	}
	v := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), DNSName: o.ServerName}
	if o.Now != nil {
		v.CurrentTime = o.Now()
	}
	for _, c := range peer[1:] {
		v.Intermediates.AddCert(c)
	}
	leaf := peer[0]
	if b.standsForItsName(leaf, o.ServerName) {
		v.DNSName = ""
	}
	chains, err := leaf.Verify(v)
	if err != nil {
		return nil, &tls.CertificateVerificationError{UnverifiedCertificates: peer, Err: err}
	}
	return chains, nil
}

// standsForItsName tells whether a certificate is an entry of the bundle, has
// no SAN, and has the host as its common name.
func (b *Bundle) standsForItsName(c *x509.Certificate, host string) bool {
	san := slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSAN) })
	pinned := slices.ContainsFunc(b.Certificates, func(k Certificate) bool { return k.X509.Equal(c) })
	return !san && pinned && strings.EqualFold(c.Subject.CommonName, host)
}

var oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}

// accept wants one verified chain that keeps every rule of ours.
func (b *Bundle) accept(chains [][]*x509.Certificate, o TLSOptions) error {
	err := error(&TrustError{Fault: FaultUnknownAuthority})
	for _, chain := range chains {
		if err = b.acceptChain(chain, o); err == nil {
			return nil
		}
	}
	return err
}

func (b *Bundle) acceptChain(chain []*x509.Certificate, o TLSOptions) error {
	for _, c := range chain {
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < o.MinRSABits {
			return fault(FaultSmallKey, c, fmt.Errorf("RSA %d, at least %d bits are wanted", k.N.BitLen(), o.MinRSABits))
		}
		if b.revoked(c) {
			return fault(FaultRevoked, c, errors.New("a revocation list of the trust bundle names it"))
		}
	}
	if len(o.Pins) > 0 && !slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return slices.Contains(o.Pins, Pin(c)) }) {
		return fault(FaultPin, chain[0], errors.New("no certificate of the chain has a pinned key"))
	}
	return nil
}

// Pin returns what tls.pin_sha256 names: SHA-256 of the certificate's
// SubjectPublicKeyInfo.
func Pin(c *x509.Certificate) [sha256.Size]byte { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// Fault is what stands between us and a server's certificate.
type Fault string

const (
	FaultUnknownAuthority Fault = "unknown_authority" // nothing in the bundle stands above it
	FaultName             Fault = "wrong_name"        // issued for another name or address
	FaultExpired          Fault = "expired"
	FaultNotYetValid      Fault = "not_yet_valid"
	FaultSmallKey         Fault = "small_key"
	FaultRevoked          Fault = "revoked"
	FaultPin              Fault = "pin"
	FaultOther            Fault = "certificate"
)

// A TrustError says why a server is not trusted. Its text quotes what the
// certificate says; the field Subject does not.
type TrustError struct {
	Fault   Fault
	Subject string // of the certificate in question; empty: unknown
	Err     error
}

func (e *TrustError) Error() string {
	s := "server not trusted: " + string(e.Fault)
	if e.Subject != "" {
		s += fmt.Sprintf(" %.256q", e.Subject)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return sentence(s, e.Remedy())
}

func (e *TrustError) Unwrap() error { return e.Err }

// quoted is an error whose text holds words of a certificate, such as its
// names: they may be long, and steer a terminal.
type quoted struct{ error }

func (e quoted) Error() string { return fmt.Sprintf("%.256q", e.error.Error()) }
func (e quoted) Unwrap() error { return e.error }

// Dates tells that only the date stands against the certificate: with a clock
// that is not synchronised, that is a question of time and not of trust.
func (e *TrustError) Dates() bool { return e.Fault == FaultExpired || e.Fault == FaultNotYetValid }

func fault(f Fault, c *x509.Certificate, err error) *TrustError {
	return &TrustError{Fault: f, Subject: c.Subject.String(), Err: err}
}

// Explain turns the error of a handshake under ClientTLS into a TrustError;
// nil when it is about something else. now is what judged the dates.
func Explain(err error, now time.Time) *TrustError {
	if e := (*TrustError)(nil); errors.As(err, &e) {
		return e
	}
	v := (*tls.CertificateVerificationError)(nil)
	if !errors.As(err, &v) {
		return nil
	}
	e := &TrustError{Fault: verification(v.Err), Err: quoted{v.Err}}
	if len(v.UnverifiedCertificates) > 0 {
		e.Subject = v.UnverifiedCertificates[0].Subject.String()
	}
	var invalid x509.CertificateInvalidError
	if errors.As(v.Err, &invalid) && invalid.Cert != nil {
		e.Subject = invalid.Cert.Subject.String()
		if e.Fault == FaultExpired && now.Before(invalid.Cert.NotBefore) {
			e.Fault = FaultNotYetValid
		}
	}
	return e
}

func verification(err error) Fault {
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &name):
		return FaultName
	case errors.As(err, &authority):
		return FaultUnknownAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return FaultExpired
	}
	return FaultOther
}
