package node

import (
	"bytes"
	"fmt"
	"io"

	"canseal/cancrypt"
)

// KeySet are keys that are not in a store: those of a file, for the judge of
// recorded logs. Nothing shows them.
type KeySet struct{ records []record }

// Format shows that there are keys.
func (KeySet) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[keys]") }

// KeyFile reads a file with keys: what Provision takes, encrypted or not, or the
// file of a store.
func (s Store) KeyFile(from io.Reader, passphrase string) (KeySet, error) {
	text, err := atMost(from)
	if err != nil {
		return KeySet{}, fmt.Errorf("key file: %w", err)
	}
	defer clear(text)
	var records []record
	switch {
	case !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")):
		openers, wrong := s.openers(passphrase)
		if wrong != nil {
			return KeySet{}, fmt.Errorf("key file: %w", wrong)
		}
		records, err = readProvisioning(bytes.NewReader(text), openers)
	case bytes.Contains(text, []byte(`"version"`)):
		records, err = parseProvisioning(text)
	default:
		records, err = parseStore(text)
	}
	if err != nil {
		return KeySet{}, fmt.Errorf("key file: %w", err)
	}
	return KeySet{records}, nil
}

func parseStore(text []byte) ([]record, error) {
	var f file
	if err := strictly(text, &f); err != nil {
		return nil, err
	}
	if f.Version != 1 || len(f.Keys) > maxKeys {
		return nil, fmt.Errorf("found version %d with %d keys, wanted version 1 with at most %d", f.Version, len(f.Keys), maxKeys)
	}
	return f.Keys, checkEntries(f.Keys)
}

// Key returns the key that counts for a bus in a slot, "" for a bus whose name
// nobody knows: then the only key of that slot, if there is just one.
func (k KeySet) Key(bus string, slot uint8) (cancrypt.Key, bool) {
	for _, h := range (Holder{Bus: bus}).wider() {
		for _, r := range k.records {
			if r.Holder() == h && r.Slot == slot {
				return cancrypt.Key(r.Key), true
			}
		}
	}
	var only *record
	for i := range k.records {
		if r := &k.records[i]; bus == "" && r.Slot == slot && r.Device == 0 {
			if only != nil && only.Key != r.Key {
				return cancrypt.Key{}, false
			}
			only = r
		}
	}
	if only == nil {
		return cancrypt.Key{}, false
	}
	return cancrypt.Key(only.Key), true
}
