package certs

import "strings"

// What to do about a bundle that is refused; reasons whose Detail says it have
// no row.
var bundleRemedies = map[Reason]string{
	ReasonTooLarge:        "keep the certificates alone, without text around them",
	ReasonTooMany:         "keep the anchors alone: a root or an intermediate stands for all below it",
	ReasonTooDeep:         remedyExport,
	ReasonTruncated:       "copy the file again, or " + remedyExport,
	ReasonTrailing:        remedyExport,
	ReasonForm:            remedyExport,
	ReasonNotSigned:       remedyExport,
	ReasonDuplicateIssuer: "keep one of them, or set tls.duplicate_issuer: warn if no CANedge reads this bundle",
	ReasonCRL:             "export the full list of an authority of this bundle, or leave the list out",
	ReasonUnusable:        "put a certificate in that is in date and has a key that TLS takes",
}

const remedyExport = "make it with `canseal certs bundle` or `openssl crl2pkcs7 -nocrl -certfile FILE -out certs_server.p7b`"

// Remedy says what to do; empty where Detail does.
func (e *BundleError) Remedy() string { return bundleRemedies[e.Reason] }

// What to do about a server that is not trusted.
var trustRemedies = map[Fault]string{
	FaultUnknownAuthority: "put the certificate of its authority, or its own where it signed itself, into certs_server.p7b; a server that leaves out its intermediate needs that one there",
	FaultName:             "name the endpoint as the certificate does, or have it issued with this name as subjectAltName",
	FaultExpired:          "it, or what stands above it, must be renewed",
	FaultNotYetValid:      "look at the clock here, and at that of the authority",
	FaultSmallKey:         "have it issued for a key of 2048 bits, or set tls.min_rsa_bits",
	FaultRevoked:          "the server needs a new certificate, or the bundle another list",
	FaultPin:              "is this the right server? If its key was changed on purpose, add it to tls.pin_sha256",
	FaultOther:            "look at it with `canseal certs inspect`",
}

// Remedy says what to do.
func (e *TrustError) Remedy() string { return trustRemedies[e.Fault] }

// What the flags of a certificate mean, and what to do.
var flagMeanings = map[string]string{
	FlagExpired:     "past its date, so nothing below it is trusted: take the renewed one",
	FlagNotYetValid: "not trusted before its date",
	FlagDSA:         "TLS has no use for a DSA key: have the server use RSA or ECDSA",
	FlagKeyRefused:  "an RSA key below 1024 bits can be broken, and no setting admits it: make one with 2048 bits",
	FlagKeySmall:    "an RSA key below tls.min_rsa_bits: make one with 2048 bits, or set tls.min_rsa_bits: 1024",
	FlagKeyUnknown:  "TLS does not speak this kind of key here",
	FlagWeakHash:    "signed with SHA-1 or MD5: fine for an anchor, refused below one",
}

// FlagMeaning says what a flag of a certificate means, and what to do.
func FlagMeaning(flag string) string { return flagMeanings[flag] }

// sentence joins the parts of an error that are there.
func sentence(head string, parts ...string) string {
	var s strings.Builder
	s.WriteString(head)
	for _, p := range parts {
		if p != "" {
			s.WriteString("; " + p)
		}
	}
	return s.String()
}
