package certs

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"canseal/internal/durable"
)

// SealKey returns the key that signs a device's seal records, nil where it has
// none: that of device.crt on the card, whatever the dates of that, and as long as
// no certificate fits, device.key. It reads the files anew each time, so that a
// renewed key counts from then on. Errors are *IdentityError: a key is there and
// cannot be used.
func SealKey(card, state durable.FS) (crypto.Signer, error) {
	var leaf *x509.Certificate
	if file, err := readCertificate(card); err == nil {
		if i, err := readIdentity(file); err == nil {
			leaf = i.Leaf
		}
	}
	var first crypto.Signer
	var broken error
	for _, name := range []string{DeviceKey, NextKey, PreviousKey} {
		key, err := LoadKey(state, name)
		if err != nil {
			var e *IdentityError
			if errors.As(err, &e) && e.Reason != IdentityNoKey && broken == nil {
				broken = err
			}
			continue
		}
		if leaf != nil && sameKey(leaf, key) {
			return key, nil
		}
		if name == DeviceKey {
			first = key
		}
	}
	if first == nil {
		return nil, broken
	}
	return first, nil
}

func sameKey(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

// Vouches tells whether an authority of the bundle has issued a device's
// certificate for a client, and no revocation list of the bundle names it. above
// are issuers that came with it. What it signed stays signed: a certificate that
// has ended is judged at its last moment. Errors say why not.
func (b *Bundle) Vouches(leaf *x509.Certificate, above []*x509.Certificate, now time.Time) error {
	at := now
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	v := x509.VerifyOptions{Roots: b.Pool(), Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range above {
		v.Intermediates.AddCert(c)
	}
	if leaf.IsCA {
		return fmt.Errorf("%.256q is an authority's, and no device's", leaf.Subject)
	}
	chains, err := leaf.Verify(v)
	if err != nil {
		return fmt.Errorf("%.256q: %w", leaf.Subject, quoted{err})
	}
	for _, chain := range chains {
		if err = b.acceptChain(chain, TLSOptions{MinRSABits: defaultRSABits}); err == nil {
			return nil
		}
	}
	return err
}
