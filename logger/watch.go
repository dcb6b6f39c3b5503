package logger

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"canseal/internal/durable"
)

// cardFile in the state folder: file system id of ROOT, and whether ROOT is its
// mount point; one line, "ID mounted" or "ID folder".
const cardFile = "card"

// ErrCardMissing is the answer of a CheckCard when nothing may be written below
// ROOT: it does not exist, or the card that is mounted there at other times is not.
var ErrCardMissing = errors.New("card missing")

// WatchCard makes the CheckCard of the card at the path root. What is found
// there first is kept in state/card; where a card was mounted once, an empty
// folder of the system disk is never taken for it. Another card in its place is
// welcome.
func WatchCard(root string, state durable.FS) func() error {
	return watchCard(func() (string, bool, error) { return durable.Identity(root) }, state)
}

func watchCard(identify func() (id string, mounted bool, err error), state durable.FS) func() error {
	var mu sync.Mutex
	var known string
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		id, mounted, err := identify()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCardMissing, err)
		}
		if known == "" {
			known = keptCard(state)
		}
		if !mounted && strings.HasSuffix(known, " mounted") {
			return fmt.Errorf("%w: nothing is mounted at the card's folder", ErrCardMissing)
		}
		keepCard(state, &known, cardLine(id, mounted))
		return nil
	}
}

// CardID tells which card is at the path root; empty where the system does not say.
func CardID(root string) func() string {
	return func() string {
		id, _, err := durable.Identity(root)
		if err != nil {
			return ""
		}
		return id
	}
}

func cardLine(id string, mounted bool) string {
	if id == "" {
		id = "-"
	}
	if mounted {
		return id + " mounted"
	}
	return id + " folder"
}

// keptCard is the line of state/card, or empty.
func keptCard(state durable.FS) string {
	text, err := durable.ReadFile(state, cardFile, 256)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// keepCard writes a line that is new. A state folder that takes nothing must not
// stop the recording: the line is kept in memory, and written at a later start.
func keepCard(state durable.FS, known *string, line string) {
	if *known == line {
		return
	}
	*known = line
	_ = durable.WriteFile(state, cardFile, []byte(line+"\n"), 0o600)
}
