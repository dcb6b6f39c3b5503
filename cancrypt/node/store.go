package node

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"canseal/cancrypt"
	"canseal/internal/durable"
)

const (
	keysFile = "keys"
	maxFile  = 64 << 10 // bytes of the file of keys, and of a file that provides keys
	maxKeys  = 256
)

var (
	// ErrExposed says that other users can read or write a file of secrets.
	ErrExposed = errors.New("open to other users: chmod 600 it; whoever has read it knows the keys, so make new ones if that may be")
	// ErrNoKey says that there is no key in a slot.
	ErrNoKey = cancrypt.ErrNoKey
)

// Holder says whose key slots are meant.
type Holder struct {
	Bus    string // interface; "": of every bus that has no key of its own in that slot
	Device uint8  // 0: the own keys; 1-15: what a configurator knows of the keys of that device
}

func (h Holder) String() string {
	bus := h.Bus
	if bus == "" {
		bus = "every bus"
	}
	if h.Device == 0 {
		return bus
	}
	return fmt.Sprintf("%s, device %d", bus, h.Device)
}

// wider returns the holders whose keys count where h has none, the nearest
// first, beginning with h itself.
func (h Holder) wider() []Holder {
	all := []Holder{h, {h.Bus, 0}, {"", h.Device}, {}}
	var distinct []Holder
	for _, w := range all {
		if !slices.Contains(distinct, w) {
			distinct = append(distinct, w)
		}
	}
	return distinct
}

// Entry is what is told of a key that the store holds: everything but the key.
type Entry struct {
	Bus    string    `json:"bus,omitempty"`
	Device uint8     `json:"device,omitempty"`
	Slot   uint8     `json:"slot"`
	From   string    `json:"from"` // FromProvisioning, FromPairing, FromHere
	At     time.Time `json:"at"`   // by the clock of this box
}

// Where a key is from.
const (
	FromProvisioning = "provisioned"
	FromPairing      = "paired"
	FromHere         = "made"
)

// Holder says whose key it is.
func (e Entry) Holder() Holder { return Holder{e.Bus, e.Device} }

// Store is the key slots of this box: the file "keys" of the state folder, mode
// 0600, replaced as a whole at each change. It is read anew for each question,
// so several programs may use it.
type Store struct {
	State durable.FS
	// Lock keeps other programs from changing the file meanwhile; nil: there are
	// none.
	Lock func() (io.Closer, error)
	// Written is told of each file that was written; nil: nobody is.
	Written func(name string) error
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

const lockFile = "keys.lock"

// At returns the store of a state folder. A program that changes it while
// another one does waits for two seconds. written is told of each file that is
// written, or may be new; nil: nobody is.
func At(dir string, written func(name string) error) Store {
	s := Store{State: durable.Dir(dir), Written: written}
	s.Lock = func() (lock io.Closer, err error) {
		for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			lock, err = durable.Lock(filepath.Join(dir, lockFile))
			if err == nil && written != nil {
				err = written(lockFile)
			}
			if !errors.Is(err, durable.ErrLocked) || time.Since(begun) > 2*time.Second {
				return lock, err
			}
		}
	}
	return s
}

// record is an Entry with its key, as it stands in the file.
type record struct {
	Entry
	Key secret `json:"key"`
}

// secret is a key that is written out, into files of mode 0600 alone.
type secret cancrypt.Key

func (s secret) Format(f fmt.State, verb rune) { cancrypt.Key(s).Format(f, verb) }
func (s secret) LogValue() slog.Value          { return cancrypt.Key(s).LogValue() }
func (s secret) MarshalText() ([]byte, error)  { return hex.AppendEncode(nil, s[:]), nil }

func (s *secret) UnmarshalText(text []byte) error {
	if len(text) != 2*len(s) {
		return fmt.Errorf("%w: found %d characters", errKey, len(text))
	}
	if _, err := hex.Decode(s[:], text); err != nil {
		return errKey // the other error quotes the key
	}
	return nil
}

var errKey = errors.New("key: wanted 32 hexadecimal digits")

