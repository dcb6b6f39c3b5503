package main

import (
	"encoding/json"
	"strings"
	"testing"

	"canseal/cmd/internal/appliance"
	"canseal/config/ota"
	"canseal/logger"
)

func TestStatusTellsWhatIsWrongWithABus(t *testing.T) {
	f := &appliance.Facts{}
	f.Log.Lost, f.Log.LostAtLeast = logger.Lost{Socket: 1200, Controller: 1}, true
	f.Buses = []logger.BusStatus{{
		Number: 1, Interface: "can0", Link: "up", Controller: "error passive", Bitrate: 250_000, ListenOnly: true,
		Frames: 10, Errors: 2, Sent: 3, LeftOut: 4, Lost: logger.Lost{Socket: 1200},
		Problem: "set restart: operation not supported", Differs: []string{"bitrate 250000, configured 500000", "errors and no valid frame: wrong bit rate?"},
	}, {Number: 2, Interface: "can1", Link: "missing"}, {Number: 3, Interface: "can2", Recording: "paused", LeftOut: 5, LeftOutAtLeast: true}}
	f.Log.Seal = logger.SealStatus{Lines: 1234, Signed: true}
	text := statusText(f)
	for _, want := range []string{
		"at least 1,201 lost (1,200 in the socket queue, 1 in the controller)\n",
		"bus 1      can0, up, error passive, 250000 bit/s, listen-only: 10 frames, 2 errors, 3 sent, 4 left out, 1,200 lost (1,200 in the socket queue)\n",
		"           problem: set restart: operation not supported\n",
		"           differs: bitrate 250000, configured 500000\n",
		"           differs: errors and no valid frame: wrong bit rate?\n",
		"bus 2      can1, missing: 0 frames, 0 errors, 0 lost\n",
		"seals      1,234 lines, signed at present\n",
		"bus 3      can2, paused: 0 frames, 0 errors, at least 5 left out, 0 lost\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("wanted %q in\n%s", want, text)
		}
	}
}

func TestStatusTellsOnceWhySettingsWait(t *testing.T) {
	s := &ota.Status{
		Config: ota.Fact{State: "settled"}, Identity: ota.Fact{State: "settled"},
		Bundle: ota.Fact{State: "trying", Reason: "not trusted"}, Reason: "not trusted",
	}
	if got := settingsText(s); len(got) != 1 || got[0] != "certs_server.p7b: trying: not trusted" {
		t.Errorf("%q", got)
	}
	s.Reason = "no such host"
	if got := settingsText(s); len(got) != 2 || got[1] != "no such host" {
		t.Errorf("%q", got)
	}
}

func TestStatusTellsHowABusIsJudged(t *testing.T) {
	f := &appliance.Facts{Cancrypt: []logger.CryptStatus{
		{
			Bus: 1, Role: "judge", State: "in step (judge)", Verdicts: map[string]uint64{"1": 9, "2": 1234, "9": 2, "17": 7},
			Members: []logger.MemberStatus{{Address: 1, State: "present"}, {Address: 2, State: "lost"}},
		},
		{Bus: 2, Role: "judge", State: "out of step (judge)", Reason: "no key in slot 3", Members: []logger.MemberStatus{{Address: 1, State: "unknown"}}},
	}}
	text := statusText(f)
	for _, want := range []string{
		"cancrypt   bus 1, judge: in step (judge); members 2 lost; 1,234 authentic, 2 signature wrong\n",
		"cancrypt   bus 2, judge: out of step (judge), no key in slot 3\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("wanted %q in\n%s", want, text)
		}
	}
}

func TestStatusTellsOfTheNeighbours(t *testing.T) {
	f := &appliance.Facts{}
	if err := json.Unmarshal([]byte(`{"log":{"lost":{"probe":12}},"link":{
		"control":{"accepted":3,"refused":2,"ignored":1000},
		"mqtt":{"connected":false,"sent":1234,"dropped":5,"refused":0,"guarded":1,"waiting":7,"error":"no route"},
		"probes":[{"name":"roof","bus":2,"state":"up","clock_error_us":1250,"events":2000,"lost":12,"boots":2},{"name":"tail","bus":3,"state":"missing","clock_error_us":-1}]}}`), f); err != nil {
		t.Fatal(err)
	}
	text := statusText(f)
	for _, want := range []string{
		"12 lost (12 on the way from a probe)\n",
		"link       control: 3 connections, 2 refused, 1,000 not heard\n",
		"link       mqtt: not connected, 1,234 sent, 7 wait, 5 dropped, 1 connections cut for what the broker sent: no route\n",
		"link       probe roof, bus 2: up, 2,000 events, 12 lost, times within 1.2 ms, began 2 times\n",
		"link       probe tail, bus 3: missing, 0 events\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("wanted %q in\n%s", want, text)
		}
	}
}
