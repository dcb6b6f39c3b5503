package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"canseal/internal/durable"
)

// Names of a device's identity: the certificate in the card's root, the keys
// in the state folder (docs/formats.md C5).
const (
	DeviceCertificate = "device.crt"
	DeviceKey         = "device.key"
	NextKey           = "device.key.next"     // of a request that is under way
	PreviousKey       = "device.key.previous" // of the certificate before
)

// maxKey bounds the file of a key in bytes; RSA 4096 takes 3.3 KiB.
const maxKey = 16 << 10

// KeyKind is what a key is made as.
type KeyKind string

const (
	KeyP256    KeyKind = "p256" // the default
	KeyP384    KeyKind = "p384"
	KeyRSA2048 KeyKind = "rsa2048" // for servers that know no ECDSA
	KeyRSA3072 KeyKind = "rsa3072"
	KeyRSA4096 KeyKind = "rsa4096"
)

// KeyKinds lists what NewKey makes.
func KeyKinds() []KeyKind { return []KeyKind{KeyP256, KeyP384, KeyRSA2048, KeyRSA3072, KeyRSA4096} }

// NewKey makes a key in memory. An empty kind is KeyP256.
func NewKey(kind KeyKind) (crypto.Signer, error) {
	switch kind {
	case KeyP256, "":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case KeyP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case KeyRSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case KeyRSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case KeyRSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("make key: no kind %.40q; want one of %v", kind, KeyKinds())
}

// MakeKey makes a key in the state folder, mode 0600, durable when it returns.
// A key that is there is never written over: fs.ErrExist.
func MakeKey(state durable.FS, name string, kind KeyKind) (crypto.Signer, error) {
	if _, err := state.Stat(name); err == nil {
		return nil, fmt.Errorf("make %s: %w", name, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	key, err := NewKey(kind)
	if err != nil {
		return nil, err
	}
	text, err := EncodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	if err := durable.WriteFile(state, name, text, 0o600); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return key, nil
}

// LoadKey reads a key of the state folder. Errors are *IdentityError, of reason
// no_key where there is no file.
func LoadKey(state durable.FS, name string) (crypto.Signer, error) {
	text, err := durable.ReadFile(state, name, maxKey)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, identityError(IdentityNoKey, name, "no such file in the state folder", remedyKey)
	case errors.Is(err, fs.ErrPermission):
		return nil, identityError(IdentityKeyUnread, name, "this user may not read it", "run as the user that canseald runs as")
	case err != nil:
		return nil, identityError(IdentityKeyUnread, name, err.Error(), "")
	}
	if open, err := durable.Exposed(state, name); err == nil && open {
		return nil, identityError(IdentityKeyExposed, name, "other users can read it", "chmod 600 it; whoever has read it is this device, so make a new key if that may be")
	}
	key, err := ParseKey(text)
	if err != nil {
		return nil, identityError(IdentityKeyUnread, name, err.Error(), "restore it, or ask for a certificate for a new one: canseal certs csr --new")
	}
	return key, nil
}

// ParseKey reads the private key of a PEM file: PKCS#8, or the older forms for
// EC and RSA. Encrypted ones are refused. Nothing of the key is in its errors.
func ParseKey(text []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("no PEM private key")
		}
		switch block.Type {
		case "EC PARAMETERS", "CERTIFICATE":
			continue
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted: decrypt it with `openssl pkey`")
		}
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the private key is encrypted: decrypt it with `openssl pkey`")
		}
		return parseKeyBlock(block)
	}
}

func parseKeyBlock(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("found PEM block %.40q, wanted a private key", b.Type)
	}
	if err != nil {
		return nil, errors.New("the private key is damaged, or of a kind that is not known here")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key cannot sign")
	}
	return signer, nil
}

// EncodeKey returns a key as PEM, PKCS#8.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// SettleKey makes the key of a request the device's key: device.key becomes
// device.key.previous, device.key.next becomes device.key. A certificate finds
// its key among the three at every cut between. Without a next key nothing is
// done.
func SettleKey(state durable.FS) error {
	if _, err := state.Stat(NextKey); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := state.Rename(DeviceKey, PreviousKey); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("settle the device's key: %w", err)
	}
	if err := state.SyncDir("."); err != nil {
		return fmt.Errorf("settle the device's key: %w", err)
	}
	if err := state.Rename(NextKey, DeviceKey); err != nil {
		return fmt.Errorf("settle the device's key: %w", err)
	}
	return state.SyncDir(".")
}
