package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"time"
)

var (
	oidDelta       = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidPoint       = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidEntryIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
)

// honour takes the revocation lists of a file: each must be a plain full list
// signed by a certificate of the bundle that may sign lists. A list past its
// date goes on denying what it names.
func (b *Bundle) honour(lists []*x509.RevocationList, now time.Time) error {
	for _, l := range lists {
		if kind := partial(l); kind != "" {
			return refuse(ReasonCRL, -1, "the list of %q is %s: use a full one", l.Issuer, kind)
		}
		if !b.signed(l) {
			return refuse(ReasonCRL, -1, "the list of %q is not signed by a certificate of this bundle that may sign lists", l.Issuer)
		}
		if !l.NextUpdate.IsZero() && now.After(l.NextUpdate) {
			b.note("the revocation list of %q is out of date since %s; what it lists stays refused", l.Issuer, l.NextUpdate.Format("2006-01-02"))
		}
		b.crls = append(b.crls, l)
	}
	return nil
}

func (b *Bundle) signed(l *x509.RevocationList) bool {
	for _, c := range b.Certificates {
		if bytes.Equal(c.X509.RawSubject, l.RawIssuer) && l.CheckSignatureFrom(c.X509) == nil {
			return true
		}
	}
	return false
}

// partial names a list that does not say the whole truth about its issuer's
// own certificates; empty for one that does.
func partial(l *x509.RevocationList) string {
	for _, e := range l.Extensions {
		switch {
		case e.Id.Equal(oidDelta):
			return "a delta list"
		case e.Id.Equal(oidPoint):
			if indirect(e.Value) {
				return "an indirect list"
			}
		case e.Critical:
			return "bound to an unknown critical extension " + e.Id.String()
		}
	}
	for _, entry := range l.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Id.Equal(oidEntryIssuer) {
				return "an indirect list"
			}
		}
	}
	return ""
}

// indirect reads the flag indirectCRL of an issuingDistributionPoint; what
// cannot be read counts as set.
func indirect(point []byte) bool {
	var p struct {
		Name         asn1.RawValue  `asn1:"optional,tag:0"`
		User         bool           `asn1:"optional,tag:1"`
		CA           bool           `asn1:"optional,tag:2"`
		Reasons      asn1.BitString `asn1:"optional,tag:3"`
		Indirect     bool           `asn1:"optional,tag:4"`
		AttributesCA bool           `asn1:"optional,tag:5"`
	}
	rest, err := asn1.Unmarshal(point, &p)
	return err != nil || len(rest) > 0 || p.Indirect
}

// Revocations returns how many certificates the lists of the bundle name.
func (b *Bundle) Revocations() int {
	n := 0
	for _, l := range b.crls {
		n += len(l.RevokedCertificateEntries)
	}
	return n
}

// revoked tells whether a list of the bundle names the certificate.
func (b *Bundle) revoked(c *x509.Certificate) bool {
	for _, l := range b.crls {
		if bytes.Equal(l.RawIssuer, c.RawIssuer) && lists(l, c.SerialNumber) {
			return true
		}
	}
	return false
}

func lists(l *x509.RevocationList, serial *big.Int) bool {
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}
