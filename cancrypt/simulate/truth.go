package simulate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"canseal/can"
)

// Honest is the Kind of a frame that is no part of an attack.
const Honest Kind = "honest"

// What a frame is by its place on the bus.
const (
	Preamble  = "preamble"  // or epilog, or the first half of an AES pair
	Data      = "data"      // on a listed identifier
	Heartbeat = "heartbeat" // secure heartbeat
	Control   = "control"   // other messages on a control ID
	Unsecured = "unsecured" // on a heartbeat-only identifier
	Unlisted  = "unlisted"
)

// Truth is what the simulator knows about a frame that was on the bus. One line
// of a truth list holds one as JSON.
type Truth struct {
	Time   int64 // end of the frame, ns since 1970 UTC
	Kind   Kind  // Honest, or the attack
	What   string
	By     uint8  // address of the device that sent it; 0: an attacker
	Sender uint8  // address that the frame claims; 0: none
	State  string // of the device that sent it
	Waited int64  // ns, from when it was made until it was on the bus
	Frame  can.Frame
}

// truthLine is the JSON form.
type truthLine struct {
	Time   string `json:"t"`
	Kind   Kind   `json:"kind"`
	What   string `json:"what"`
	By     uint8  `json:"by"`
	Sender uint8  `json:"sender"`
	State  string `json:"state,omitempty"`
	Waited int64  `json:"waited_us,omitempty"`
	Frame  string `json:"frame"`
}

// AppendJSON appends the line of a truth, without its end of line.
func (t *Truth) AppendJSON(dst []byte) []byte {
	text := string(can.AppendCandump(nil, &can.Event{Frame: t.Frame}, "can0"))
	b, _ := json.Marshal(truthLine{ // strings and numbers: always well
		Time: fmt.Sprintf("%d.%09d", t.Time/1e9, t.Time%1e9), Kind: t.Kind, What: t.What, By: t.By, Sender: t.Sender,
		State: t.State, Waited: t.Waited / 1000, Frame: text[strings.LastIndexByte(text, ' ')+1:],
	})
	return append(dst, b...)
}

// errTruth is wrapped by what ReadTruth returns for a line that is none.
var errTruth = errors.New("not a line of a truth list")

// ReadTruth reads a truth list. Lists of several processes are read one after
// the other.
func ReadTruth(r io.Reader) (list []Truth, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		t, err := parseTruth(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, t)
	}
	return list, lines.Err()
}

func parseTruth(line []byte) (Truth, error) {
	var l truthLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Truth{}, fmt.Errorf("%w: %w", errTruth, err)
	}
	var e can.Event
	if _, err := can.ParseCandump(fmt.Appendf(nil, "(0.000000) can0 %s", l.Frame), &e); err != nil {
		return Truth{}, fmt.Errorf("%w: frame: %w", errTruth, err)
	}
	at, err := parseTime(l.Time)
	if err != nil {
		return Truth{}, err
	}
	return Truth{Time: at, Kind: l.Kind, What: l.What, By: l.By, Sender: l.Sender, State: l.State, Waited: l.Waited * 1000, Frame: e.Frame}, nil
}

// parseTime reads seconds with nine decimals.
func parseTime(s string) (ns int64, err error) {
	whole, part, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseUint(whole, 10, 33)
	rest, err2 := strconv.ParseUint(part, 10, 32)
	if err != nil || err2 != nil || len(part) != 9 {
		return 0, fmt.Errorf("%w: time: want seconds with nine decimals, got %.40q", errTruth, s)
	}
	return int64(sec)*1e9 + int64(rest), nil
}
