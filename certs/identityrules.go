package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// NewIdentity joins a certificate file with the key that fits: one leaf, and
// its issuers behind it, in PEM or as DER. Everything that the device can
// judge alone is judged, the dates last. Errors are *IdentityError.
func NewIdentity(file []byte, keys []Key, o IdentityOptions) (*Identity, error) {
	i, err := readIdentity(file)
	if err != nil {
		return nil, err
	}
	if err := i.fits(keys); err != nil {
		return nil, err
	}
	return i, i.judge(o)
}

// readIdentity takes a file apart, without its key.
func readIdentity(file []byte) (*Identity, error) {
	list, err := identityFile(file)
	if err != nil {
		return nil, err
	}
	i := &Identity{Leaf: list[0], Chain: list[1:]}
	if n := len(list) - 1; n > 0 && selfSigned(list[n]) {
		i.Chain = list[1:n] // the root is the server's own to know
	}
	return i, nil
}

// judge applies every rule but that of the key.
func (i *Identity) judge(o IdentityOptions) error {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	for _, err := range []error{i.purpose(), i.strength(), i.linked(), i.dates(now())} {
		if err != nil {
			return err
		}
	}
	if name := i.Leaf.Subject.CommonName; o.Device != "" && name != o.Device {
		i.Notes = append(i.Notes, fmt.Sprintf("device.crt is issued to %.100q, this device is %s", name, o.Device))
	}
	return nil
}

// identityFile reads the certificates of device.crt in the order of the file.
func identityFile(file []byte) ([]*x509.Certificate, error) {
	if len(file) > maxIdentity {
		return nil, identityError(IdentityForm, DeviceCertificate, fmt.Sprintf("%d bytes, at most %d are read", len(file), maxIdentity), remedyCertificate)
	}
	c, err := collect(file)
	var bad *BundleError
	switch {
	case errors.As(err, &bad) && bad.Reason == ReasonPrivateKey:
		return nil, identityError(IdentityPrivateKey, DeviceCertificate, bad.Detail, "")
	case err != nil:
		return nil, identityError(IdentityForm, DeviceCertificate, err.Error(), remedyCertificate)
	case len(c.certs) == 0:
		return nil, identityError(IdentityForm, DeviceCertificate, c.found(), remedyCertificate)
	case len(c.certs) > maxCerts:
		return nil, identityError(IdentityForm, DeviceCertificate, fmt.Sprintf("%d certificates, at most %d are taken", len(c.certs), maxCerts), remedyCertificate)
	}
	return c.certs, nil
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil
}

// fits finds the key of the certificate.
func (i *Identity) fits(keys []Key) error {
	if len(keys) == 0 {
		return identityError(IdentityNoKey, DeviceKey, "no key in the state folder", remedyKey)
	}
	public, ok := i.Leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	for _, k := range keys {
		if ok && public.Equal(k.Signer.Public()) {
			i.Signer, i.Key = k.Signer, k.Name
			return nil
		}
	}
	names := make([]string, len(keys))
	for n, k := range keys {
		names[n] = k.Name
	}
	return i.refuse(IdentityKeyMismatch, i.Leaf, fmt.Sprintf("its key is none of %v", names),
		"the certificate comes first in the file, its issuers after it; or it was issued for another request: ask again with `canseal certs csr`")
}

// purpose wants a certificate for a client of TLS, and no authority's.
func (i *Identity) purpose() error {
	c := i.Leaf
	const remedy = "have it issued again with basicConstraints CA:FALSE, keyUsage digitalSignature, extendedKeyUsage clientAuth"
	switch {
	case c.IsCA:
		return i.refuse(IdentityAuthority, c, "it may sign other certificates (CA:TRUE)", remedy)
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return i.refuse(IdentityUsage, c, "extendedKeyUsage does not name clientAuth", remedy)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return i.refuse(IdentityUsage, c, "keyUsage does not name digitalSignature", remedy)
	}
	return nil
}

// strength refuses what servers refuse.
func (i *Identity) strength() error {
	for _, c := range append([]*x509.Certificate{i.Leaf}, i.Chain...) {
		if flag := keyFlag(c, defaultRSABits); flag != "" {
			return i.refuse(IdentityWeak, c, keyText(c)+" key: "+flag, "use EC P-256, P-384, or RSA from 2048 bits")
		}
		if weakHash(c.SignatureAlgorithm) {
			return i.refuse(IdentityWeak, c, "signed with "+c.SignatureAlgorithm.String(), "have it issued again with SHA-256")
		}
	}
	return nil
}

// linked wants each certificate of the chain to be the issuer of the one
// before it.
func (i *Identity) linked() error {
	below := i.Leaf
	for _, c := range i.Chain {
		if !bytes.Equal(below.RawIssuer, c.RawSubject) {
			return i.refuse(IdentityChain, c, fmt.Sprintf("it stands behind %.100q, which was issued by %.100q", below.Subject, below.Issuer), "put the issuers behind the device's certificate in order")
		}
		if err := below.CheckSignatureFrom(c); err != nil {
			return i.refuse(IdentityChain, c, fmt.Sprintf("it has not signed %.100q: %v", below.Subject, err), "take the issuer's certificate that belongs to the signing key")
		}
		below = c
	}
	return nil
}

// dates judges the leaf and its issuers by the trusted time.
func (i *Identity) dates(now time.Time) error {
	for _, c := range append([]*x509.Certificate{i.Leaf}, i.Chain...) {
		switch {
		case now.After(c.NotAfter):
			return i.refuse(IdentityExpired, c, "since "+c.NotAfter.UTC().Format(time.RFC3339), "ask for a new one with `canseal certs csr`, and put it on the card as device.crt")
		case now.Before(c.NotBefore):
			return i.refuse(IdentityNotYetValid, c, "before "+c.NotBefore.UTC().Format(time.RFC3339)+", and it is "+now.UTC().Format(time.RFC3339)+" here", "see `canseal clock show` and the clock of the CA")
		}
	}
	return nil
}

func (i *Identity) refuse(r IdentityReason, c *x509.Certificate, detail, remedy string) *IdentityError {
	return identityError(r, c.Subject.String(), detail, remedy)
}
