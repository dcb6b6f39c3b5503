package certs

import "fmt"

// IdentityReason is why a device has no usable identity: a stable word for
// status and scripts.
type IdentityReason string

const (
	IdentityNoCertificate IdentityReason = "no_certificate" // device.crt is not there
	IdentityNoKey         IdentityReason = "no_key"         // no key in the state folder
	IdentityKeyUnread     IdentityReason = "key_unread"     // a key is there and cannot be used
	IdentityKeyExposed    IdentityReason = "key_exposed"    // other users can read the key
	IdentityKeyMismatch   IdentityReason = "key_mismatch"   // certificate and keys do not belong together
	IdentityForm          IdentityReason = "form"           // not a file of certificates
	IdentityPrivateKey    IdentityReason = "private_key"    // a secret in a public file
	IdentityUsage         IdentityReason = "usage"          // not issued for a client of TLS
	IdentityAuthority     IdentityReason = "authority"      // issued for a CA
	IdentityExpired       IdentityReason = "expired"
	IdentityNotYetValid   IdentityReason = "not_yet_valid"
	IdentityChain         IdentityReason = "chain"       // a certificate behind it is not the issuer of the one before
	IdentityWeak          IdentityReason = "weak"        // a key or signature that servers refuse
	IdentityUnsupported   IdentityReason = "unsupported" // the server speaks no signature of this key
)

// IdentityError says why a device cannot show who it is: which file or
// certificate, why, and what to do.
type IdentityError struct {
	Reason  IdentityReason
	Subject string // the certificate's subject, else the file's name
	Detail  string
	Remedy  string // empty: none is known
}

// What to do where a part is missing.
const (
	remedyKey         = "make it with `canseal certs csr`, and have the request signed"
	remedyCertificate = "ask with `canseal certs csr`, have the request signed, and put the answer on the card as device.crt"
)

func (e *IdentityError) Error() string {
	s := fmt.Sprintf("device identity: %s %.256q", e.Reason, e.Subject)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return sentence(s, e.Remedy)
}

// Dates tells that only the date stands against the certificate: with a clock
// that is not synchronised that is a question of time.
func (e *IdentityError) Dates() bool {
	return e.Reason == IdentityExpired || e.Reason == IdentityNotYetValid
}

func identityError(r IdentityReason, subject, detail, remedy string) *IdentityError {
	return &IdentityError{Reason: r, Subject: subject, Detail: detail, Remedy: remedy}
}
