package main

import (
	"encoding/json"
	"strings"
	"testing"

	"canseal/cmd/internal/appliance"
)

// What an operator wants to know of a card and of the last drive is in the text.
func TestStatusTellsWearRoomAndTheEndOfTheDrive(t *testing.T) {
	for _, c := range []struct{ facts, want string }{
		{`{"log":{"card":{"state":"ok","reserve_bytes":1048576,"full_in_s":1000000,"written_bytes":5000000}},"system":{"wear":{"amplification":1.05}}}`,
			"full in about 11 days; 5.0 MB written, 1.05 times that by the device"},
		{`{"log":{"card":{"state":"ok","full_in_s":7200}}}`, "full in about 2 hours"},
		{`{"system":{"drive_end":{"time":"2026-11-20T11:00:00Z","sealed":"00000007/00000003","seal_ms":41,"offer_ms":350}}}`,
			"drive end  2026-11-20T11:00:00Z: sealed 00000007/00000003 in 41 ms, all in the store after 350 ms"},
		{`{"system":{"drive_end":{"time":"2026-11-20T11:00:00Z","seal_ms":1,"offer_ms":20000,"left":"3 segments wait"}}}`,
			"sealed nothing in 1 ms; not all is in the store: 3 segments wait"},
	} {
		var d appliance.Facts
		if err := json.Unmarshal([]byte(c.facts), &d); err != nil {
			t.Fatal(err)
		}
		if got := statusText(&d); !strings.Contains(got, c.want) {
			t.Errorf("found\n%s\nwanted in it: %s", got, c.want)
		}
	}
}
