package logger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
)

// What is wrong with a link reaches the log as states, events.jsonl with its
// words, and the status; an adapter whose plug is loose tells at most one line
// a second.
func TestALinkThatIsNotAsItShouldBeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		r := newRig(t, card)
		link := Link{Number: 1, State: can.LinkUp, Differs: []string{"fd false, configured true", "wrong bit rate?"}, LeftOut: 3, Unlogged: 2}
		r.o.Links = func() []Link { return []Link{link} }
		var lines []string
		tell := r.o.Event
		r.o.Event = func(kind, what string, bus uint8, d map[string]any) {
			tell(kind, what, bus, d)
			if kind == "bus" {
				r.mu.Lock()
				defer r.mu.Unlock()
				lines = append(lines, strings.TrimSpace(fmt.Sprint(what, " ", bus, " ", d)))
			}
		}
		r.start()
		say := func(states ...can.State) {
			var list []can.Event
			for _, s := range states {
				list = append(list, can.Event{Time: r.clocks.read().Wall, Bus: 1, Kind: can.KindState, State: s})
			}
			r.feed.events <- list
			time.Sleep(time.Second)
			synctest.Wait()
		}
		say(can.LinkUp, can.LinkDiffers)
		say(can.LinkDiffers)
		link.Differs = nil
		say(can.LinkAsConfigured)
		link.Problem = "renamed to can9"
		say(can.LinkDown, can.LinkUp, can.LinkDown, can.LinkUnplugged)
		s := r.logger.Status().Buses[0]
		r.stop()

		const differs = "differs from the configuration 1 map[differs:fd false, configured true; wrong bit rate?]"
		want := []string{"up 1 map[]", differs, differs, "as configured 1 map[]", "unplugged 1 map[problem:renamed to can9]"}
		if !slices.Equal(lines, want) {
			t.Errorf("told %q, want %q", lines, want)
		}
		if s.Problem != link.Problem || s.LeftOut != 3 || s.Sent != 2 {
			t.Errorf("status %+v", s)
		}
		var states []can.State
		for _, st := range readSegment(t, card, "LOG/"+string(box)+"/00000001/00000001.MF4").states {
			if st.Bus == 1 {
				states = append(states, st.State)
			}
		}
		if len(states) != 8 {
			t.Errorf("states in the log: %v, wanted all 8", states)
		}
	})
}

// Of the states that a full queue cannot hold the last of each kind is kept: a
// link's settings are not its state.
func TestAFullQueueKeepsTheLastStateOfEachKind(t *testing.T) {
	q := newQueue(1)
	for _, s := range []can.State{can.LinkDown, can.LinkUp, can.LinkDiffers, can.LinkAsConfigured, can.BusOff, can.ErrorActive} {
		q.drop([]can.Event{{Bus: 1, Kind: can.KindState, State: s}})
	}
	var none losses
	var kept []can.State
	for _, e := range q.overflow(&none) {
		kept = append(kept, e.State)
	}
	if want := []can.State{can.LinkUp, can.LinkAsConfigured, can.ErrorActive}; !slices.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
}
