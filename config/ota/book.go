package ota

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"canseal/internal/durable"
	"canseal/internal/trial"
)

// File is the name of the book in the state folder.
const File = "settings.json"

const (
	maxBook     = 64 << 10
	maxRefused  = 16 // hashes that are remembered
	maxSigners  = 16
	bookVersion = 1
)

// Serial is how far the statements of one signer have come.
type Serial struct {
	Serial    int64  `json:"serial"`
	Statement string `json:"statement"` // SHA-256 of it, hex
}

// Owned is what is current of an object.
type Owned struct {
	SHA256 string `json:"sha256"`
	Source string `json:"source"` // card, signed, bucket, rollback
	Since  string `json:"since,omitempty"`
	Serial int64  `json:"serial,omitempty"` // of the statement that named it
}

// Refusal is a hash that was refused.
type Refusal struct {
	Object string `json:"object"`
	SHA256 string `json:"sha256"`
	Reason string `json:"reason"`
	Alone  bool   `json:"alone,omitempty"` // judged by itself, without a trial
}

// book is what is remembered: settings.json. A book is never changed, only
// replaced by one that is durable.
type book struct {
	V        int               `json:"v"`
	Signers  map[string]Serial `json:"signers,omitempty"` // by SHA-256 of the signer's public key
	Current  map[string]Owned  `json:"current"`           // by object
	Seen     map[string]Tag    `json:"seen,omitempty"`    // what of the bucket was judged last, by object
	Settings trial.Record      `json:"settings"`          // of configuration and bundle
	Identity trial.Record      `json:"identity"`
	Serial   int64             `json:"serial,omitempty"` // of the last statement that was taken
	Named    map[string]string `json:"named,omitempty"`  // what it named
	Refused  []Refusal         `json:"refused,omitempty"`
	News     string            `json:"news_until,omitempty"` // not_after of the last statement
}

func newBook() *book {
	return &book{V: bookVersion, Settings: trial.Record{State: trial.Settled}, Identity: trial.Record{State: trial.Settled}}
}

// clone is a copy that can be written to.
func (b *book) clone() *book {
	c := *b
	c.Signers, c.Current, c.Seen = maps.Clone(b.Signers), maps.Clone(b.Current), maps.Clone(b.Seen)
	if c.Signers == nil {
		c.Signers = map[string]Serial{}
	}
	if c.Current == nil {
		c.Current = map[string]Owned{}
	}
	if c.Seen == nil {
		c.Seen = map[string]Tag{}
	}
	c.Refused = slices.Clone(b.Refused)
	return &c
}

// loadBook reads the book; a state folder without one begins anew.
func loadBook(state durable.FS) (*book, error) {
	text, err := durable.ReadFile(state, File, maxBook)
	if errors.Is(err, fs.ErrNotExist) {
		return newBook(), nil
	}
	if err != nil {
		return newBook(), err
	}
	b := newBook()
	if err := json.Unmarshal(text, b); err != nil {
		return newBook(), fmt.Errorf("read %s: %w", File, err)
	}
	if b.V != bookVersion {
		return newBook(), fmt.Errorf("read %s: version %d, wanted %d", File, b.V, bookVersion)
	}
	for _, w := range []which{settings, identity} {
		if r := b.record(w); !slices.Contains(states, r.State) { // a damaged one: nothing is on trial
			*r = trial.Record{State: trial.Settled}
		}
	}
	return b, nil
}

var states = []trial.State{trial.Settled, trial.Staged, trial.Trying, trial.Settling, trial.Refused}

func (b *book) save(state durable.FS) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return durable.WriteFile(state, File, append(text, '\n'), 0o600)
}

// record is the one of a trial.
func (b *book) record(w which) *trial.Record {
	if w == identity {
		return &b.Identity
	}
	return &b.Settings
}

// write takes over a record, and what follows from it.
func (b *book) write(w which, next trial.Record, now string) {
	before := *b.record(w)
	*b.record(w) = next
	switch {
	case next.State == trial.Settled && before.State == trial.Settling:
		for _, o := range before.Objects {
			b.Current[o.Name] = Owned{SHA256: o.New, Source: before.Source, Since: now, Serial: b.serial(before)}
		}
	case next.State == trial.Refused:
		for _, o := range before.Objects {
			b.refuse(Refusal{Object: o.Name, SHA256: o.New, Reason: next.Reason})
		}
	}
}

// serial is that of a signed candidate.
func (b *book) serial(r trial.Record) int64 {
	if r.Source == Signed {
		return b.Serial
	}
	return 0
}

// refuse remembers a hash, and forgets the oldest one.
func (b *book) refuse(r Refusal) {
	b.forgive(r.Object, r.SHA256)
	b.Refused = append(b.Refused, r)
	if len(b.Refused) > maxRefused {
		b.Refused = b.Refused[1:]
	}
}

// forgive forgets a hash.
func (b *book) forgive(object, sha256 string) {
	b.Refused = slices.DeleteFunc(b.Refused, func(r Refusal) bool { return r.Object == object && r.SHA256 == sha256 })
}

// refused tells why a hash was refused, nil if it was not.
func (b *book) refused(object, sha256 string) *Refusal {
	if i := slices.IndexFunc(b.Refused, func(r Refusal) bool { return r.Object == object && r.SHA256 == sha256 }); i >= 0 {
		return &b.Refused[i]
	}
	return nil
}

// accept notes how far a signer has come. Where there are too many, one that is
// not this is forgotten.
func (b *book) accept(signer string, s Serial) {
	b.Signers[signer] = s
	for key := range b.Signers {
		if len(b.Signers) > maxSigners && key != signer {
			delete(b.Signers, key)
		}
	}
}