// Entries lists the keys, by bus, device and slot.
func (s Store) Entries() ([]Entry, error) {
	records, err := s.load()
	entries := make([]Entry, len(records))
	for i := range records {
		entries[i] = records[i].Entry
	}
	return entries, err
}

// Slots returns the slots of a holder; from says where keys that are saved come
// from. This box has in them the keys that count for it, those of every bus too:
// erasing one erases it for every bus. A device known to a configurator has its
// own, and in the slots in based those that count in their place.
func (s Store) Slots(h Holder, from string, based ...uint8) (*cancrypt.Slots, error) {
	records, err := s.load()
	if err != nil {
		return nil, err
	}
	keys := map[uint8]cancrypt.Key{}
	for id := uint8(1); id <= cancrypt.MaxSlots; id++ {
		counts := h.wider()
		if h.Device != 0 && !slices.Contains(based, id) {
			counts = counts[:1]
		}
		if r := find(records, counts, id); r != nil {
			keys[id] = cancrypt.Key(r.Key)
		}
	}
	return cancrypt.NewSlots(keys, func(id uint8, key *cancrypt.Key) error {
		if key != nil {
			return s.put([]record{{Entry{Bus: h.Bus, Device: h.Device, Slot: id, From: from}, secret(*key)}})
		}
		_, err := s.Erase(h, id)
		if err == nil && h.Device == 0 {
			_, err = s.Erase(Holder{}, id)
		}
		return err
	})
}

// find returns the first key of a slot that one of the holders has.
func find(records []record, holders []Holder, slot uint8) *record {
	for _, h := range holders {
		for i := range records {
			if r := &records[i]; r.Holder() == h && r.Slot == slot {
				return r
			}
		}
	}
	return nil
}

// Key returns the key that counts for a holder in a slot: its own, else that of
// its bus, of the device on any bus, of every bus.
func (s Store) Key(h Holder, slot uint8) (cancrypt.Key, error) {
	records, err := s.load()
	if err != nil {
		return cancrypt.Key{}, err
	}
	if r := find(records, h.wider(), slot); r != nil {
		return cancrypt.Key(r.Key), nil
	}
	return cancrypt.Key{}, fmt.Errorf("slot %d of %v: %w", slot, h, ErrNoKey)
}

// Erase removes a holder's own key and tells whether there was one. The file is
// written anew without it; what a card or a disk keeps of old blocks is beyond
// the reach of a program.
func (s Store) Erase(h Holder, slot uint8) (bool, error) {
	found := false
	err := s.change(func(all []record) ([]record, error) {
		return slices.DeleteFunc(all, func(r record) bool {
			hit := r.Holder() == h && r.Slot == slot
			found = found || hit
			return hit
		}), nil
	})
	return found, err
}

// Make fills a slot that holds no key with a random one.
func (s Store) Make(h Holder, slot uint8) error {
	r := record{Entry: Entry{Bus: h.Bus, Device: h.Device, Slot: slot, From: FromHere}}
	rand.Read(r.Key[:]) // never fails
	if err := checkEntries([]record{r}); err != nil {
		return err
	}
	return s.put([]record{r})
}

// put adds keys, all or none. A key that is there already stays as it is.
func (s Store) put(news []record) error {
	return s.change(func(all []record) ([]record, error) {
		for _, n := range news {
			i := slices.IndexFunc(all, func(r record) bool { return r.Holder() == n.Holder() && r.Slot == n.Slot })
			switch {
			case i < 0:
				n.At = s.now()
				all = append(all, n)
			case all[i].Key != n.Key:
				return nil, fmt.Errorf("slot %d of %v: %w", n.Slot, n.Holder(), cancrypt.ErrTaken)
			}
		}
		return all, nil
	})
}

func (s Store) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC().Truncate(time.Second)
	}
	return time.Now().UTC().Truncate(time.Second)
}

