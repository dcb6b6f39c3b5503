package certs

import (
	"fmt"
	"strings"
)

// Reason is why a bundle is refused: a stable word for status and scripts.
type Reason string

const (
	ReasonTooLarge        Reason = "too_large"        // more than 64 KiB
	ReasonTooMany         Reason = "too_many"         // more than ten certificates
	ReasonTooDeep         Reason = "too_deep"         // more than 16 levels or 4096 elements
	ReasonTruncated       Reason = "truncated"        // ends before it is whole
	ReasonTrailing        Reason = "trailing"         // bytes after the structure
	ReasonForm            Reason = "form"             // not a form of certificates at all
	ReasonNotSigned       Reason = "not_signed_data"  // PKCS#7, but of another kind
	ReasonNone            Reason = "no_certificate"   // well-formed, without a certificate
	ReasonPrivateKey      Reason = "private_key"      // a secret in a public file
	ReasonDuplicateIssuer Reason = "duplicate_issuer" // two certificates of one issuer
	ReasonCRL             Reason = "crl"              // a revocation list that cannot be honoured
	ReasonUnusable        Reason = "no_usable"        // nothing in it can be trusted now
)

// A BundleError says why a bundle is refused, and where.
type BundleError struct {
	Reason Reason
	Offset int    // byte in the file (in its decoded form after base64), -1: the whole file
	Detail string // what was found, and what to do
	// Dates: only dates make the bundle unusable, so it may be right once the
	// clock is.
	Dates bool
}

func (e *BundleError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "trust bundle: %s", e.Reason)
	if e.Offset >= 0 {
		fmt.Fprintf(&s, " at byte %d", e.Offset)
	}
	if e.Detail != "" {
		s.WriteString(": " + e.Detail)
	}
	return sentence(s.String(), e.Remedy())
}

func refuse(r Reason, offset int, format string, args ...any) *BundleError {
	return &BundleError{Reason: r, Offset: offset, Detail: fmt.Sprintf(format, args...)}
}
