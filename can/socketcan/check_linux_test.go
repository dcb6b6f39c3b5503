package socketcan

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

const listenOnly = unix.CAN_CTRLMODE_LISTENONLY

func TestDifferencesAreSaidInTheWordsOfTheConfiguration(t *testing.T) {
	l := link{controller: true, mtu: 16, bitRate: 499_999, dataRate: 0, restart: 100}
	for name, c := range map[string]struct {
		want Settings
		says []string
	}{
		"nothing wanted":                     {Settings{}, nil},
		"all as wanted":                      {Settings{BitRate: 500_000, FD: so(false), Restart: so(100 * time.Millisecond), ListenOnly: so(false)}, nil},
		"another bit rate":                   {Settings{BitRate: 250_000}, []string{"bitrate 499999, configured 250000"}},
		"a rate that the clock cannot quite": {Settings{BitRate: 501_000}, nil},
		"no data rate":                       {Settings{DataBitRate: 2_000_000, FD: so(true)}, []string{"data_bitrate unknown, configured 2000000", "fd false, configured true"}},
		"restart and mode":                   {Settings{Restart: so(time.Duration(0)), ListenOnly: so(true)}, []string{"restart 100ms, configured 0s", "listen_only false, configured true"}},
	} {
		if got := l.differs(c.want); !slices.Equal(got, c.says) {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
	}
}

// The rules of setting a link, one row each: what is done with the link as it
// is found.
func TestPlanOfALink(t *testing.T) {
	normal := Settings{BitRate: 500_000, ListenOnly: so(false)}
	silent := Settings{BitRate: 500_000, ListenOnly: so(true)}
	unsaid := Settings{BitRate: 500_000}
	up := func(rate, modes uint32) link { return link{controller: true, up: true, bitRate: rate, modes: modes} }
	down := link{controller: true}
	for name, c := range map[string]struct {
		found     link
		want      Settings
		ours      bool // the link is as we left it
		heard     bool
		acts, off bool // the link is set; listen-only mode is off then
	}{
		"down":                                 {down, normal, false, false, true, false},
		"down, though frames had come":         {down, normal, true, true, true, false},
		"up as wanted":                         {up(500_000, 0), normal, false, false, false, false},
		"up with another rate":                 {up(250_000, 0), normal, false, true, true, false},
		"listens, nothing heard":               {up(500_000, listenOnly), normal, true, false, false, false},
		"listens, a frame heard":               {up(500_000, listenOnly), normal, true, true, true, true},
		"listens by another hand, frame heard": {up(500_000, listenOnly), normal, false, true, true, true},
		"listens as wanted":                    {up(500_000, listenOnly), silent, true, true, false, false},
		"normal, but shall listen":             {up(500_000, 0), silent, false, true, true, false},
		"mode not wanted in words":             {up(500_000, listenOnly), unsaid, true, true, false, false},
		"driver took another rate":             {up(400_000, listenOnly), silent, true, true, false, false},
		"no controller, down":                  {link{}, normal, false, false, true, false},
		"no controller, up":                    {link{up: true}, normal, false, false, false, false},
	} {
		s := setup{applied: c.ours, left: c.found.settled()}
		got, acts := s.plan(&c.found, c.want, c.heard)
		if acts != c.acts || acts && *got.ListenOnly == c.off {
			t.Errorf("%s: sets %t, %+v", name, acts, got)
		}
		s.running = true
		if _, acts := s.plan(&c.found, c.want, c.heard); acts {
			t.Errorf("%s: sets while it sets", name)
		}
	}
}

func TestALinkThatCannotBeSetIsTriedLessAndLess(t *testing.T) {
	var s setup
	now := time.Unix(0, 0)
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		s.finish(outcome{err: unix.EPERM}, now)
		if s.due.Sub(now) != want || s.problem != unix.EPERM.Error() {
			t.Fatalf("next in %v, want %v; %q", s.due.Sub(now), want, s.problem)
		}
	}
	for range 20 {
		s.finish(outcome{err: unix.EPERM}, now)
	}
	if s.due.Sub(now) != setupLastPause {
		t.Errorf("next in %v", s.due.Sub(now))
	}
	s.finish(outcome{up: true}, now)
	if s.due.After(now) || s.problem != "" {
		t.Errorf("after success: %+v", s)
	}
}

