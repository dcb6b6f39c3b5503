package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxRequest bounds a certificate request in bytes.
const maxRequest = 16 << 10

// Request asks for a certificate for a device: PEM, common name DEVICEID,
// signed by the key.
func Request(key crypto.Signer, device string) ([]byte, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: device}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("request certificate for %s: %w", device, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// ParseRequest reads a request, PEM or DER, and checks that its sender holds
// the key.
func ParseRequest(file []byte) (*x509.CertificateRequest, error) {
	if len(file) > maxRequest {
		return nil, fmt.Errorf("certificate request: %d bytes, at most %d are read", len(file), maxRequest)
	}
	if err := noPrivateKey(file); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	der := file
	if b, _ := pem.Decode(file); b != nil {
		if b.Type != "CERTIFICATE REQUEST" && b.Type != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("certificate request: found PEM block %.40q", b.Type)
		}
		der = b.Bytes
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, errors.New("certificate request: its signature is not that of its key")
	}
	return r, nil
}
