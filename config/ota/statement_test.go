package ota

import (
	"strings"
	"testing"
)

const hashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

const good = `{"canseal_update":1,"device":"A1B2C3D4","serial":17,"not_after":"2026-12-31T00:00:00Z","objects":{"certs_server.p7b":"` + hashA + `","config.yaml":"` + hashA + `"}}`

func TestStatements(t *testing.T) {
	s, err := ParseStatement([]byte(good + "\n"))
	if err != nil || s.Device != "A1B2C3D4" || s.Serial != 17 || s.NotAfter.Year() != 2026 || len(s.Objects) != 2 || s.Objects[Bundle] != hashA {
		t.Fatalf("%+v %v", s, err)
	}
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatal(old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":             "",
		"a list":              "[" + good + "]",
		"a second object":     good + good,
		"a word behind":       good + "x",
		"cut":                 good[:len(good)-2],
		"no version":          swap(`"canseal_update":1,`, ""),
		"a newer version":     swap(`"canseal_update":1`, `"canseal_update":2`),
		"version as text":     swap(`"canseal_update":1`, `"canseal_update":"1"`),
		"a name twice":        swap(`"serial":17`, `"serial":17,"serial":18`),
		"a name in capitals":  swap(`"serial"`, `"SERIAL"`),
		"an unknown name":     swap(`"serial":17`, `"serial":17,"extra":1`),
		"serial null":         swap(`17`, `null`),
		"serial 0":            swap(`17`, `0`),
		"serial negative":     swap(`17`, `-17`),
		"serial in decimals":  swap(`17`, `17.0`),
		"serial as a power":   swap(`17`, `1e3`),
		"serial too high":     swap(`17`, `9007199254740992`),
		"device and fleet":    swap(`"serial"`, `"fleet":"vans","serial"`),
		"neither":             swap(`"device":"A1B2C3D4",`, ""),
		"device in lower":     swap("A1B2C3D4", "a1b2c3d4"),
		"a hash in capitals":  swap(hashA, strings.ToUpper(hashA)),
		"a short hash":        swap(hashA, hashA[1:]),
		"another object":      swap(`"config.yaml"`, `"device.crt"`),
		"an object twice":     swap(`"config.yaml"`, `"certs_server.p7b"`),
		"no objects":          swap(`"certs_server.p7b":"`+hashA+`","config.yaml":"`+hashA+`"`, ""),
		"objects as a list":   swap(`{"certs_server.p7b":"`+hashA+`","config.yaml":"`+hashA+`"}`, `[]`),
		"a local time":        swap("00:00Z", "00:00+01:00"),
		"no such day":         swap("12-31", "02-31"),
		"not UTF-8":           swap("A1B2C3D4", "\xff1B2C3D4"),
		"deep":                strings.Repeat(`{"objects":`, 300),
		"more than 4 KiB":     good + strings.Repeat(" ", MaxStatement),
		"an escaped newline ": swap("A1B2C3D4", `A1B2C3D4\n`),
	} {
		if s, err := ParseStatement([]byte(text)); err == nil {
			t.Errorf("%s: taken as %+v", name, s)
		}
	}
}

func TestWhomAStatementIsFor(t *testing.T) {
	known := Serial{Serial: 17, Statement: "this"}
	for name, c := range map[string]struct {
		s         Statement
		statement string
		want      string
	}{
		"new":               {Statement{Device: "A1B2C3D4", Serial: 18}, "that", ""},
		"repeated":          {Statement{Device: "A1B2C3D4", Serial: 17}, "this", ""},
		"of the fleet":      {Statement{Fleet: "vans", Serial: 18}, "that", ""},
		"another device":    {Statement{Device: "A1B2C3D5", Serial: 18}, "that", "for device"},
		"another fleet":     {Statement{Fleet: "cars", Serial: 18}, "that", "for fleet"},
		"an old serial":     {Statement{Device: "A1B2C3D4", Serial: 16}, "that", "old statement"},
		"a serial in use":   {Statement{Device: "A1B2C3D4", Serial: 17}, "that", "another statement"},
		"the fleet nowhere": {Statement{Fleet: "", Device: "A1B2C3D4", Serial: 18}, "that", ""},
	} {
		got := c.s.standing("A1B2C3D4", "vans", known, c.statement)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, wanted %q", name, got, c.want)
		}
	}
}

func FuzzStatement(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"canseal_update":1,"fleet":"vans","serial":1,"objects":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseStatement(text)
		if err == nil && ((s.Device == "") == (s.Fleet == "") || s.Serial < 1 || s.Serial > maxSerial || len(s.Objects) == 0 || len(s.Objects) > 2) {
			t.Errorf("%+v", s)
		}
	})
}
