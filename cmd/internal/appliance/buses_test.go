package appliance

import (
	"testing"
	"time"

	"canseal/can"
	"canseal/config"
)

const linksConfig = `version: 1
buses:
  - interface: nocan1
    number: 3
    configure: true
    check: {bitrate: 500k, data_bitrate: 2M, fd: true, restart: 100ms, listen_only: false}
    transmit:
      - {match: "11:0x7DF", data: "0201050000000000", period: 1s}
      - {match: "29:0x18EAFFF9", data: "E8FE00", delay: 5ms, log: false}
      - {match: "11:0x100", data: "00112233445566778899AABB", fd: true, brs: true}
      - {match: "11:0x101", data: "0000", remote: true}
  - interface: nocan2
upload: {mode: off}
`

func TestLinksAreWiredAsConfigured(t *testing.T) {
	c, problems := config.Parse([]byte(linksConfig))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	first, second := captureOptions(c, nil).Interfaces[0], captureOptions(c, nil).Interfaces[1]
	w := first.Want
	if !first.Configure || w.BitRate != 500_000 || w.DataBitRate != 2_000_000 || !*w.FD || *w.Restart != 100*time.Millisecond || *w.ListenOnly {
		t.Errorf("wanted of the first: %+v", first)
	}
	if w := second.Want; second.Configure || w.BitRate != 0 || w.DataBitRate != 0 || w.FD != nil || w.Restart != nil || w.ListenOnly != nil {
		t.Errorf("wanted of the second: %+v", second)
	}
}

func TestFramesOfATransmitList(t *testing.T) {
	c, problems := config.Parse([]byte(linksConfig))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range []can.Frame{
		{ID: 0x7DF, DLC: 8, Len: 8, Data: [64]byte{2, 1, 5}},
		{ID: 0x18EAFFF9, Flags: can.Extended, DLC: 3, Len: 3, Data: [64]byte{0xE8, 0xFE}},
		{ID: 0x100, Flags: can.FD | can.BRS, DLC: 9, Len: 12, Data: [64]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB}},
		{ID: 0x101, Flags: can.Remote, DLC: 2},
	} {
		got := frameOf(c.Buses[0].Transmit[i])
		if got != want || !got.Valid() {
			t.Errorf("entry %d: %+v, want %+v", i, got, want)
		}
	}
}
