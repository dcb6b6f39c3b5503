package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mozilla.org/pkcs7"
)

// Signer is the one certificate whose signatures count: pinned, so nothing
// above it is asked.
type Signer struct{ Certificate *x509.Certificate }

// A SignatureError says why a signature does not count.
type SignatureError struct {
	Detail string
	// Dates: only a date stands against it, so it may count once the clock is
	// right.
	Dates bool
}

func (e *SignatureError) Error() string { return "signature: " + e.Detail }

func noSignature(format string, args ...any) error {
	return &SignatureError{Detail: fmt.Sprintf(format, args...)}
}

// ParseSigner reads a signer's certificate, PEM or DER: ECDSA on P-256 or
// P-384, or RSA from 2048 bits, with extended key usage codeSigning, and no
// authority.
func ParseSigner(file []byte) (*Signer, error) {
	c, err := collect(file)
	if err != nil {
		return nil, err
	}
	if len(c.certs) != 1 {
		return nil, fmt.Errorf("signer: found %d certificates, wanted one", len(c.certs))
	}
	cert := c.certs[0]
	switch {
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageCodeSigning):
		return nil, errors.New("signer: the certificate's extendedKeyUsage does not name codeSigning")
	case cert.IsCA:
		return nil, errors.New("signer: the certificate is an authority's (CA:TRUE); wanted the signer's own")
	case !signs(cert):
		return nil, fmt.Errorf("signer: %s key, wanted EC P-256, P-384 or RSA from 2048 bits", keyText(cert))
	}
	return &Signer{cert}, nil
}

// signs tells whether a key is of a kind that Verify reads.
func signs(c *x509.Certificate) bool {
	switch k := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize == 256 || k.Curve.Params().BitSize == 384
	case *rsa.PublicKey:
		return k.N.BitLen() >= defaultRSABits
	}
	return false
}

// Key is the SHA-256 of the signer's public key, hex: what serials are counted
// by.
func (s *Signer) Key() string {
	h := sha256.Sum256(s.Certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(h[:])
}

// clockLead is how far a signer's clock may be ahead of ours.
const clockLead = 24 * time.Hour

// Verify checks a detached signature over content, in CMS, DER or PEM, as
//
//	openssl cms -sign -binary -outform DER -md sha256 -nosmimecap -signer ota.pem -inkey ota.key -in FILE -out FILE.p7s
//
// makes it. Certificates inside the signature do not count: it is checked with
// the pinned one alone. now judges dates; with synchronised, a signature from
// more than a day ahead is one of a wrong clock. Errors are *SignatureError.
func (s *Signer) Verify(content, signature []byte, now time.Time, synchronised bool) error {
	p, err := parseSignature(signature)
	if err != nil {
		return err
	}
	if err := s.form(p); err != nil {
		return err
	}
	if err := s.dates(p, now, synchronised); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate)
	p.Certificates, p.Content = []*x509.Certificate{s.Certificate}, content
	if err := p.VerifyWithChainAtTime(pool, now); err != nil {
		return noSignature("%.200q", err.Error())
	}
	return nil
}

// parseSignature takes a CMS structure out of a file. The guard stands before
// the library, as it does for bundles.
func parseSignature(file []byte) (*pkcs7.PKCS7, error) {
	if len(file) > maxFile {
		return nil, noSignature("%d bytes, at most %d are read", len(file), maxFile)
	}
	der, base := file, 0
	if start := bytes.TrimLeft(file, whitespace); bytes.HasPrefix(start, pemBegin) {
		block, rest := pem.Decode(start)
		if block == nil || block.Type != "CMS" && block.Type != "PKCS7" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, noSignature("wanted one PEM block CMS or PKCS7, and nothing else")
		}
		der = block.Bytes
	}
	if err := new(guard).check(der, base); err != nil {
		return nil, noSignature("%s", err)
	}
	if kind := contentType(der); !bytes.Equal(kind, signedData) {
		return nil, noSignature("wanted CMS SignedData")
	}
	p, err := parsePKCS7(der)
	if err != nil {
		return nil, noSignature("damaged: %.200q", err.Error())
	}
	return p, nil
}

var (
	oidData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidDigests = []asn1.ObjectIdentifier{
		pkcs7.OIDDigestAlgorithmSHA256, pkcs7.OIDDigestAlgorithmSHA384, pkcs7.OIDDigestAlgorithmSHA512,
	}
	oidSignatures = []asn1.ObjectIdentifier{
		pkcs7.OIDEncryptionAlgorithmRSA, pkcs7.OIDEncryptionAlgorithmRSASHA256, pkcs7.OIDEncryptionAlgorithmRSASHA384,
		pkcs7.OIDEncryptionAlgorithmRSASHA512, pkcs7.OIDDigestAlgorithmECDSASHA256, pkcs7.OIDDigestAlgorithmECDSASHA384,
		pkcs7.OIDDigestAlgorithmECDSASHA512,
	}
)

// form refuses what the library would take: content of the signature's own,
// several signers, no signed attributes, SHA-1.
func (s *Signer) form(p *pkcs7.PKCS7) error {
	switch {
	case len(p.Content) > 0:
		return noSignature("it holds content of its own: sign without -nodetach")
	case len(p.Signers) != 1:
		return noSignature("%d signers, wanted one (-keyid is not read)", len(p.Signers))
	}
	by := p.Signers[0]
	id := by.IssuerAndSerialNumber
	var kind asn1.ObjectIdentifier
	switch {
	case !bytes.Equal(id.IssuerName.FullBytes, s.Certificate.RawIssuer) || id.SerialNumber == nil || id.SerialNumber.Cmp(s.Certificate.SerialNumber) != 0:
		return noSignature("made by another certificate than %.100q", s.Certificate.Subject)
	case len(by.AuthenticatedAttributes) == 0:
		return noSignature("without signed attributes: sign without -noattr")
	case p.UnmarshalSignedAttribute(pkcs7.OIDAttributeContentType, &kind) != nil || !kind.Equal(oidData):
		return noSignature("its content type is not data")
	case !slices.ContainsFunc(oidDigests, by.DigestAlgorithm.Algorithm.Equal):
		return noSignature("digest %s, wanted SHA-256, SHA-384 or SHA-512", by.DigestAlgorithm.Algorithm)
	case !slices.ContainsFunc(oidSignatures, by.DigestEncryptionAlgorithm.Algorithm.Equal):
		return noSignature("algorithm %s, wanted ECDSA or RSA PKCS#1 with SHA-256, SHA-384 or SHA-512", by.DigestEncryptionAlgorithm.Algorithm)
	}
	return nil
}

// dates judges the signer's certificate, and the time that the signer says.
func (s *Signer) dates(p *pkcs7.PKCS7, now time.Time, synchronised bool) error {
	c := s.Certificate
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return &SignatureError{Dates: true, Detail: fmt.Sprintf("the signer's certificate is good from %s to %s, and it is %s here",
			c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly), now.UTC().Format(time.DateOnly))}
	}
	var at time.Time
	if err := p.UnmarshalSignedAttribute(pkcs7.OIDAttributeSigningTime, &at); err == nil && synchronised && at.After(now.Add(clockLead)) {
		return &SignatureError{Dates: true, Detail: "made more than a day from now: a wrong clock of the signer"}
	}
	return nil
}

// SignDetached signs content with a device's identity, CMS in DER: what Verify
// reads, and `openssl cms -verify -binary -inform DER -content FILE`.
func SignDetached(content []byte, leaf *x509.Certificate, key crypto.Signer) ([]byte, error) {
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(leaf, key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signed.Detach()
	return signed.Finish()
}