func TestErrorsWithoutAFrameCastDoubtOnTheBitRate(t *testing.T) {
	rx := can.Event{Frame: can.Frame{ID: 1}}
	tx := can.Event{Frame: can.Frame{ID: 1}, Dir: can.Tx}
	message := func(class uint32, data ...byte) can.Event {
		return can.Event{Frame: frame(class, can.Error, 8, append(data, make([]byte, 8-len(data))...)...)}
	}
	form := message(unix.CAN_ERR_PROT|unix.CAN_ERR_BUSERROR, 0, 0, unix.CAN_ERR_PROT_FORM)
	for name, c := range map[string]struct {
		events []can.Event
		doubt  bool
	}{
		"nothing":                     {nil, false},
		"a frame, then errors":        {[]can.Event{rx, form}, false},
		"errors":                      {[]can.Event{form}, true},
		"errors, then a frame":        {[]can.Event{form, rx}, false},
		"errors, then one of ours":    {[]can.Event{form, tx}, true},
		"receive counter passive":     {[]can.Event{message(unix.CAN_ERR_CRTL, 0, unix.CAN_ERR_CRTL_RX_PASSIVE)}, true},
		"nobody acknowledges":         {[]can.Event{message(unix.CAN_ERR_ACK | unix.CAN_ERR_BUSERROR)}, false},
		"errors while sending":        {[]can.Event{message(unix.CAN_ERR_PROT|unix.CAN_ERR_BUSERROR, 0, 0, unix.CAN_ERR_PROT_TX)}, false},
		"send counter passive":        {[]can.Event{message(unix.CAN_ERR_CRTL, 0, unix.CAN_ERR_CRTL_TX_PASSIVE)}, false},
		"an overflow is full of news": {[]can.Event{message(unix.CAN_ERR_CRTL, 0, unix.CAN_ERR_CRTL_RX_OVERFLOW)}, false},
	} {
		ch := newChannel(Interface{Bus: 1})
		ch.seen.controller = true
		for i := range c.events {
			ch.hear(&c.events[i])
		}
		if doubt := slices.Contains(ch.check(&link{up: true}), wrongBitRate); doubt != c.doubt {
			t.Errorf("%s: doubt %t", name, doubt)
		}
	}
}

func TestNothingIsSentOnADoubtfulLink(t *testing.T) {
	good := link{controller: true, up: true, bitRate: 500_000}
	other, listens, down := good, good, good
	other.bitRate = 250_000
	listens.modes = listenOnly
	down.up = false
	for name, c := range map[string]struct {
		link   link
		want   Settings
		silent bool
	}{
		"as wanted":                      {good, Settings{BitRate: 500_000}, false},
		"nothing wanted":                 {good, Settings{}, false},
		"another bit rate":               {other, Settings{BitRate: 500_000}, true},
		"listens":                        {listens, Settings{}, true},
		"down, may come up with another": {down, Settings{BitRate: 500_000}, true},
		"virtual, rate unknown":          {link{up: true}, Settings{BitRate: 500_000}, false},
		"only the restart differs":       {good, Settings{Restart: so(time.Second)}, false},
	} {
		ch := newChannel(Interface{Want: c.want})
		if got := ch.silent(&c.link); got != c.silent {
			t.Errorf("%s: silent %t", name, got)
		}
	}
}

// Nothing is sent to an interface before it was looked at: it may be listen-only,
// or on a bus of another bit rate.
func TestNothingIsSentToAnInterfaceNeverSeen(t *testing.T) {
	c, err := Open(Options{Interfaces: []Interface{{Name: "nosuch0", Bus: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.own(1).silent.Load() {
		t.Error("the port may send")
	}
}
