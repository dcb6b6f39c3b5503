package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// BundleOptions are the rules for what a bundle holds.
type BundleOptions struct {
	// MinRSABits is the smallest RSA key that counts as usable. 0: 2048.
	MinRSABits int
	// WarnDuplicateIssuer keeps two certificates of one issuer, with a note,
	// instead of refusing the file.
	WarnDuplicateIssuer bool
	// Now judges the dates. Zero: time.Now.
	Now time.Time
}

// Bundle is the set of certificates that may stand above, or be, a server's.
type Bundle struct {
	Certificates []Certificate
	FileSHA256   string // of the raw bytes: what sha256sum prints
	SetSHA256    string // over the sorted certificates: equal across encodings
	Cleared      bool   // an empty file: nothing is trusted
	Notes        []string

	crls []*x509.RevocationList
}

// Certificate is one entry of a bundle, in the form of device.json.
type Certificate struct {
	Subject   string            `json:"subject"`
	Issuer    string            `json:"issuer"`
	SHA256    string            `json:"sha256"` // of the DER
	NotBefore time.Time         `json:"not_before"`
	NotAfter  time.Time         `json:"not_after"`
	Key       string            `json:"key"`             // like "EC P-256", "RSA 2048"
	Flags     []string          `json:"flags,omitempty"` // see Flag...
	X509      *x509.Certificate `json:"-"`
}

// Flags of a certificate. All but FlagWeakHash keep it from being usable.
const (
	FlagExpired     = "expired"
	FlagNotYetValid = "not_yet_valid"
	FlagDSA         = "dsa"         // TLS has no use for it
	FlagKeyRefused  = "key_refused" // RSA below 1024 bits: no setting admits it
	FlagKeySmall    = "key_small"   // RSA below BundleOptions.MinRSABits
	FlagKeyUnknown  = "key_unknown" // a kind of key that TLS here does not speak
	FlagWeakHash    = "weak_hash"   // signed with SHA-1 or MD5: fine for an anchor, refused below one
)

// LoadBundle reads a file in any of the forms of the package's table and
// applies the rules on its content. Refusals are *BundleError.
//
// An empty file gives a Bundle that is Cleared, and no error. With
// ReasonUnusable the Bundle is returned beside the error, so that it can be
// shown; every other error comes with nil.
func LoadBundle(file []byte, o BundleOptions) (*Bundle, error) {
	b, err := InspectBundle(file, o)
	var e *BundleError
	if errors.As(err, &e) && e.Reason != ReasonUnusable {
		return nil, err
	}
	return b, err
}

// InspectBundle is LoadBundle for a person who looks: where the file could be
// read, what it holds is returned beside every error.
func InspectBundle(file []byte, o BundleOptions) (*Bundle, error) {
	if o.MinRSABits == 0 {
		o.MinRSABits = defaultRSABits
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	c, err := collect(file)
	if err != nil {
		return nil, err
	}
	b := &Bundle{FileSHA256: sum(file), Notes: c.notes, Cleared: c.empty}
	for _, cert := range c.certs {
		b.add(cert, o)
	}
	b.SetSHA256 = b.set()
	if c.empty {
		return b, nil
	}
	if err := b.judge(c, o); err != nil {
		return b, err
	}
	return b, b.usable(o.Now)
}

// add appends a certificate unless the very same is there.
func (b *Bundle) add(cert *x509.Certificate, o BundleOptions) {
	id := sum(cert.Raw)
	if slices.ContainsFunc(b.Certificates, func(c Certificate) bool { return c.SHA256 == id }) {
		b.note("%q is there twice: counted once", cert.Subject)
		return
	}
	b.Certificates = append(b.Certificates, Certificate{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), SHA256: id,
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
		Key: keyText(cert), Flags: flags(cert, o), X509: cert,
	})
}

// judge applies the rules that concern the file as a whole.
func (b *Bundle) judge(c *contents, o BundleOptions) error {
	if len(b.Certificates) == 0 {
		return refuse(ReasonNone, -1, "found %s; to clear all certificates use an empty file", c.found())
	}
	if n := len(b.Certificates); n > maxCerts {
		return refuse(ReasonTooMany, -1, "%d certificates, at most %d are taken", n, maxCerts)
	}
	if err := b.issuers(o); err != nil {
		return err
	}
	return b.honour(c.crls, o.Now)
}

// issuers holds the rule that no two certificates have the same issuer.
func (b *Bundle) issuers(o BundleOptions) error {
	for i, c := range b.Certificates {
		for _, d := range b.Certificates[:i] {
			if !bytes.Equal(c.X509.RawIssuer, d.X509.RawIssuer) {
				continue
			}
			if !o.WarnDuplicateIssuer {
				return refuse(ReasonDuplicateIssuer, -1, "%q and %q have the same issuer %q", d.Subject, c.Subject, c.Issuer)
			}
			b.note("%q and %q have the same issuer: other devices refuse this bundle", d.Subject, c.Subject)
		}
	}
	return nil
}

// usable refuses a bundle of which nothing can be trusted at now, and notes
// one that ends soon.
func (b *Bundle) usable(now time.Time) error {
	dates := false
	for _, c := range b.Certificates {
		if c.Usable() {
			if days := b.DaysLeft(now); days < 30 {
				b.note("the last usable certificate expires in %d days", days)
			}
			return nil
		}
		dates = dates || !c.blocked(FlagDSA, FlagKeyRefused, FlagKeySmall, FlagKeyUnknown)
	}
	e := refuse(ReasonUnusable, -1, "none of %d certificates can be used: %s", len(b.Certificates), b.flagText())
	e.Dates = dates
	return e
}

// Usable tells whether the certificate could be trusted when it was loaded.
func (c Certificate) Usable() bool {
	return !c.blocked(FlagExpired, FlagNotYetValid, FlagDSA, FlagKeyRefused, FlagKeySmall, FlagKeyUnknown)
}

func (c Certificate) blocked(by ...string) bool {
	return slices.ContainsFunc(c.Flags, func(f string) bool { return slices.Contains(by, f) })
}

// Lists are the revocation lists that are honoured.
func (b *Bundle) Lists() []*x509.RevocationList { return b.crls }

// Pool holds the certificates of the bundle and nothing else: the roots of a
// chain, whether they are roots, intermediates or a server's own.
func (b *Bundle) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if b != nil {
		for _, c := range b.Certificates {
			pool.AddCert(c.X509)
		}
	}
	return pool
}

// DaysLeft returns the whole days from now until the last certificate that
// was usable at load expires; negative when that is past, 0 when there is
// none.
func (b *Bundle) DaysLeft(now time.Time) int {
	var last time.Time
	for _, c := range b.Certificates {
		if c.Usable() && c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if last.IsZero() {
		return 0
	}
	return int(math.Floor(last.Sub(now).Hours() / 24))
}

// SHA256 lists the hash of every certificate, in the order of the file.
func (b *Bundle) SHA256() []string {
	list := make([]string, len(b.Certificates))
	for i, c := range b.Certificates {
		list[i] = c.SHA256
	}
	return list
}

// set hashes the certificates sorted by their bytes.
func (b *Bundle) set() string {
	raw := make([][]byte, len(b.Certificates))
	for i, c := range b.Certificates {
		raw[i] = c.X509.Raw
	}
	slices.SortFunc(raw, bytes.Compare)
	return sum(bytes.Join(raw, nil))
}

func (b *Bundle) note(format string, args ...any) {
	b.Notes = append(b.Notes, fmt.Sprintf(format, args...))
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
