package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// Values are read as they are meant, printed as they could be written, and
// refused where they could be mistaken.
func TestValues(t *testing.T) {
	size, span, rate, reserve, match, payload, number, float := ByteSize(0), time.Duration(0), BitRate(0), Reserve{}, Match{}, Payload{}, 0, 0.0
	for _, row := range []struct {
		of         any
		text, want string // "": refused
	}{
		{size, "32MB", "32MB"}, {size, "1KiB", "1KiB"}, {size, "1.5GB", "1500MB"}, {size, "0kB", "0kB"}, {size, "1024KiB", "1MiB"},
		{size, "32", ""}, {size, "32mb", ""}, {size, "32M", ""}, {size, "1.0000001kB", ""}, {size, "032MB", ""}, {size, "-1MB", ""},
		{size, "99999999999GB", ""}, {size, " 1MB", ""}, {size, "1e3MB", ""}, {size, "MB", ""}, {size, "", ""},
		{span, "100ms", "100ms"}, {span, "24h", "1d"}, {span, "30d", "30d"}, {span, "1.5h", "90m"}, {span, "0s", "0s"}, {span, "0ms", "0s"},
		{span, "90", ""}, {span, "1h30m", ""}, {span, "1us", ""}, {span, "1 s", ""}, {span, "106752d", ""},
		{rate, "500k", "500k"}, {rate, "33.333k", "33.333k"}, {rate, "2M", "2M"}, {rate, "0.5M", "500k"}, {rate, "2500k", "2.5M"},
		{rate, "500000", ""}, {rate, "500K", ""}, {rate, "33.3333k", ""},
		{reserve, "5%", "5%"}, {reserve, "0.5%", "0.5%"}, {reserve, "2GB", "2GB"},
		{reserve, "0%", ""}, {reserve, "51%", ""}, {reserve, "5 %", ""}, {reserve, "1kB", ""}, {reserve, "NaN%", ""},
		{match, "11:0x7E8", "11:0x7E8"}, {match, "29:0x18FEF100", "29:0x18FEF100"}, {match, "29:0x0", "29:0x00000000"},
		{match, "11:0x100-0x1ff", "11:0x100-0x1FF"}, {match, "29:0xFEF100/0xFFFF00", "29:0x00FEF100/0x00FFFF00"}, {match, "11:0x5-0x5", "11:0x005"},
		{match, "11:7E8", ""}, {match, "0x7E8", ""}, {match, "12:0x7E8", ""}, {match, "11:0X7E8", ""}, {match, "11:0x", ""}, {match, "11:0x1-", ""},
		{payload, "00ff", "00FF"}, {payload, "0", ""}, {payload, "zz", ""}, {payload, strings.Repeat("00", 65), ""},
		{number, "7", "7"}, {number, "-7", "-7"}, {number, "0", "0"},
		{number, "07", ""}, {number, "0x7", ""}, {number, "1_0", ""}, {number, "+1", ""}, {number, "1.0", ""}, {number, "99999999999999999999", ""},
		{float, "0.01", "0.01"}, {float, "-1e3", "-1000"}, {float, "1", "1"},
		{float, ".5", ""}, {float, "inf", ""}, {float, "nan", ""}, {float, "1,5", ""}, {float, "0x1p4", ""}, {float, "1e999", ""},
	} {
		value, err := kindOf(reflect.TypeOf(row.of)).parse(row.text)
		if (err != nil) != (row.want == "") || err == nil && show(reflect.ValueOf(value)) != row.want {
			t.Errorf("%T %q: %v, %v; wanted %q", row.of, row.text, value, err, row.want)
		}
	}
}

// What is printed is read as the same value again.
func TestValuesPrintedAndRead(t *testing.T) {
	for _, value := range []any{
		ByteSize(0), ByteSize(1e3), ByteSize(12_345_000), ByteSize(1 << 40), 7 * time.Millisecond, 36 * time.Hour, 365 * 24 * time.Hour,
		BitRate(5e3), BitRate(95_238), BitRate(1e6), BitRate(1_234_567), Reserve{Percent: 12.5}, Reserve{Bytes: 3 << 30},
		Match{false, 0, 0x7FF, 0}, Match{true, 1, 1, 0x1FFFFFFF}, Payload{1, 2, 3}, 12, -3.25, true, "text",
	} {
		text := show(reflect.ValueOf(value))
		again, err := kindOf(reflect.TypeOf(value)).parse(text)
		if err != nil || !reflect.DeepEqual(again, value) {
			t.Errorf("%#v is printed %q and read as %#v, %v", value, text, again, err)
		}
	}
}

