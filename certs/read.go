package certs

import (
	"crypto/x509"
	"errors"
)

// ReadCertificates returns what a file in any form of the package's table
// holds, in its order, without the rules for bundles. Errors are *BundleError.
func ReadCertificates(file []byte) ([]*x509.Certificate, []*x509.RevocationList, error) {
	c, err := collect(file)
	if err == nil && len(c.certs)+len(c.crls) == 0 {
		err = refuse(ReasonNone, -1, "found %s", c.found())
	}
	if err != nil {
		if list, listErr := readList(file); listErr == nil {
			return nil, []*x509.RevocationList{list}, nil
		}
		return nil, nil, err
	}
	return c.certs, c.crls, nil
}

// readList reads a revocation list that stands alone, in DER.
func readList(file []byte) (*x509.RevocationList, error) {
	if len(file) > maxFile {
		return nil, errors.New("too large")
	}
	if err := new(guard).check(file, 0); err != nil {
		return nil, err
	}
	return x509.ParseRevocationList(file)
}

// KeyText names the kind and size of a certificate's key, like "EC P-256".
func KeyText(c *x509.Certificate) string { return keyText(c) }

// Fingerprint is the SHA-256 of a certificate's DER, in hex.
func Fingerprint(c *x509.Certificate) string { return sum(c.Raw) }
