package certs

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
)

// Withdrawn lists what b trusts less than before did: certificates that it does
// not hold, and serial numbers that its lists name and the earlier ones did not.
// Going back to before would bring that trust back.
func (b *Bundle) Withdrawn(before *Bundle) (list []string) {
	for _, c := range before.Certificates {
		if !slices.ContainsFunc(b.Certificates, func(o Certificate) bool { return o.SHA256 == c.SHA256 }) {
			list = append(list, fmt.Sprintf("certificate %.100q", c.Subject))
		}
	}
	for _, l := range b.crls {
		for _, entry := range l.RevokedCertificateEntries {
			known := func(o *x509.RevocationList) bool {
				return bytes.Equal(o.RawIssuer, l.RawIssuer) && lists(o, entry.SerialNumber)
			}
			if !slices.ContainsFunc(before.crls, known) {
				list = append(list, fmt.Sprintf("certificate number %s of %.100q", entry.SerialNumber, l.Issuer))
			}
		}
	}
	return list
}
