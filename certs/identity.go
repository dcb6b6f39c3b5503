package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"canseal/internal/durable"
)

// maxIdentity bounds device.crt in bytes.
const maxIdentity = 16 << 10

// Identity is what a device shows of itself: a certificate, and the key behind
// it. It is not changed once it is loaded.
type Identity struct {
	Signer crypto.Signer
	Leaf   *x509.Certificate
	// Chain are the issuers that follow the leaf in the file, each the issuer of
	// the one before. They are sent with it.
	Chain []*x509.Certificate
	Key   string   // which key fits, like "device.key.next"
	Notes []string // what a person should know
}

// IdentityOptions are the rules for a device's certificate.
type IdentityOptions struct {
	Device string           // DEVICEID; another name in the certificate is noted
	Now    func() time.Time // judges the dates. nil: time.Now
}

// Key is one key that a certificate may belong to.
type Key struct {
	Name   string // its file
	Signer crypto.Signer
}

// OpenIdentity reads device.crt of the card and the key of the state folder
// that fits it. It is cheap, and meant to be called for each handshake: what
// was exchanged counts from then on. Errors are *IdentityError.
func OpenIdentity(card, state durable.FS, o IdentityOptions) (*Identity, error) {
	file, err := readCertificate(card)
	if err != nil {
		return nil, err
	}
	var keys []Key
	var broken error
	for _, name := range []string{DeviceKey, NextKey, PreviousKey} {
		key, err := LoadKey(state, name)
		var e *IdentityError
		switch {
		case err == nil:
			keys = append(keys, Key{name, key})
		case errors.As(err, &e) && e.Reason != IdentityNoKey && broken == nil:
			broken = err
		}
	}
	id, err := NewIdentity(file, keys, o)
	var e *IdentityError
	if broken != nil && errors.As(err, &e) && (e.Reason == IdentityNoKey || e.Reason == IdentityKeyMismatch) {
		return nil, broken // the one that fits may be the one that cannot be read
	}
	return id, err
}

func readCertificate(card durable.FS) ([]byte, error) {
	file, err := durable.ReadFile(card, DeviceCertificate, maxIdentity)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, identityError(IdentityNoCertificate, DeviceCertificate, "no such file on the card", remedyCertificate)
	case errors.Is(err, durable.ErrTooLarge):
		return nil, identityError(IdentityForm, DeviceCertificate, fmt.Sprintf("larger than %d bytes", maxIdentity), remedyCertificate)
	case err != nil:
		return nil, identityError(IdentityForm, DeviceCertificate, err.Error(), "")
	}
	return file, nil
}

// CheckDeviceCertificate judges device.crt of a card alone, without the key
// that only the box has. Errors are *IdentityError.
func CheckDeviceCertificate(card durable.FS, o IdentityOptions) error {
	file, err := readCertificate(card)
	if err != nil {
		return err
	}
	i, err := readIdentity(file)
	if err != nil {
		return err
	}
	return i.judge(o)
}

// TLS is the identity as a handshake wants it.
func (i *Identity) TLS() *tls.Certificate {
	c := &tls.Certificate{Certificate: [][]byte{i.Leaf.Raw}, PrivateKey: i.Signer, Leaf: i.Leaf}
	for _, above := range i.Chain {
		c.Certificate = append(c.Certificate, above.Raw)
	}
	return c
}

// SHA256 is the hash of the certificate's DER, in hex.
func (i *Identity) SHA256() string { return sum(i.Leaf.Raw) }

// NotAfter is when the first certificate of the identity expires.
func (i *Identity) NotAfter() time.Time {
	end := i.Leaf.NotAfter
	for _, c := range i.Chain {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end.UTC()
}

// DaysLeft returns the whole days until NotAfter, negative when it is past.
func (i *Identity) DaysLeft(now time.Time) int {
	return int(math.Floor(i.NotAfter().Sub(now).Hours() / 24))
}

// RenewalDue tells that less than before is left: time to ask for a new
// certificate.
func (i *Identity) RenewalDue(now time.Time, before time.Duration) bool {
	return !now.Before(i.NotAfter().Add(-before))
}

// Speaks tells whether a server that asks for a certificate takes signatures of
// this key; the error is an *IdentityError. Which authorities the server names
// does not count.
func (i *Identity) Speaks(r *tls.CertificateRequestInfo) error {
	any := *r
	any.AcceptableCAs = nil
	if err := any.SupportsCertificate(i.TLS()); err != nil {
		return i.refuse(IdentityUnsupported, i.Leaf, "the server takes no signature of its "+keyText(i.Leaf)+" key", "ask for a certificate with another kind of key: `canseal certs csr --new --key rsa2048`")
	}
	return nil
}
