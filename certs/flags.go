package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
)

const (
	defaultRSABits = 2048
	refusedRSABits = 1024 // below it Go refuses a key, and so does every setting
)

// keyText names the kind and size of a certificate's key.
func keyText(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	if c.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm {
		return "unknown"
	}
	return c.PublicKeyAlgorithm.String()
}

// flags tells what stands against a certificate.
func flags(c *x509.Certificate, o BundleOptions) []string {
	var f []string
	if o.Now.After(c.NotAfter) {
		f = append(f, FlagExpired)
	}
	if o.Now.Before(c.NotBefore) {
		f = append(f, FlagNotYetValid)
	}
	if key := keyFlag(c, o.MinRSABits); key != "" {
		f = append(f, key)
	}
	if weakHash(c.SignatureAlgorithm) {
		f = append(f, FlagWeakHash)
	}
	return f
}

func keyFlag(c *x509.Certificate, minRSABits int) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < refusedRSABits:
			return FlagKeyRefused
		case bits < minRSABits:
			return FlagKeySmall
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return FlagKeyUnknown
		}
	case ed25519.PublicKey:
	default:
		if c.PublicKeyAlgorithm == x509.DSA {
			return FlagDSA
		}
		return FlagKeyUnknown
	}
	return ""
}

func weakHash(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// flagText lists each certificate with its flags, for an error.
func (b *Bundle) flagText() string {
	list := make([]string, len(b.Certificates))
	for i, c := range b.Certificates {
		list[i] = fmt.Sprintf("%q (%s, until %s): %s", c.Subject, c.Key, c.NotAfter.Format("2006-01-02"), strings.Join(c.Flags, ", "))
	}
	return strings.Join(list, "; ")
}