func TestMatchHas(t *testing.T) {
	for _, row := range []struct {
		match    string
		id       uint32
		extended bool
		want     bool
	}{
		{"11:0x7E8", 0x7E8, false, true}, {"11:0x7E8", 0x7E8, true, false}, {"11:0x7E8", 0x7E9, false, false},
		{"11:0x100-0x1FF", 0x100, false, true}, {"11:0x100-0x1FF", 0x1FF, false, true}, {"11:0x100-0x1FF", 0x200, false, false},
		{"29:0x18FEF123/0x00FFFF00", 0x0CFEF1AA, true, true}, {"29:0x18FEF123/0x00FFFF00", 0x0CFEF2AA, true, false},
	} {
		m, err := parseMatch(row.match)
		if err != nil || m.Has(row.id, row.extended) != row.want {
			t.Errorf("%s has %X (extended %v): %v, %v", row.match, row.id, row.extended, !row.want, err)
		}
	}
}

func TestReserveOf(t *testing.T) {
	if got := (Reserve{Percent: 5}).Of(32e9); got != 1.6e9 {
		t.Error(got)
	}
	if got := (Reserve{Bytes: 2e9}).Of(32e9); got != 2e9 {
		t.Error(got)
	}
}

func TestWarnings(t *testing.T) {
	text := strings.NewReplacer("mode: medium", "mode: low", "https:", "http:", "secret_key: stored", "secret_key: hunter2", `prefix: ""`, "prefix: logs",
		"split_offset: 0s", "split_offset: 1h", "legacy_dhe: false", "legacy_dhe: true", "action: accept", "action: reject", ", every: {count: 10}", "").Replace(string(example()))
	var got []string
	for _, p := range parsed(t, text).Warnings() {
		got = append(got, p.Path)
		if p.Line == 0 || strings.Contains(p.In("config.yaml"), "hunter2") {
			t.Error(p.In("config.yaml"))
		}
	}
	want := "log.split_offset buses[0].filter upload.mode upload.prefix upload.secret_key tls.legacy_dhe"
	if strings.Join(got, " ") != want {
		t.Errorf("%v, wanted %s", got, want)
	}
}

// A bus has what section cancrypt says unless it says something else itself,
// wherever the section stands.
func TestCancryptOfABus(t *testing.T) {
	c := parsed(t, `
version: 1
buses:
  - {interface: can0, cancrypt: {role: judge, key: 2}}
  - {interface: can1, number: 5}
upload: {mode: off}
cancrypt: {key: 4, members: [1, 2], table: [{match: "11:0x1", producer: 1}]}
`[1:])
	a, b := c.Buses[0].Cancrypt, c.Buses[1].Cancrypt
	if a.Role != RoleJudge || a.Key != 2 || len(a.Table) != 1 || b.Role != RoleOff || b.Key != 4 || len(b.Members) != 2 {
		t.Errorf("%+v\n%+v", a, b)
	}
	if c.Buses[0].Number != 1 || c.Buses[1].Number != 5 {
		t.Errorf("numbers %d, %d", c.Buses[0].Number, c.Buses[1].Number)
	}
}

func TestNonDefaults(t *testing.T) {
	c := parsed(t, `
version: 1
log: {level: info, flush: 2s}
buses:
  - interface: can0
    number: 1
    filter:
      - {match: "11:0x1", action: accept, every: {count: 3}}
upload:
  mode: off
`[1:])
	var got []string
	for _, s := range c.NonDefaults() {
		if s.Line >= 2 && s.Field != "buses" {
			got = append(got, strings.Join([]string{s.Path, s.Value, s.Default}, "|"))
		}
	}
	want := []string{
		"log.flush|2s|1s", "buses[0].interface|can0|", "buses[0].filter|[1]|", "buses[0].filter[0].match|11:0x001|", "buses[0].filter[0].action|accept|",
		"buses[0].filter[0].every.count|3|", "buses[0].filter[0].every|set|", "upload.mode|off|medium",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nwanted %q", got, want)
	}
}
