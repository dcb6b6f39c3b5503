package config

import (
	"fmt"
	"strings"
	"testing"
)

// changed is the example of the reference with one text in place of another.
func changed(t *testing.T, old, new string) *Config {
	t.Helper()
	text := string(example())
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is %d times in the reference", old, strings.Count(text, old))
	}
	return parsed(t, strings.Replace(text, old, new, 1))
}

func TestTouches(t *testing.T) {
	for _, row := range []struct{ name, from, to, want string }{
		{"nothing", "level: info", "level: info  # said", ""},
		{"a default left out", "  flush: 1s", "", ""},
		{"air", "flush: 1s", "flush: 2s", "log.flush air"},
		{"signed", "bucket: trucks", "bucket: ships", "upload.bucket signed"},
		{"local", "unsent: delete_oldest", "unsent: keep", "log.unsent local"},
		{"mode raised", "mode: medium", "mode: high", "upload.mode signed"},
		{"mode lowered", "mode: medium", "mode: off", "upload.mode local"},
		{"profile weakened", "profile: modern", "profile: canedge", "tls.profile local"},
		{"trust weakened", "trust: bundle", "trust: system", "tls.trust local"},
		{"longer keys", "min_rsa_bits: 2048", "min_rsa_bits: 3072", "tls.min_rsa_bits signed"},
		{"shorter keys", "min_rsa_bits: 2048", "min_rsa_bits: 1024", "tls.min_rsa_bits local"},
		{"old suites", "legacy_dhe: false", "legacy_dhe: true", "tls.legacy_dhe local"},
		{"a program", `openssl: ""`, "openssl: /bin/sh", "tls.openssl local"},
		{"leaving listen-only", "listen_only: true", "listen_only: false", "buses[0].check.listen_only local"},
		{"not naming listen-only", "      listen_only: true", "", "buses[0].check.listen_only local"},
		{"a filter", "every: {count: 10}", "every: {count: 11}", "buses[0].filter signed"},
		{"a sent frame", `period: 1s`, `period: 2s`, "buses[1].transmit local"},
		{"a control", "stop_at: 0 ", "stop_at: -1 ", "buses[0].control signed"},
		{"a role", "{role: off}", "{role: judge, members: [1]}", "buses[0].cancrypt.role local, buses[0].cancrypt.members local"},
		{"a section of CANcrypt", "key: 3", "key: 2", "cancrypt.key local, buses[0].cancrypt.key local, buses[1].cancrypt.key local"},
		{"the secret", "secret_key: stored", "secret_key: {env: KEY}", "upload.secret_key local"},
		{"the policy", "policy: off", "policy: bucket", "ota.policy local"},
		{"how often", "every: 600s", "every: 300s", "ota.every air"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, touched := range parsed(t, string(example())).Touches(changed(t, row.from, row.to)) {
				got = append(got, touched.Path+" "+touched.Scope.String())
			}
			if strings.Join(got, ", ") != row.want {
				t.Errorf("%v, wanted %s", got, row.want)
			}
		})
	}
}

// Buses are compared by interface: an order of the list moves nothing from one
// to another unseen.
func TestTouchedBuses(t *testing.T) {
	const silent, sending = "{interface: can0, number: 1, check: {listen_only: true}}", `{interface: can1, number: 2, transmit: [{match: "11:0x1", data: "00"}]}`
	with := func(buses ...string) *Config {
		return parsed(t, fmt.Sprintf("version: 1\nbuses: [%s]\nupload: {mode: off}\n", strings.Join(buses, ", ")))
	}
	for _, row := range []struct {
		name     string
		old, new *Config
		want     string
	}{
		{"another order", with(silent, sending), with(sending, silent), ""},
		{"names exchanged", with(silent, sending), with(
			strings.Replace(silent, "can0", "can1", 1), strings.Replace(sending, "can1", "can0", 1),
		), "buses[0].number signed, buses[0].check.listen_only signed, buses[0].transmit local, buses[1].number signed, buses[1].check.listen_only local, buses[1].transmit local"},
		{"one more", with(silent), with(silent, sending), "buses[1].interface signed, buses[1].number signed, buses[1].transmit local"},
		{"one less", with(silent, sending), with(sending), "buses[0].interface signed, buses[0].number signed, buses[0].check.listen_only local"},
		{"listen-only", with("{interface: can0}"), with("{interface: can0, check: {listen_only: true}}"), "buses[0].check.listen_only signed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, touched := range row.old.Touches(row.new) {
				got = append(got, touched.Path+" "+touched.Scope.String())
			}
			if strings.Join(got, ", ") != row.want {
				t.Errorf("%s\nwanted %s", strings.Join(got, ", "), row.want)
			}
		})
	}
}
