package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	identityFile = "keys.age"
	// maxWork bounds what a file can cost that is encrypted with a passphrase:
	// 256 MiB of memory and about a second (scrypt, N = 2^18).
	maxWork = 18
)

// ErrNoIdentity says that this box has no key to open provisioning files with.
var ErrNoIdentity = errors.New("no identity in the state folder: canseal keys init makes one")

// Recipient returns the age recipient of this box: for whom provisioning files
// are encrypted. It is no secret.
func (s Store) Recipient() (string, error) {
	identity, err := s.identity()
	if err != nil {
		return "", err
	}
	return identity.Recipient().String(), nil
}

// Init makes what is missing of the store: the file of keys, without keys, and
// the identity. It returns the recipient and whether the identity is new.
func (s Store) Init() (recipient string, made bool, err error) {
	if _, err := s.State.Stat(keysFile); errors.Is(err, fs.ErrNotExist) {
		if err := s.save(nil); err != nil {
			return "", false, err
		}
	}
	recipient, err = s.Recipient()
	if !errors.Is(err, ErrNoIdentity) {
		return recipient, false, err
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", false, err
	}
	if err := s.write(identityFile, []byte(identity.String()+"\n")); err != nil {
		return "", false, err
	}
	return identity.Recipient().String(), true, nil
}

func (s Store) identity() (*age.X25519Identity, error) {
	text, err := s.read(identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoIdentity
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read %s: wanted an age identity", identityFile) // its error may quote the text
	}
	return identity, nil
}

// Provisioning is the content of a file that brings keys (docs/formats.md C10).
type provisioning struct {
	Version int `json:"version"`
	Keys    []struct {
		Bus    string `json:"bus"`
		Device uint8  `json:"device"`
		Slot   uint8  `json:"slot"`
		Key    secret `json:"key"`
	} `json:"keys"`
}

// Provision takes up the keys of an age file, binary or armored, that is
// encrypted for this box or, where one is given, with a passphrase: all of them
// or none. A slot that holds another key must be erased first. It returns what
// the file holds.
func (s Store) Provision(from io.Reader, passphrase string) ([]Entry, error) {
	identities, err := s.openers(passphrase)
	if err != nil {
		return nil, err
	}
	records, err := readProvisioning(from, identities)
	if err != nil {
		return nil, fmt.Errorf("provisioning file: %w", err)
	}
	entries := make([]Entry, len(records))
	for i := range records {
		entries[i] = records[i].Entry
	}
	return entries, s.put(records)
}

// openers are the identities that may open a file: the passphrase, if there is
// one, else that of this box.
func (s Store) openers(passphrase string) ([]age.Identity, error) {
	if passphrase == "" {
		identity, err := s.identity()
		return []age.Identity{identity}, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(maxWork)
	return []age.Identity{identity}, nil
}

// readProvisioning decrypts and checks a file of at most 64 KiB.
func readProvisioning(from io.Reader, identities []age.Identity) ([]record, error) {
	sealed, err := atMost(from)
	if err != nil {
		return nil, err
	}
	var in io.Reader = bytes.NewReader(sealed)
	if bytes.HasPrefix(bytes.TrimSpace(sealed), []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	opened, err := age.Decrypt(in, identities...)
	if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
		return nil, errors.New("it is encrypted for somebody else, or with another passphrase")
	}
	if err != nil {
		return nil, errors.New("wanted an age file, found another one or a damaged one") // the other error may quote it
	}
	text, err := atMost(opened)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return parseProvisioning(text)
}

func atMost(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("wanted at most %d bytes", maxFile)
	}
	return b, err
}

func parseProvisioning(text []byte) ([]record, error) {
	var p provisioning
	if err := strictly(text, &p); err != nil {
		return nil, err
	}
	if p.Version != 1 || len(p.Keys) == 0 || len(p.Keys) > maxKeys {
		return nil, fmt.Errorf("found version %d with %d keys, wanted version 1 with 1 to %d", p.Version, len(p.Keys), maxKeys)
	}
	records := make([]record, len(p.Keys))
	for i, k := range p.Keys {
		if k.Key == (secret{}) {
			return nil, fmt.Errorf("keys[%d].key: missing, or all zero", i)
		}
		records[i] = record{Entry{Bus: k.Bus, Device: k.Device, Slot: k.Slot, From: FromProvisioning}, k.Key}
	}
	return records, checkEntries(records)
}
