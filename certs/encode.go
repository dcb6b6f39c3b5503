package certs

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
)

// EncodeBundle returns a PKCS#7 structure in DER that holds certificates and
// nothing signed, as `openssl crl2pkcs7 -outform DER` makes it, with
// revocation lists where there are some.
func EncodeBundle(certs []*x509.Certificate, lists ...*x509.RevocationList) ([]byte, error) {
	if len(certs) == 0 {
		return nil, errors.New("encode bundle: no certificate; an empty file clears all")
	}
	var raw, crls []byte
	for _, c := range certs {
		raw = append(raw, c.Raw...)
	}
	for _, l := range lists {
		crls = append(crls, l.Raw...)
	}
	type content struct {
		Type asn1.ObjectIdentifier
	}
	data := struct {
		Version      int
		Digests      []asn1.RawValue `asn1:"set"`
		Content      content
		Certificates asn1.RawValue
		Lists        asn1.RawValue   `asn1:"optional"`
		Signers      []asn1.RawValue `asn1:"set"`
	}{
		Version: 1, Digests: []asn1.RawValue{}, Content: content{oidData}, Certificates: implicit(0, raw), Signers: []asn1.RawValue{},
	}
	if len(crls) > 0 {
		data.Lists = implicit(1, crls)
	}
	inner, err := asn1.Marshal(data)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, implicit(0, inner)})
}

// implicit is a constructed element with a context-specific tag.
func implicit(tag int, content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: content}
}

// EncodeBundlePEM is EncodeBundle in PEM.
func EncodeBundlePEM(certs []*x509.Certificate, lists ...*x509.RevocationList) ([]byte, error) {
	der, err := EncodeBundle(certs, lists...)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}), nil
}
