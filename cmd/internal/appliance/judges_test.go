package appliance

import (
	"strings"
	"testing"
	"time"

	"canseal/cancrypt"
	"canseal/config"
)

const judged = `version: 1
buses:
  - interface: can0
    cancrypt: {role: judge}
  - interface: can1
upload: {mode: off}
cancrypt:
  members: [1, 2, 3]
  event: 500ms
  pad: aes128
  signature: 2
  extra: heartbeats
  table:
    - {match: "11:0x181", producer: 1, encrypt: 2, encrypt_from: 1, signature: 2}
    - {match: "29:0x18FEF100", producer: 2, cipher: aes}
    - {match: "11:0x600", producer: 1, scope: pairing}
  heartbeat_only: [{match: "11:0x200", producer: 3}]
`

func TestAJudgeIsTakenOverWhole(t *testing.T) {
	c, problems := CheckConfig([]byte(judged))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	buses := loggerBuses(c, func(iface string, slot int) (cancrypt.Key, string) {
		if iface != "can0" || slot != 3 {
			t.Errorf("asked for slot %d of %s", slot, iface)
		}
		return cancrypt.Key{1}, ""
	})
	if buses[1].Judge != nil {
		t.Error("a bus without a role is judged")
	}
	j := buses[0].Judge
	o := j.Options
	if j.Profile != "p1" || o.Key != (cancrypt.Key{1}) || o.NoKey || o.KeyID != 3 || o.Event != int64(500*time.Millisecond) || len(o.Members) != 3 || o.Address != 0 || o.Control != 0x170 {
		t.Errorf("%+v", o)
	}
	if m := o.Methods; m.Pad() != cancrypt.PadAES128 || m.Signature() != cancrypt.AESCMAC || !m.Extra() || m>>10&3 != 0 {
		t.Errorf("methods %04x", uint16(m))
	}
	want := []cancrypt.Record{
		{Word: 0x181, Producer: 1, First: 1, Count: 2, Signature: cancrypt.AESCMAC},
		{Word: 0x600, Producer: 1, Scope: 1, Signature: cancrypt.SpeckMAC},
		{Word: 0x18FEF100 | cancrypt.Extended, Producer: 2, Count: 8, Cipher: cancrypt.AESPair, Signature: cancrypt.SpeckMAC},
	}
	for i, r := range o.Table.Records() {
		if r != want[i] {
			t.Errorf("record %d: %+v, wanted %+v", i, r, want[i])
		}
	}
	if len(o.HeartbeatOnly) != 1 || o.HeartbeatOnly[0x200] != 3 {
		t.Errorf("heartbeat-only %v", o.HeartbeatOnly)
	}
}

func TestSettingsThatNoGroupHasAreRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"an identifier twice":                 {`match: "11:0x600"`, `match: "11:0x181"`},
		"a range behind byte 7":               {"encrypt_from: 1", "encrypt_from: 7"},
		"a heartbeat-only one that is listed": {`{match: "11:0x200", producer: 3}`, `{match: "11:0x181", producer: 3}`},
		"sent by a stranger":                  {`{match: "11:0x200", producer: 3}`, `{match: "11:0x200", producer: 9}`},
		"member 16 on classical CAN":          {"[1, 2, 3]", "[1, 2, 16]"},
	} {
		text := strings.Replace(judged, change[0], change[1], 1)
		if _, problems := CheckConfig([]byte(text)); len(problems) != 1 || problems[0].Path != "buses[0].cancrypt" {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// Without a key the recording goes on, and device.json says what is missing.
func TestABoxWithoutAKeySaysSo(t *testing.T) {
	b := newBox(t, judged)
	b.start(t)
	b.await(t, "how the bus is judged", func(f Facts) bool {
		return len(f.Cancrypt) == 1 && f.Cancrypt[0].Reason == "no key in slot 3" && f.Cancrypt[0].Role == "judge" && f.Log.Frames > 100
	})
	if role := b.Facts().Buses[0].Role; role != string(config.RoleJudge) {
		t.Errorf("role %q", role)
	}
}
