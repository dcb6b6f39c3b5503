package s3

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
)

// MemoryFile is the memory of cipher groups in the state folder (docs/formats.md
// C5).
const MemoryFile = "tls.json"

const (
	memoryLimit     = 64 << 10 // bytes of the file
	memoryEndpoints = 16
	memoryText      = 300            // bytes of one text in it
	memoryFresh     = 24 * time.Hour // the last good attempt is begun with for so long
	memoryRefresh   = 12 * time.Hour // the file is not written sooner for the time alone
)

// A weaker attempt than the last good one is made after so many refusals in a
// row, the first of them so long ago: anybody on the path can refuse.
const (
	patientRefusals = 3
	patientTime     = time.Hour
)

// endpointKey is what a memory is about. Another bundle or profile is another
// memory.
type endpointKey struct {
	Endpoint string `json:"endpoint"` // https://host:port
	Name     string `json:"name"`     // whom the certificate must name
	Bundle   string `json:"bundle"`   // SHA-256 of its set; system: the machine's roots
	Profile  string `json:"profile"`
}

// remembered is what an endpoint has shown over verified connections.
type remembered struct {
	endpointKey
	Attempt string `json:"attempt"` // the last good one
	Rank    int    `json:"rank"`    // certs.Attempt.Rank of it
	Version uint16 `json:"version"` // as on the wire, like 772
	Suite   uint16 `json:"suite"`
	// ForwardSecret stays once it is true.
	ForwardSecret bool      `json:"forward_secret"`
	Identity      string    `json:"identity,omitempty"` // SHA-256 of the device certificate then in use
	Walked        time.Time `json:"walked"`             // when the attempt was found from the first on
	Refusals      int       `json:"refusals,omitempty"` // in a row, since then
	RefusedFirst  time.Time `json:"refused_first,omitzero"`
}

// patient tells whether a weaker attempt may be made.
func (r *remembered) patient(now time.Time) bool {
	return r.Refusals >= patientRefusals && now.Sub(r.RefusedFirst) >= patientTime
}

// sound tells whether an entry of the file can be one of ours.
func (r *remembered) sound() bool {
	attempts, ok := certs.Attempts(r.Profile, true)
	for _, text := range []string{r.Endpoint, r.Name, r.Bundle, r.Identity} {
		ok = ok && len(text) <= memoryText
	}
	at := slices.IndexFunc(attempts, func(a certs.Attempt) bool { return a.Name == r.Attempt })
	return ok && at >= 0 && r.Rank == attempts[at].Rank && r.Refusals >= 0
}

// Memory is what endpoints have shown, for all clients of one program. The file
// is replaced as a whole; one that is damaged is begun anew.
type Memory struct {
	state durable.FS
	log   *slog.Logger

	mu        sync.Mutex
	endpoints []remembered // the last used at the end
}

type memoryJSON struct {
	V         int          `json:"v"`
	Endpoints []remembered `json:"endpoints"`
}

// OpenMemory reads the memory of a state folder. keep: what is learned is written
// there; else the folder is only read. A nil log is none.
func OpenMemory(state durable.FS, keep bool, log *slog.Logger) *Memory {
	m := &Memory{log: log}
	if log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if keep {
		m.state = state
	}
	text, err := durable.ReadFile(state, MemoryFile, memoryLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return m
	}
	if err == nil {
		m.endpoints, err = parseMemory(text)
	}
	if err != nil {
		m.log.Warn("the memory of cipher groups cannot be read, and is begun anew", "file", MemoryFile, "error", err)
	}
	return m
}

// parseMemory takes the entries that hold.
func parseMemory(text []byte) ([]remembered, error) {
	var file memoryJSON
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	if file.V != 1 || len(file.Endpoints) > memoryEndpoints {
		return nil, errors.New("want version 1 and at most 16 endpoints")
	}
	return slices.DeleteFunc(file.Endpoints, func(r remembered) bool { return !r.sound() }), nil
}

// of returns what is known of an endpoint; the zero value: nothing.
func (m *Memory) of(k endpointKey) remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.endpoints {
		if r.endpointKey == k {
			return r
		}
	}
	return remembered{endpointKey: k}
}

// learn replaces what is known of an endpoint, and writes the file when there is
// something new in it.
func (m *Memory) learn(r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := remembered{}
	m.endpoints = slices.DeleteFunc(m.endpoints, func(e remembered) bool {
		if e.endpointKey == r.endpointKey {
			old = e
		}
		return e.endpointKey == r.endpointKey
	})
	m.endpoints = append(m.endpoints, r)
	m.endpoints = m.endpoints[max(0, len(m.endpoints)-memoryEndpoints):]
	age := r.Walked.Sub(old.Walked)
	old.Walked = r.Walked
	if old != r || age < 0 || age >= memoryRefresh {
		m.save()
	}
}

func (m *Memory) save() {
	if m.state == nil {
		return
	}
	text, err := json.Marshal(memoryJSON{1, m.endpoints})
	if err == nil {
		err = durable.WriteFile(m.state, MemoryFile, append(text, '\n'), 0o600)
	}
	if err != nil {
		m.log.Warn("the memory of cipher groups cannot be written", "file", MemoryFile, "error", err)
	}
}
