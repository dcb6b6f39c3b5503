package main

import (
	"fmt"
	"os"
	"path/filepath"

	"canseal/decode/input"
	"canseal/internal/durable"
	"canseal/segment"
)

// trust keeps the segments that are as they were sealed on their cards.
type trust struct {
	wanted segment.Standing                                 // Consistent, or Signed, which is more
	verify func(segment.Card) (segment.Verification, error) // that of canseal verify
	cards  map[string]*card                                 // by root
	bad    []note                                           // segments that were changed, and broken chains
}

func newTrust(wanted segment.Standing, verify func(segment.Card) (segment.Verification, error)) *trust {
	return &trust{wanted: wanted, verify: verify, cards: map[string]*card{}}
}

// card is what verifying one card found.
type card struct {
	err      error
	standing map[string]segment.Standing // by DEVICE/SESSION/SPLIT
}

// keep tells whether a segment stands as is wanted, and if not, why.
func (t *trust) keep(s *input.Segment) (why string, keep bool) {
	root, found := cardRoot(s.File.Name)
	if !found {
		return "not on a card with a folder LOG: nothing to verify it by", false
	}
	c := t.cards[root]
	if c == nil {
		c = t.read(root)
		t.cards[root] = c
	}
	if c.err != nil {
		return "its card cannot be verified: " + c.err.Error(), false
	}
	switch standing := c.standing[segmentKey(s.Device, s.Session, s.Split)]; standing {
	case t.wanted, segment.Signed:
		return "", true
	case segment.Consistent: // and Signed was wanted
		const why = "not signed by a key that counts"
		t.bad = append(t.bad, note{s.File.Name, why + ", left out by --verify"})
		return why, false
	case segment.Altered, segment.Extra:
		t.bad = append(t.bad, note{s.File.Name, string(standing) + ", left out by --verify"})
		return string(standing), false
	case "":
		return "not among the sealed segments of its card", false
	default:
		return string(standing), false
	}
}

func segmentKey(device string, session, split uint32) string {
	return fmt.Sprintf("%s/%08d/%08d", device, session, split)
}

// read verifies a card whole.
func (t *trust) read(root string) *card {
	c := &card{standing: map[string]segment.Standing{}}
	all := segment.Card{FS: durable.Dir(root)}
	devices, err := segment.Devices(all)
	if err != nil {
		return &card{err: err}
	}
	for _, all.Device = range devices {
		v, err := t.verify(all)
		if err != nil {
			return &card{err: err}
		}
		for _, f := range v.Findings {
			c.standing[segmentKey(string(v.Device), f.Name.Session, f.Name.Split)] = f.Standing
		}
		for _, b := range v.Breaks {
			t.bad = append(t.bad, note{root, "chain of seals broken: " + b})
		}
	}
	return c
}

// cardRoot finds the folder that holds LOG above a file.
func cardRoot(name string) (string, bool) {
	path, err := filepath.Abs(name)
	if err != nil || name == input.Stdin {
		return "", false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "LOG")); err == nil && info.IsDir() {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
}
