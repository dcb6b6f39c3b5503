package control

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// profile is the prologue of the handshake and the salt of the key.
const profile = "canseal-control/1"

// MinToken is how many characters a token has at least.
const MinToken = 24

// printed are tokens that stand in public documents.
var printed = []string{
	"6NJfaCFwJhL79+b4TAclWyFpZZYKf8AmEdnvSsQr/tw",
	"8XYFQmjLrHxqn7T8FIh6zb3STkG+jRZxDqvGyd/H4xU",
}

// Key is what both ends make of the token. It prints itself as [key].
type Key struct{ secret [32]byte }

func (Key) String() string   { return "[key]" }
func (Key) GoString() string { return "[key]" }

// NewToken makes a token of 32 random bytes: 43 characters.
func NewToken(random io.Reader) (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(b[:]), nil
}

// NewKey stretches a token, which takes some 75 ms and 32 MiB. White space
// around it is not part of it. The error never shows it.
func NewKey(token string) (Key, error) {
	token = strings.TrimSpace(token)
	switch {
	case len(token) < MinToken:
		return Key{}, fmt.Errorf("found a token of %d characters, wanted at least %d: canseal auth-token makes one", len(token), MinToken)
	case slices.Contains(printed, token):
		return Key{}, fmt.Errorf("found a token that is printed in public documents, wanted a secret one: canseal auth-token makes one")
	case strings.Trim(token, token[:1]) == "":
		return Key{}, fmt.Errorf("found a token of one character repeated, wanted a random one: canseal auth-token makes one")
	}
	return stretch(token, profile)
}

func stretch(token, salt string) (k Key, err error) {
	b, err := scrypt.Key([]byte(token), []byte(salt), 1<<15, 8, 1, len(k.secret))
	if err != nil {
		return Key{}, fmt.Errorf("stretch the token: %w", err)
	}
	copy(k.secret[:], b)
	return k, nil
}
