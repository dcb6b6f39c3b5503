package appliance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canseal/cancrypt"
	"canseal/config"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

const memberConfig = `version: 1
upload: {mode: off}
buses:
  - number: 1
    interface: can0
    check: {data_bitrate: 2M}
    transmit:
      - {match: "11:0x300", data: "01", period: 1s}
    cancrypt: {role: member}
cancrypt:
  address: 3
  members: [1, 3, 9]
  group_once: true
  event: 500ms
  inhibit: 200ms
  table:
    - {match: "11:0x123", producer: 3, encrypt: 2}
    - {match: "11:0x200", producer: 1}
  heartbeat_only:
    - {match: "11:0x124", producer: 3, deliver: 2}
    - {match: "11:0x125", producer: 1, deliver: 0}
`

func TestMemberOfTheConfiguration(t *testing.T) {
	c, problems := CheckConfig([]byte(memberConfig))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	o, err := memberOptions(&c.Buses[0])
	if err != nil {
		t.Fatal(err)
	}
	if o.Address != 3 || o.KeyID != 3 || o.Event != 5e8 || o.Inhibit != 2e8 || !o.GroupOnce || o.Visit || !o.BRS || o.FD || len(o.Members) != 3 {
		t.Errorf("%+v", o)
	}
	if o.Deliver[0x124] != cancrypt.AfterTwo || o.Deliver[0x125] != cancrypt.Untrusted {
		t.Errorf("deliver %v", o.Deliver)
	}
	j, err := JudgeOptions(&c.Buses[0])
	if err != nil || j.Address != 3 {
		t.Errorf("the judge knows no own identifiers: %+v, %v", j, err)
	}
	c, problems = CheckConfig([]byte(strings.Replace(memberConfig, "role: member", "role: judge", 1)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if o, err = memberOptions(&c.Buses[0]); err != nil || !o.Visit {
		t.Errorf("a judge with group_once does not merely visit: %+v, %v", o, err)
	}
}

func TestMembersThatAConfigurationCannotHave(t *testing.T) {
	for name, c := range map[string]struct{ old, new, path string }{
		"no address":                     {"address: 3", "address: 0", "buses[0].cancrypt.address"},
		"an address of no member":        {"address: 3", "address: 4", "buses[0].cancrypt"},
		"a slow inhibit time":            {"inhibit: 200ms", "inhibit: 500ms", "buses[0].cancrypt"},
		"a listed identifier in a list":  {"11:0x300", "11:0x123", "buses[0].transmit[0].match"},
		"its heartbeat-only identifier":  {"11:0x300", "11:0x124", "buses[0].transmit[0].match"},
		"its control identifier":         {"11:0x300", "11:0x173", "buses[0].transmit[0].match"},
		"listen-only":                    {"check: {data_bitrate: 2M}", "check: {listen_only: true}", "buses[0].cancrypt.role"},
		"listen-only and one GROUP only": {"check: {data_bitrate: 2M}\n", "check: {listen_only: true}\n", "buses[0].cancrypt.role"},
	} {
		file := strings.Replace(memberConfig, c.old, c.new, 1)
		if strings.Contains(name, "GROUP") {
			file = strings.Replace(file, "role: member", "role: judge", 1)
		}
		_, problems := CheckConfig([]byte(file))
		found := false
		for _, p := range problems {
			found = found || p.Path == c.path
		}
		if !found {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// One GROUP per boot is one per boot of the machine, not per start of canseald.
func TestTheOneGroupOfABootIsRemembered(t *testing.T) {
	a := &Appliance{state: memfs.New()}
	can0 := &member{a: a, bus: config.Bus{Interface: "can0"}}
	can1 := &member{a: a, bus: config.Bus{Interface: "can1"}}
	if err := durable.WriteFile(a.state, groupFile, []byte("another-boot can0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if can0.spent() {
		t.Error("of another boot")
	}
	can0.spend()
	can0.spend()
	if !can0.spent() || can1.spent() {
		t.Error("not remembered, or for every bus")
	}
	can1.spend()
	b, err := durable.ReadFile(a.state, groupFile, 1000)
	if want := clock.BootID() + " can0\n" + clock.BootID() + " can1"; err != nil || string(b) != want {
		t.Errorf("%q, %v", b, err)
	}
}

// Whoever is on the bus can change a member's state as often as the profile lets
// him; the card gets a line a minute.
func TestAMembersLinesAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Appliance{journal: openJournal(memfs.New(), func() eventTime { return eventTime{} })}
		m := &member{a: a, bus: config.Bus{Number: 1}}
		for range 300 {
			m.tell("member silent")
			m.tell("member joining")
			time.Sleep(time.Second)
		}
		b, err := durable.ReadFile(a.journal.fs, eventsFile, 1<<20)
		if n := strings.Count(string(b), "\n"); err != nil || n != 10 || strings.Count(string(b), `"count":60`) != 8 {
			t.Errorf("%d lines in 5 minutes, %v:\n%s", n, err, b)
		}
	})
}
