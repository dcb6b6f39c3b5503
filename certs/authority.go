package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Authority is a small certificate authority on ECDSA P-256: for the demo,
// for tests, and for a workshop with one store. Its key lives in memory.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	chain       [][]byte // certificates below the root, down to this one
	revoked     []x509.RevocationListEntry
}

// NewAuthority makes a root that is valid from an hour before now for life.
func NewAuthority(name string, now time.Time, life time.Duration) (*Authority, error) {
	return newAuthority(name, now, life, nil)
}

// Intermediate makes an authority below this one.
func (a *Authority) Intermediate(name string, now time.Time, life time.Duration) (*Authority, error) {
	return newAuthority(name, now, life, a)
}

func newAuthority(name string, now time.Time, life time.Duration, above *Authority) (*Authority, error) {
	t, err := template(name, now, life)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	cert, key, err := above.make(t)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	a := &Authority{Certificate: cert, key: key}
	if above != nil {
		a.chain = append([][]byte{cert.Raw}, above.chain...)
	}
	return a, nil
}

// Issue makes a server's certificate for host names and IP addresses, with
// the chain up to, but without, the root.
func (a *Authority) Issue(now time.Time, life time.Duration, hosts ...string) (tls.Certificate, error) {
	return issue(a, now, life, hosts)
}

// SelfSigned makes a server's certificate that stands for itself.
func SelfSigned(now time.Time, life time.Duration, hosts ...string) (tls.Certificate, error) {
	return issue(nil, now, life, hosts)
}

func issue(a *Authority, now time.Time, life time.Duration, hosts []string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		return tls.Certificate{}, fmt.Errorf("issue certificate: no host")
	}
	t, err := template(hosts[0], now, life)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate for %s: %w", hosts[0], err)
	}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	cert, key, err := a.make(t)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate for %s: %w", hosts[0], err)
	}
	c := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	if a != nil {
		c.Certificate = append(c.Certificate, a.chain...)
	}
	return c, nil
}

// Revoke puts a certificate on the authority's list.
func (a *Authority) Revoke(c *x509.Certificate, now time.Time) {
	a.revoked = append(a.revoked, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now})
}

// List signs the authority's revocation list, DER.
func (a *Authority) List(now time.Time, life time.Duration) ([]byte, error) {
	return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(now.Unix()), ThisUpdate: now, NextUpdate: now.Add(life), RevokedCertificateEntries: a.revoked,
	}, a.Certificate, a.key)
}

// make signs a template with a new key; a nil authority lets it sign itself.
func (a *Authority) make(t *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	parent, signer := t, crypto.Signer(key)
	if a != nil {
		parent, signer = a.Certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func template(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
	}, nil
}
