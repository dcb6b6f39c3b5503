package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// Authority is a small certificate authority: for the demo, for tests, and for
// a fleet that a person can count. Its key lives in memory.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
	chain       [][]byte // certificates below the root, down to this one
	revoked     []x509.RevocationListEntry
}

// Leaf is what a certificate that is no authority's says.
type Leaf struct {
	Name string // common name: a DEVICEID for a device
	// Names are its subject alternative names: host names, IP addresses, and
	// URIs (with a scheme and ":").
	Names          []string
	Server, Client bool // what it is for
	Life           time.Duration
}

// NewAuthority makes a root with a P-256 key, valid from an hour before now
// for life.
func NewAuthority(name string, now time.Time, life time.Duration) (*Authority, error) {
	return newAuthority(name, KeyP256, now, life, nil)
}

// NewAuthorityKey is NewAuthority with another kind of key.
func NewAuthorityKey(name string, kind KeyKind, now time.Time, life time.Duration) (*Authority, error) {
	return newAuthority(name, kind, now, life, nil)
}

// Intermediate makes an authority below this one.
func (a *Authority) Intermediate(name string, now time.Time, life time.Duration) (*Authority, error) {
	return newAuthority(name, KeyP256, now, life, a)
}

func newAuthority(name string, kind KeyKind, now time.Time, life time.Duration, above *Authority) (*Authority, error) {
	key, err := NewKey(kind)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	t, err := template(name, now, life)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	cert, err := above.sign(t, key)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	a := &Authority{Certificate: cert, key: key}
	if above != nil {
		a.chain = append([][]byte{cert.Raw}, above.chain...)
	}
	return a, nil
}

// LoadAuthority takes an authority out of its PEM files, made here or by
// OpenSSL. certificate may hold what stands above it, below the root.
func LoadAuthority(certificate, key []byte) (*Authority, error) {
	c, err := collect(certificate)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	if len(c.certs) == 0 {
		return nil, fmt.Errorf("authority: found %s", c.found())
	}
	signer, err := ParseKey(key)
	if err != nil {
		return nil, fmt.Errorf("authority's key: %w", err)
	}
	a := &Authority{Certificate: c.certs[0], key: signer}
	for _, cert := range c.certs {
		if !selfSigned(cert) {
			a.chain = append(a.chain, cert.Raw)
		}
	}
	return a, a.mayIssue()
}

func (a *Authority) mayIssue() error {
	public, ok := a.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch c := a.Certificate; {
	case !ok || !public.Equal(a.key.Public()):
		return fmt.Errorf("authority %q: the key is not its own", c.Subject)
	case !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("authority %q: it may not sign certificates (wanted basicConstraints CA:TRUE, keyUsage keyCertSign)", c.Subject)
	}
	return nil
}

// Key is the authority's private key.
func (a *Authority) Key() crypto.Signer { return a.key }

// Sign makes a certificate for somebody else's key.
func (a *Authority) Sign(public crypto.PublicKey, l Leaf, now time.Time) (*x509.Certificate, error) {
	t, err := leafTemplate(l, now)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", l.Name, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.Certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", l.Name, err)
	}
	return x509.ParseCertificate(der)
}

// IssueLeaf makes a key and a certificate for it, with the chain up to, but
// without, the root.
func (a *Authority) IssueLeaf(l Leaf, kind KeyKind, now time.Time) (tls.Certificate, error) {
	key, err := NewKey(kind)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := a.Sign(key.Public(), l, now)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, a.chain...), PrivateKey: key, Leaf: cert}, nil
}

// Issue makes a server's certificate for host names and IP addresses, with
// the chain up to, but without, the root.
func (a *Authority) Issue(now time.Time, life time.Duration, hosts ...string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		return tls.Certificate{}, errors.New("issue certificate: no host")
	}
	return a.IssueLeaf(Leaf{Name: hosts[0], Names: hosts, Server: true, Life: life}, KeyP256, now)
}

// Chain returns the authority's own certificate and those above it, without
// the root.
func (a *Authority) Chain() []*x509.Certificate {
	var list []*x509.Certificate
	for _, der := range a.chain {
		if c, err := x509.ParseCertificate(der); err == nil {
			list = append(list, c)
		}
	}
	return list
}

// SelfSigned makes a server's certificate that stands for itself.
func SelfSigned(now time.Time, life time.Duration, hosts ...string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		return tls.Certificate{}, errors.New("make certificate: no host")
	}
	t, err := leafTemplate(Leaf{Name: hosts[0], Names: hosts, Server: true, Life: life}, now)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate for %s: %w", hosts[0], err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := (*Authority)(nil).sign(t, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate for %s: %w", hosts[0], err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// sign signs a template for a key; a nil authority lets the key sign itself.
func (a *Authority) sign(t *x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	parent, signer := t, key
	if a != nil {
		parent, signer = a.Certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func leafTemplate(l Leaf, now time.Time) (*x509.Certificate, error) {
	t, err := template(l.Name, now, l.Life)
	if err != nil {
		return nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	if l.Server {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if l.Client {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, name := range l.Names {
		if err := addName(t, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func addName(t *x509.Certificate, name string) error {
	if ip := net.ParseIP(name); ip != nil {
		t.IPAddresses = append(t.IPAddresses, ip)
		return nil
	}
	if strings.Contains(name, ":") {
		u, err := url.Parse(name)
		if err != nil || u.Scheme == "" {
			return fmt.Errorf("%.100q is no host, address or URI", name)
		}
		t.URIs = append(t.URIs, u)
		return nil
	}
	t.DNSNames = append(t.DNSNames, name)
	return nil
}

func template(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	if name == "" || len(name) > 64 {
		return nil, errors.New("a name of 1 to 64 characters is needed")
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
	}, nil
}

// EncodeCertificates returns certificates as PEM, in order.
func EncodeCertificates(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes all
	}
	return b.Bytes()
}
