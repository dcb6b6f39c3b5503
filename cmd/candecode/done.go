package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"canseal/decode/input"
)

// A session whose tables are finished is noted in the output folder, so that
// the next run passes over it: as long as its inputs, the DBC files, the choices
// and the version are the same, and the tables are there. A run that was
// interrupted so goes on with the session in which it ended.
//
// Not noted are sessions that may come out better another time: with damage,
// and with times that a clock anchor found later may correct.

// doneFolder holds a note for each session.
const doneFolder = ".candecode"

// longestNote bounds what is read of a note, in bytes.
const longestNote = 64 << 20

// done is a note: what a session was made of, and what was made of it.
type done struct {
	Version string     `json:"version"`
	Choices string     `json:"choices"` // SHA-256
	Inputs  []doneFile `json:"inputs"`
	Outputs []doneFile `json:"outputs"`
}

type doneFile struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified,omitzero"` // of inputs
}

// choices is a hash of all that decides what tables look like.
func (s *settings) choices() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %q %v %v %q %v %v %v %v %q %q\n", s.timestamps, s.format, s.layout, s.per, s.signals, s.flags.messages, s.raw, s.enumText, s.prefer, s.isotpIDs,
		s.noTransport, s.authentic, s.vouched, s.input.From.UTC(), s.input.To.UTC())
	for _, r := range s.rules {
		fmt.Fprintf(h, "%q %d %q %s\n", r.Device, r.Bus, r.File.Name, r.File.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// newDone describes a session before it is decoded; false: it cannot be told
// from a changed one later.
func (t *tables) newDone(session *input.Session) (*done, bool) {
	d := &done{Version: version, Choices: t.choices()}
	for _, segment := range session.Segments {
		f := &segment.File
		if !f.Modified.IsZero() {
			d.Inputs = append(d.Inputs, doneFile{f.Name, f.Size, f.Modified.UTC()})
			continue
		}
		info, err := os.Stat(f.Name)
		if err != nil || !info.Mode().IsRegular() || f.Name == input.Stdin {
			return nil, false
		}
		d.Inputs = append(d.Inputs, doneFile{f.Name, info.Size(), info.ModTime().UTC()})
	}
	return d, true
}

// note is the name of the note of a session.
func (d *done) note() string {
	sum := sha256.Sum256([]byte(d.Inputs[0].Name))
	return doneFolder + "/" + hex.EncodeToString(sum[:8]) + ".json"
}

// before reads what an earlier run noted; nil: nothing.
func (t *tables) before(d *done) *done {
	text, err := t.folder.ReadFile(d.note(), longestNote)
	if err != nil {
		return nil
	}
	var old done
	if json.Unmarshal(text, &old) != nil {
		return nil
	}
	return &old
}

// finished tells whether the tables of a session are there as they would be
// made again.
func (t *tables) finished(d, old *done) bool {
	same := old != nil && old.Version == d.Version && old.Choices == d.Choices && slices.Equal(old.Inputs, d.Inputs)
	return same && !slices.ContainsFunc(old.Outputs, func(o doneFile) bool { return !t.folder.Has(o.Name, o.Size) })
}

// note writes down that the session is finished, and removes the tables of
// an earlier run that are no longer made.
func (t *tables) note() error {
	if t.old != nil {
		for _, o := range t.old.Outputs {
			if t.folder.Has(o.Name, o.Size) {
				if err := t.folder.Remove(o.Name); err != nil {
					return fmt.Errorf("remove a table of an earlier run: %w", err)
				}
			}
		}
	}
	if t.done == nil || !settled(t.session) {
		return nil
	}
	text, err := json.MarshalIndent(t.done, "", " ")
	if err != nil {
		return err
	}
	file, err := t.folder.Create(t.done.note())
	if err != nil {
		return err
	}
	if _, err := file.Write(append(text, '\n')); err != nil {
		return err
	}
	return file.Close()
}

// settled tells whether a session will always come out like this.
func settled(session *input.Session) bool {
	return !slices.ContainsFunc(session.Segments, func(s *input.Segment) bool {
		c := s.Report.Clocks
		return s.Err != nil || !s.Report.Whole() || c[input.Unknown] > 0 || c[input.Corrected] > 0
	})
}
