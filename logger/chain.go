package logger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"canseal/internal/durable"
	"canseal/segment"
)

// sealFile keeps the end of the chain in the state folder.
const sealFile = "seal"

// chain is the end of the chain of seal records, across sessions and cards.
type chain struct {
	Head    string `json:"head"`    // SHA-256 of the last line
	Lines   uint64 `json:"lines"`   // written by this device so far
	Dropped uint64 `json:"dropped"` // unsent segments deleted by this device so far
}

// loadChain reads state/seal; known is false when it is absent or unusable.
func loadChain(state durable.FS) (c chain, known bool, err error) {
	text, err := durable.ReadFile(state, sealFile, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return chain{Head: segment.FirstPrev}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil && !isHash(c.Head) {
		err = fmt.Errorf("found head %.70q, wanted 64 lower-case hex digits", c.Head)
	}
	if err != nil {
		return chain{Head: segment.FirstPrev}, false, fmt.Errorf("state/%s: %w", sealFile, err)
	}
	return c, true, nil
}

func (c chain) save(state durable.FS) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return durable.WriteFile(state, sealFile, append(text, '\n'), 0o600)
}

// cardLines are the seal lines of a card as far as the chain needs them.
type cardLines struct {
	next    map[string]string // hash by Prev
	hashes  []string          // in order of sessions
	dropped uint64
}

func newCardLines() *cardLines { return &cardLines{next: make(map[string]string)} }

func (l *cardLines) add(lines []segment.SealLine) {
	for _, s := range lines {
		hash := s.Hash()
		l.next[s.Prev] = hash
		l.hashes = append(l.hashes, hash)
		l.dropped = max(l.dropped, s.Dropped)
	}
}

// resume finds where the chain goes on. state/seal is one line behind when the
// power failed between the line and it; when it is lost, the chain goes on from
// the last line of the card that none follows.
func (c chain) resume(known bool, l *cardLines) chain {
	if !known {
		for _, hash := range l.hashes {
			if _, followed := l.next[hash]; !followed {
				c.Head = hash
			}
		}
		c.Lines = uint64(len(l.hashes))
	}
	for range l.hashes {
		next, ok := l.next[c.Head]
		if !ok {
			break
		}
		c.Head = next
		c.Lines++
	}
	c.Dropped = max(c.Dropped, l.dropped)
	return c
}

func isHash(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}
