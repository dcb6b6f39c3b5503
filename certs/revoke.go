package certs

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Revoke puts a certificate on the authority's list, once.
func (a *Authority) Revoke(c *x509.Certificate, now time.Time) {
	for _, e := range a.revoked {
		if e.SerialNumber.Cmp(c.SerialNumber) == 0 {
			return
		}
	}
	a.revoked = append(a.revoked, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now.UTC()})
}

// Issued tells whether the authority has signed a certificate.
func (a *Authority) Issued(c *x509.Certificate) bool {
	return c.CheckSignatureFrom(a.Certificate) == nil
}

// List signs the authority's revocation list, DER, good for life.
func (a *Authority) List(now time.Time, life time.Duration) ([]byte, error) {
	issuer := *a.Certificate
	switch {
	case issuer.KeyUsage == 0: // not said, as plain `openssl req -x509` does: everything is allowed
		issuer.KeyUsage = x509.KeyUsageCRLSign
	case issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return nil, fmt.Errorf("authority %q: it may not sign revocation lists (wanted keyUsage cRLSign)", issuer.Subject)
	}
	return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(now.UnixMilli()), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(life), RevokedCertificateEntries: a.revoked,
	}, &issuer, a.key)
}

// Continue takes up a list of this authority: what it names stays named in the
// lists that follow.
func (a *Authority) Continue(file []byte) error {
	der := file
	if b, _ := pem.Decode(file); b != nil {
		der = b.Bytes
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("revocation list: %w", err)
	}
	if l.CheckSignatureFrom(a.Certificate) != nil {
		return errors.New("revocation list: signed by another authority")
	}
	a.revoked = append(a.revoked, l.RevokedCertificateEntries...)
	return nil
}

// Revoked returns how many certificates the list names.
func (a *Authority) Revoked() int { return len(a.revoked) }

// EncodeList returns a revocation list as PEM.
func EncodeList(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}
