package can

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestCodesKeepTheirNumbersAndTexts holds the tables of docs/formats.md C1 and
// C2: files of ten years ago are read with them.
func TestCodesKeepTheirNumbersAndTexts(t *testing.T) {
	var got strings.Builder
	for i := range Verdicts {
		fmt.Fprintln(&got, "verdict", i, Verdict(i))
	}
	for _, r := range slices.Sorted(maps.Keys(Reasons)) {
		fmt.Fprintln(&got, "reason", uint8(r), r)
	}
	for _, s := range slices.Sorted(maps.Keys(States)) {
		fmt.Fprintln(&got, "state", uint8(s), "of kind", s.Kind(), s)
	}
	const want = `verdict 0 not checked
verdict 1 not listed
verdict 2 authentic
verdict 3 checksum ok
verdict 4 pending
verdict 5 vouched
verdict 6 vouched twice
verdict 7 unvouched
verdict 8 authentic under guessing
verdict 9 signature wrong
verdict 10 replayed
verdict 11 preamble without message
verdict 12 message without preamble
verdict 13 key epoch unknown
verdict 14 replayed session
verdict 15 not judged
verdict 16 injected
verdict 17 heartbeat ok
verdict 18 heartbeat wrong
verdict 19 sender lost or left
reason 1 socket queue
reason 2 interface
reason 3 controller
reason 4 own queue
reason 5 cut
reason 6 forced deletion
reason 7 reconfigured
reason 8 write error or card full
reason 9 probe link
state 10 of kind 1 missing
state 11 of kind 1 unplugged
state 12 of kind 1 down
state 13 of kind 1 up
state 14 of kind 1 differs from the configuration
state 15 of kind 1 as configured
state 20 of kind 2 error active
state 21 of kind 2 error warning
state 22 of kind 2 error passive
state 23 of kind 2 bus-off
state 24 of kind 2 stopped
state 25 of kind 2 sleeping
state 26 of kind 2 restarted
state 30 of kind 3 stopped
state 31 of kind 3 started
state 32 of kind 3 paused by control
state 33 of kind 3 resumed by control
state 34 of kind 3 resumed by limit
state 40 of kind 4 changed on the card
state 41 of kind 4 trying
state 42 of kind 4 settled
state 43 of kind 4 refused
state 44 of kind 4 rolled back
state 50 of kind 5 ok
state 51 of kind 5 low
state 52 of kind 5 full
state 53 of kind 5 read-only
state 54 of kind 5 write error
state 55 of kind 5 missing
state 60 of kind 6 off
state 61 of kind 6 joining
state 62 of kind 6 synchronising
state 63 of kind 6 grouped
state 64 of kind 6 silent
state 65 of kind 6 in step (judge)
state 66 of kind 6 out of step (judge)
state 67 of kind 6 paired
state 68 of kind 6 unpaired
state 70 of kind 7 by operator
state 71 of kind 7 by trigger
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

func TestNamesOfCodesStandForTheirNumbers(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{SenderLostOrLeft.String(), "sender lost or left"},
		{Injected.String(), "injected"},
		{LostProbe.String(), "probe link"},
		{BusOff.String(), "bus-off"},
		{CardMissing.String(), "missing"},
		{CryptUnpaired.String(), "unpaired"},
		{MarkByTrigger.String(), "by trigger"},
		{Verdict(200).String(), "reserved 200"},
		{Reason(0).String(), "reserved 0"},
		{State(16).String(), "reserved 16"},
	} {
		if c.name != c.want {
			t.Errorf("%q, want %q", c.name, c.want)
		}
	}
}
