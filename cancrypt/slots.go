package cancrypt

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
)

// MaxSlots is the number of key slots of a device. A slot's number is its
// level: 1 the lowest, 6 the highest (P1.2).
const MaxSlots = 6

var (
	// ErrLevel says that a key may not be saved or erased by a pairing of this
	// level, or that there are too few fresh bits to save.
	ErrLevel = errors.New("not allowed at this level")
	// ErrTaken says that a slot holds another key: erase it first.
	ErrTaken = errors.New("the slot holds another key")
	// ErrNoSlot says that a number is none of 1-6.
	ErrNoSlot = errors.New("no such slot")
)

// SlotName returns whose key a slot holds, "" for a number that is no slot.
func SlotName(id uint8) string {
	if !isSlot(id) {
		return ""
	}
	return [...]string{"session", "owner", "group", "integrator", "supplier", "manufacturer"}[id-1]
}

func isSlot(id uint8) bool { return id >= 1 && id <= MaxSlots }

// Slots are the key slots of one device. Nothing shows what they hold: keys
// come in, and go to a judge, a member or a pairing.
type Slots struct {
	keys   [MaxSlots + 1]Key
	stored uint8
	keep   func(id uint8, key *Key) error
}

// NewSlots returns slots with some keys. keep makes a change durable before it
// counts, with a nil key when a slot was erased; nil: nothing outlives the slots.
func NewSlots(keys map[uint8]Key, keep func(id uint8, key *Key) error) (*Slots, error) {
	s := &Slots{keep: keep}
	for id, k := range keys {
		if !isSlot(id) {
			return nil, fmt.Errorf("slot %d: %w: want 1-%d", id, ErrNoSlot, MaxSlots)
		}
		s.keys[id] = k
		s.stored |= 1 << id
	}
	return s, nil
}

// Stored returns the slots that hold a key: bit k is slot k.
func (s *Slots) Stored() uint8 { return s.stored }

// Has reports whether a slot holds a key.
func (s *Slots) Has(id uint8) bool { return isSlot(id) && s.stored>>id&1 == 1 }

// Blank reports whether no slot holds a key.
func (s *Slots) Blank() bool { return s.stored == 0 }

// Key hands a slot's key on, to a judge, a member or a pairing of this process.
func (s *Slots) Key(id uint8) (Key, bool) {
	if !s.Has(id) {
		return Key{}, false
	}
	return s.keys[id], true
}

// Put fills a slot as its owner does, by hand. The key that is there already is
// no change, another one is ErrTaken.
func (s *Slots) Put(id uint8, k Key) error {
	switch {
	case !isSlot(id):
		return fmt.Errorf("slot %d: %w: want 1-%d", id, ErrNoSlot, MaxSlots)
	case s.Has(id) && s.keys[id] == k:
		return nil
	case s.Has(id):
		return fmt.Errorf("slot %d: %w", id, ErrTaken)
	}
	if err := s.kept(id, &k); err != nil {
		return err
	}
	s.keys[id], s.stored = k, s.stored|1<<id
	return nil
}

// Erase empties a slot as its owner does, by hand. The memory is overwritten as
// well as a Go program can: copies may remain.
func (s *Slots) Erase(id uint8) error {
	if !isSlot(id) {
		return fmt.Errorf("slot %d: %w: want 1-%d", id, ErrNoSlot, MaxSlots)
	}
	if !s.Has(id) {
		return nil
	}
	if err := s.kept(id, nil); err != nil {
		return err
	}
	s.keys[id], s.stored = Key{}, s.stored&^(1<<id)
	return nil
}

func (s *Slots) kept(id uint8, k *Key) error {
	if s.keep == nil {
		return nil
	}
	if err := s.keep(id, k); err != nil {
		return fmt.Errorf("slot %d: %w", id, err)
	}
	return nil
}

// save fills an empty slot at the wish of a pairing on key level, 0 for none: a
// slot up to that level, or any of a blank device.
func (s *Slots) save(level, id uint8, k Key) error {
	if !isSlot(id) || s.Has(id) || id > level && !s.Blank() {
		return fmt.Errorf("save slot %d at level %d: %w", id, level, ErrLevel)
	}
	return s.Put(id, k)
}

// erase empties a slot at the wish of a pairing on key level.
func (s *Slots) erase(level, id uint8) error {
	if !isSlot(id) || id > level {
		return fmt.Errorf("erase slot %d at level %d: %w", id, level, ErrLevel)
	}
	return s.Erase(id)
}

// String names the slots that are in use.
func (s Slots) String() string {
	var used []string
	for id := uint8(1); id <= MaxSlots; id++ {
		if s.Has(id) {
			used = append(used, strconv.Itoa(int(id)))
		}
	}
	return "slots[" + strings.Join(used, " ") + "]"
}

// Format writes String for every verb.
func (s Slots) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, s.String()) }
func (s Slots) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s Slots) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
