package appliance

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"sync"
	"time"

	"canseal/internal/durable"
)

// Names of the journal on the card, and its bound in bytes (docs/formats.md C7).
const (
	eventsFile    = "events.jsonl"
	eventsOldFile = "events.1.jsonl"
	eventsLimit   = 1 << 20
)

// event is one line of events.jsonl.
type event struct {
	V       int            `json:"v"`
	T       string         `json:"t"`
	Q       string         `json:"q"`
	BootMS  int64          `json:"boot_ms"`
	Session uint32         `json:"session"`
	Split   uint32         `json:"split"`
	Kind    string         `json:"kind"`
	What    string         `json:"what"`
	Bus     uint8          `json:"bus"`
	Detail  map[string]any `json:"detail,omitempty"`
}

// journal appends to events.jsonl. A line that cannot be written is dropped:
// the journal explains the recording, it must not stop it.
type journal struct {
	fs  durable.FS
	now func() eventTime

	mu      sync.Mutex
	changed bool // since the last upload took it
	pending [][]byte
}

// eventTime is where and when an event happens.
type eventTime struct {
	Time           int64 // ns since 1970 UTC
	Quality        string
	Boot           time.Duration
	Session, Split uint32
}

// openJournal cuts a torn last line off and is ready to append.
func openJournal(fsys durable.FS, now func() eventTime) *journal {
	j := &journal{fs: fsys, now: now, changed: true}
	j.cutTornLine()
	return j
}

// Add appends one event, synced.
func (j *journal) Add(kind, what string, bus uint8, detail map[string]any) {
	at := j.now()
	line, err := json.Marshal(event{
		V: 1, T: time.Unix(0, at.Time).UTC().Format("2006-01-02T15:04:05.000Z"), Q: at.Quality, BootMS: at.Boot.Milliseconds(),
		Session: at.Session, Split: at.Split, Kind: kind, What: what, Bus: bus, Detail: detail,
	})
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changed = true
	j.pending = append(j.pending, append(line, '\n'))
	if len(j.pending) > 256 { // the card takes nothing: the newest are worth most
		j.pending = j.pending[1:]
	}
	j.write()
}

// write appends what is pending; what does not go stays for the next time.
func (j *journal) write() {
	block := bytes.Join(j.pending, nil)
	if info, err := j.fs.Stat(eventsFile); err == nil && info.Size() > 0 && info.Size()+int64(len(block)) > eventsLimit && j.rotate() != nil {
		return
	}
	f, err := j.fs.Append(eventsFile, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	if size, err := f.Size(); err == nil && appendAll(f, size, block) == nil {
		j.pending = nil
	}
}

// appendAll writes and syncs block, or leaves the file at its size.
func appendAll(f durable.File, size int64, block []byte) error {
	_, err := f.Write(block)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Truncate(size))
	}
	return nil
}

func (j *journal) rotate() error {
	if err := j.fs.Remove(eventsOldFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := j.fs.Rename(eventsFile, eventsOldFile); err != nil {
		return err
	}
	return j.fs.SyncDir(".")
}

func (j *journal) cutTornLine() {
	content, err := durable.ReadFile(j.fs, eventsFile, 2*eventsLimit)
	whole := bytes.LastIndexByte(content, '\n') + 1
	if err != nil || whole == len(content) {
		return
	}
	f, err := j.fs.Edit(eventsFile)
	if err != nil {
		return
	}
	defer f.Close()
	if f.Truncate(int64(whole)) == nil {
		_ = f.Sync() // torn again is cut again
	}
}

// Changed returns the journal's bytes if it has changed since the last call.
func (j *journal) Changed() ([]byte, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.changed {
		return nil, false
	}
	content, err := durable.ReadFile(j.fs, eventsFile, 2*eventsLimit)
	if err != nil || len(content) == 0 {
		return nil, false
	}
	j.changed = false
	return content, true
}
