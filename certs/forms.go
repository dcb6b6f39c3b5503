package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"go.mozilla.org/pkcs7"
)

// signedData is the content of the object identifier 1.2.840.113549.1.7.2;
// the kinds of PKCS#7 differ in the last byte.
var signedData = []byte{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02}

var pkcs7Kinds = map[byte]string{1: "Data", 2: "SignedData", 3: "EnvelopedData", 4: "SignedAndEnvelopedData", 5: "DigestedData", 6: "EncryptedData"}

// contentType returns the object identifier that begins a PKCS#7 structure,
// nil for anything else. b has passed the guard.
func contentType(b []byte) []byte {
	outer, err := header(b, 0, 0)
	if err != nil || outer.tag != 0x30 {
		return nil
	}
	inner, err := header(b, outer.content, 0)
	if err != nil || inner.tag != asn1.TagOID {
		return nil
	}
	return b[inner.content : inner.content+inner.length]
}

// pkcs7 takes the certificates and lists of a SignedData. Signers do not count.
func (c *contents) pkcs7(b, kind []byte, base int, what string) error {
	if !bytes.Equal(kind, signedData) {
		return refuse(ReasonNotSigned, base, "%s is %s: only SignedData carries certificates", what, kindText(kind))
	}
	p, err := parsePKCS7(b)
	if err != nil {
		return refuse(ReasonForm, base, "%s is damaged PKCS#7: %v", what, err)
	}
	if len(p.Certificates) == 0 {
		c.other = append(c.other, "PKCS#7 without certificates")
	}
	c.certs = append(c.certs, p.Certificates...)
	for _, list := range p.CRLs {
		raw, err := asn1.Marshal(list)
		if err != nil {
			return refuse(ReasonCRL, base, "%s: %v", what, err)
		}
		crl, err := x509.ParseRevocationList(raw)
		if err != nil {
			return refuse(ReasonCRL, base, "%s: %v", what, err)
		}
		c.crls = append(c.crls, crl)
	}
	return nil
}

func kindText(kind []byte) string {
	if len(kind) == len(signedData) && bytes.HasPrefix(kind, signedData[:8]) {
		if name := pkcs7Kinds[kind[8]]; name != "" {
			return "PKCS#7 " + name
		}
	}
	return "PKCS#7 of an unknown kind"
}

// parsePKCS7 is the only caller of the library's parser; b has passed the
// guard, without which nested input kills the process by a stack overflow
// that recover does not stop.
func parsePKCS7(b []byte) (p *pkcs7.PKCS7, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("the parser broke: %v", r)
		}
	}()
	if p, err = pkcs7.Parse(b); err == nil && p == nil {
		err = errors.New("the parser found nothing")
	}
	return p, err
}

const keyKind = "a private key"

// foreignKind names well-known structures that are taken for bundles by
// mistake; empty for an unknown one.
func foreignKind(b []byte) string {
	if _, err := x509.ParsePKCS8PrivateKey(b); err == nil {
		return keyKind
	}
	if _, err := x509.ParsePKCS1PrivateKey(b); err == nil {
		return keyKind
	}
	if secKey(b) || encryptedKey(b) {
		return keyKind
	}
	if _, err := x509.ParseCertificateRequest(b); err == nil {
		return "a certificate request (CSR)"
	}
	if _, err := x509.ParseRevocationList(b); err == nil {
		return "a revocation list alone"
	}
	if _, err := x509.ParsePKIXPublicKey(b); err == nil {
		return "a public key"
	}
	var store struct {
		Version int
		Rest    asn1.RawValue
		MAC     asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(b, &store); err == nil && store.Version == 3 {
		return "a PKCS#12 store"
	}
	return ""
}

// secKey recognises the EC private key of SEC 1, with or without its curve.
func secKey(b []byte) bool {
	var key struct {
		Version int
		Key     []byte
	}
	_, err := asn1.Unmarshal(b, &key)
	return err == nil && key.Version == 1
}

// encryptedKey recognises an EncryptedPrivateKeyInfo: an algorithm of PKCS#5
// or PKCS#12 and an octet string.
func encryptedKey(b []byte) bool {
	var key struct {
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Data []byte
	}
	_, err := asn1.Unmarshal(b, &key)
	pkcs := asn1.ObjectIdentifier{1, 2, 840, 113549, 1}
	return err == nil && len(key.Algorithm.ID) > 5 && key.Algorithm.ID[:5].Equal(pkcs)
}
