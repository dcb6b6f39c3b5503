package appliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
)

// What else can be asked for, on the box or from afar:
//
//	GET  /v1/segments          what is on the card
//	GET  /v1/config            the settings that are not the default, secrets hidden
//	GET  /v1/config/check      what is wrong with the card's config.yaml
//	GET  /v1/keys              which slots hold a key
//	POST /v1/keys/erase        {"bus":"can0","device":0,"slot":3}; answers {"found":true}
//	GET  /v1/tail?bus=can0&id=123&judged=true    frames as they are recorded, as text

// questions adds them to the local socket.
func (a *Appliance) questions(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/segments", func(w http.ResponseWriter, _ *http.Request) {
		rows, err := Segments(a.card)
		tell(w, rows, err)
	})
	mux.HandleFunc("GET /v1/config", func(w http.ResponseWriter, _ *http.Request) { tell(w, a.shownSettings(), nil) })
	mux.HandleFunc("GET /v1/config/check", func(w http.ResponseWriter, _ *http.Request) {
		file := a.o.ConfigFile
		if file == "" {
			file = a.o.Root + "/" + configFile
		}
		result, err := Check(file)
		tell(w, result, err)
	})
	mux.HandleFunc("GET /v1/keys", func(w http.ResponseWriter, _ *http.Request) {
		rows, err := KeyRows(Keys(a.o.StateDir))
		tell(w, rows, err)
	})
	mux.HandleFunc("POST /v1/keys/erase", func(w http.ResponseWriter, r *http.Request) {
		var in eraseRequest
		if err := decodeRequest(r, &in); err != nil {
			answer(w, reply{}, err)
			return
		}
		found, err := a.eraseKey(in)
		answer(w, reply{Found: found}, err)
	})
	mux.HandleFunc("GET /v1/tail", a.serveTail)
}

type eraseRequest struct {
	Bus    string `json:"bus"`
	Device uint8  `json:"device"`
	Slot   uint8  `json:"slot"`
}

func (a *Appliance) eraseKey(in eraseRequest) (bool, error) {
	if in.Slot < 1 || in.Slot > cancrypt.MaxSlots {
		return false, fmt.Errorf("found slot %d, wanted 1 to %d", in.Slot, cancrypt.MaxSlots)
	}
	h := node.Holder{Bus: in.Bus, Device: in.Device}
	found, err := Keys(a.o.StateDir).Erase(h, in.Slot)
	if err == nil && found {
		a.journal.Add("keys", fmt.Sprintf("slot %d of %v erased", in.Slot, h), 0, nil)
	}
	return found, err
}

// KeyRow is what is told of a key: never the key.
type KeyRow struct {
	node.Entry
	Name string `json:"name"`
}

// KeyRows lists the slots of a store that hold a key.
func KeyRows(s node.Store) ([]KeyRow, error) {
	entries, err := s.Entries()
	if err != nil {
		return nil, err
	}
	rows := make([]KeyRow, len(entries))
	for i, e := range entries {
		rows[i] = KeyRow{e, cancrypt.SlotName(e.Slot)}
	}
	return rows, nil
}

// SettingRow is a setting that is not the default. A secret is never shown.
type SettingRow struct {
	Path    string `json:"path"`
	Value   string `json:"value"`
	Default string `json:"default"`
}

// ShownSettings are the settings of a file that are not the default.
func ShownSettings(file string) ([]SettingRow, error) {
	text, err := readLimited(file, maxConfig)
	if err != nil {
		return nil, err
	}
	s, err := parseSettings(text)
	if err != nil {
		return nil, WithExit(ExitConfig, err)
	}
	return rowsOf(s), nil
}

func (a *Appliance) shownSettings() []SettingRow { return rowsOf(a.live().settings) }

func rowsOf(s *settings) []SettingRow {
	rows := []SettingRow{}
	for _, n := range s.NonDefaults() {
		rows = append(rows, SettingRow{n.Path, n.Value, n.Default})
	}
	return rows
}

// tell answers with JSON, or with an error.
func tell(w http.ResponseWriter, v any, err error) {
	if err != nil {
		answer(w, reply{}, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// errFar says that a command has no business with a daemon.
var errFar = errors.New("this works on the box alone: leave --remote out")

// ErrFar says that a command works on the box alone.
func ErrFar() error { return Usage(errFar) }
