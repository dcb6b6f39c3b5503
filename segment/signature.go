package segment

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrSignature says that a signature is not over this line, or of another key.
var ErrSignature = errors.New("the signature is wrong")

// KeyID is how a seal record names a key: the SHA-256 of its
// SubjectPublicKeyInfo, 64 lower-case hex digits. Keys are ECDSA or RSA.
func KeyID(public crypto.PublicKey) (string, error) {
	switch public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
	default:
		return "", fmt.Errorf("key of a seal record: found %T, wanted ECDSA or RSA", public)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("key of a seal record: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// Signed is the line with key and signature: ECDSA (DER) or RSA PKCS#1 v1.5, with
// SHA-256 over SignedBytes. What a broken key makes is an error and never a line.
func (s SealLine) Signed(key crypto.Signer) (SealLine, error) {
	id, err := KeyID(key.Public())
	if err != nil {
		return SealLine{}, err
	}
	s.Raw, s.Key, s.Sig = nil, id, ""
	digest := sha256.Sum256(s.SignedBytes())
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return SealLine{}, fmt.Errorf("sign seal record: %w", err)
	}
	s.Sig = base64.StdEncoding.EncodeToString(signature)
	if err := s.CheckSignature(key.Public()); err != nil {
		return SealLine{}, fmt.Errorf("sign seal record: %w", err)
	}
	return s, nil
}

// CheckSignature holds the signature of a line against a key. A line of another
// key, and one without a signature, is ErrSignature.
func (s SealLine) CheckSignature(public crypto.PublicKey) error {
	id, err := KeyID(public)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(s.Sig)
	if err != nil || s.Key != id {
		return ErrSignature
	}
	digest, right := sha256.Sum256(s.SignedBytes()), false
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		right = ecdsa.VerifyASN1(k, digest[:], signature)
	case *rsa.PublicKey:
		right = rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil
	}
	if !right {
		return ErrSignature
	}
	return nil
}