// change replaces the file under the lock. What is not changed is not written.
func (s Store) change(edit func(all []record) ([]record, error)) error {
	if s.Lock != nil {
		lock, err := s.Lock()
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	before, err := s.load()
	if err != nil {
		return err
	}
	after, err := edit(slices.Clone(before))
	if err != nil || slices.Equal(before, after) {
		return err
	}
	return s.save(after)
}

// file is the content of the file of keys (docs/formats.md C5).
type file struct {
	Version int      `json:"v"`
	Keys    []record `json:"keys"`
}

func (s Store) save(records []record) error {
	slices.SortFunc(records, func(a, b record) int { return a.compare(b.Entry) })
	if len(records) > maxKeys {
		return fmt.Errorf("write %s: found %d keys, wanted at most %d", keysFile, len(records), maxKeys)
	}
	text, err := json.MarshalIndent(file{1, records}, "", " ")
	if err != nil {
		return err
	}
	defer clear(text)
	return s.write(keysFile, append(text, '\n'))
}

// write replaces a file of secrets.
func (s Store) write(name string, content []byte) error {
	if err := durable.WriteFile(s.State, name, content, 0o600); err != nil {
		return err
	}
	if s.Written != nil {
		return s.Written(name)
	}
	return nil
}

func (e Entry) compare(other Entry) int {
	if c := strings.Compare(e.Bus, other.Bus); c != 0 {
		return c
	}
	return int(e.Device)<<8 + int(e.Slot) - int(other.Device)<<8 - int(other.Slot)
}

// load reads the file; none is no keys.
func (s Store) load() ([]record, error) {
	text, err := s.read(keysFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	var f file
	if err := strictly(text, &f); err != nil {
		return nil, fmt.Errorf("read %s: %w", keysFile, err)
	}
	if f.Version != 1 || len(f.Keys) > maxKeys {
		return nil, fmt.Errorf("read %s: found version %d with %d keys, wanted version 1 with at most %d", keysFile, f.Version, len(f.Keys), maxKeys)
	}
	if err := checkEntries(f.Keys); err != nil {
		return nil, fmt.Errorf("read %s: %w", keysFile, err)
	}
	return f.Keys, nil
}

// read reads a file of secrets, unless others can read it too.
func (s Store) read(name string) ([]byte, error) {
	text, err := durable.ReadFile(s.State, name, maxFile)
	if err != nil {
		return nil, err
	}
	if open, err := durable.Exposed(s.State, name); err != nil || open {
		clear(text)
		return nil, errors.Join(err, fmt.Errorf("read %s: %w", name, ErrExposed))
	}
	return text, nil
}

// strictly reads one JSON value without unknown fields. Its errors name places,
// never content, for that may be a key in a wrong place.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	kind := (*json.UnmarshalTypeError)(nil)
	switch {
	case err == nil && !d.More(), errors.Is(err, errKey):
		return err
	case errors.As(err, &kind):
		return fmt.Errorf("byte %d: another kind of value than %s wants", kind.Offset, kind.Field)
	}
	return fmt.Errorf("byte %d: wanted one JSON value, with known fields alone", d.InputOffset())
}

// checkEntries refuses slots and devices that cannot be, and two keys of one
// slot.
func checkEntries(records []record) error {
	seen := map[Entry]bool{}
	for i, r := range records {
		place := Entry{Bus: r.Bus, Device: r.Device, Slot: r.Slot}
		switch {
		case r.Slot < 1 || r.Slot > cancrypt.MaxSlots:
			return fmt.Errorf("keys[%d].slot: found %d, wanted 1 to %d", i, r.Slot, cancrypt.MaxSlots)
		case r.Device > 15:
			return fmt.Errorf("keys[%d].device: found %d, wanted 0 to 15", i, r.Device)
		case !isBus(r.Bus):
			return fmt.Errorf("keys[%d].bus: wanted the name of an interface", i)
		case seen[place]:
			return fmt.Errorf("keys[%d]: a second key of slot %d of %v", i, r.Slot, r.Holder())
		}
		seen[place] = true
	}
	return nil
}

// isBus reports whether a name can be one of a network interface, or is empty.
func isBus(name string) bool {
	return len(name) < 16 && strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) < 0
}
