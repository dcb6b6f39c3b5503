package appliance

import (
	"reflect"
	"testing"
	"time"

	"canseal/can"
	"canseal/can/socketcan"
	"canseal/config"
	"canseal/logger"
)

func TestFiltersAndControlsAreTakenOverWhole(t *testing.T) {
	c, problems := config.Parse([]byte(`version: 1
buses:
  - interface: can0
    filter:
      - {match: "11:0x123", action: reject, remote: false}
      - {match: "11:0x100-0x1FF", action: accept, every: {count: 10}}
      - {match: "29:0x00FEF100/0x00FFFF00", action: accept, every: {time: 100ms}}
      - {match: "29:0x1", action: accept, every: {change: FF00}}
    control:
      signal: {match: "29:0x18FEF100", start_bit: 7, length: 16, byte_order: motorola, signed: true, factor: 0.5, offset: -40}
      start_at: 1.5
      stop_at: -1
      pre_trigger: 5s
      max_pause: 10m
      pin: true
    transmit:
      - {match: "11:0x7DF", data: "00", period: 1s}
  - interface: can1
upload: {mode: off}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []logger.Bus{{
		Number: 1, Interface: "can0", Role: "off",
		Filter: []logger.Filter{
			{Rule: can.Rule{First: 0x123, Last: 0x123, Reject: true}},
			{Rule: can.Rule{First: 0x100, Last: 0x1FF, Remote: true}, Every: logger.Every{Count: 10}},
			{Rule: can.Rule{Extended: true, First: 0xFEF100, Last: 0xFEF100, Mask: 0xFFFF00, Remote: true}, Every: logger.Every{Time: 100 * time.Millisecond}},
			{Rule: can.Rule{Extended: true, First: 1, Last: 1, Remote: true}, Every: logger.Every{Change: []byte{0xFF, 0}}},
		},
		Control: &logger.Control{
			Signal: logger.Signal{
				ID: 0x18FEF100, Extended: true, Start: 7, Length: 16, Motorola: true, Signed: true, Factor: 0.5, Offset: -40,
			},
			StartAt: 1.5, StopAt: -1, PreTrigger: 5 * time.Second, MaxPause: 10 * time.Minute, Pin: true,
		},
	}, {Number: 2, Interface: "can1", Role: "off"}}
	if got := loggerBuses(c, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v\nwanted %+v", got, want)
	}
	o := captureOptions(c, nil).Interfaces
	if len(o[0].Filter) != 4 || o[0].Filter[0] != want[0].Filter[0].Rule || o[1].Filter != nil {
		t.Errorf("for the kernel: %+v", o)
	}
	if ids := []socketcan.ID{{Number: 0x18FEF100, Extended: true}, {Number: 0x7DF}}; !reflect.DeepEqual(o[0].Pass, ids) {
		t.Errorf("the kernel lets %+v pass, wanted %+v", o[0].Pass, ids)
	}
	c.Buses[0].Cancrypt.Role = config.RoleJudge
	if rules := kernelRules(&c.Buses[0]); rules != nil {
		t.Errorf("a judge misses frames: %+v", rules)
	}
}
