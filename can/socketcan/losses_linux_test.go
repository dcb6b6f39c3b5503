package socketcan

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// canned is what the kernel says at one moment.
type canned struct {
	at      int64
	frame   bool   // a frame comes, with drops as its counter
	message uint32 // an error message with these bits of byte 1 comes
	drops   uint32 // counter of the socket
	look    *link  // the interface is asked, with the counters of link
}

// tell feeds one moment into a channel and returns what it says.
func (ch *channel) tell(c canned) (said []can.Event) {
	switch {
	case c.look != nil:
		if l := ch.lostSince(*c.look); l > 0 {
			said = append(said, ch.loss(can.LostInterface, l, ch.looked, c.at))
		}
		var e can.Event
		if ch.dropped(c.drops, c.at, &e) {
			said = append(said, e)
		}
		ch.looked, ch.seen, ch.overflows = c.at, *c.look, 0
		return said
	case c.frame:
		ch.put(0, message(16, 0x100, 0, 0, 0), control{stamp: c.at, drops: c.drops}, 0)
	default:
		ch.put(0, message(16, unix.CAN_ERR_FLAG|unix.CAN_ERR_CRTL, 8, 0, 0, 0, byte(c.message), 0, 0, 0, 0, 0, 0), control{stamp: c.at, drops: c.drops}, 0)
	}
	ch.next = 0
	for _, e := range fillAll(quiet(ch)) {
		if e.Kind == can.KindLost {
			said = append(said, e)
		}
	}
	return said
}

// How the counters overlap: each loss is said by the first place that lost it,
// and by no other.
func TestEachLossIsCountedAtOnePlace(t *testing.T) {
	lost := func(r can.Reason, n uint64, from, to int64) can.Event {
		return can.Event{Kind: can.KindLost, Bus: 1, Reason: r, Lost: n, From: from, Time: to, AtLeast: r != can.LostSocket}
	}
	const overflow = unix.CAN_ERR_CRTL_RX_OVERFLOW
	for name, c := range map[string]struct {
		story []canned
		want  []can.Event
	}{
		"the socket tells with the next frame, the look says nothing new": {
			[]canned{{at: 10, frame: true}, {at: 20, frame: true, drops: 7}, {at: 30, look: &link{}, drops: 7}},
			[]can.Event{lost(can.LostSocket, 7, 10, 20)},
		},
		"a bus that went quiet: the look tells, the next frame says nothing new": {
			[]canned{{at: 10, frame: true}, {at: 30, look: &link{}, drops: 7}, {at: 90, frame: true, drops: 7}},
			[]can.Event{lost(can.LostSocket, 7, 10, 30)},
		},
		"a frame queued before the look, with a part of it": {
			[]canned{{at: 10, frame: true}, {at: 30, look: &link{}, drops: 7}, {at: 29, frame: true, drops: 5}, {at: 90, frame: true, drops: 9}},
			[]can.Event{lost(can.LostSocket, 7, 10, 30), lost(can.LostSocket, 2, 29, 90)},
		},
		"the controller reports an overflow, and its driver counts it too": {
			[]canned{{at: 10, frame: true}, {at: 20, message: overflow}, {at: 30, look: &link{overflows: 1}}},
			[]can.Event{lost(can.LostController, 1, 10, 20)},
		},
		"the driver counts more overflows than it reports": {
			[]canned{{at: 5, look: &link{}}, {at: 10, frame: true}, {at: 20, message: overflow}, {at: 30, look: &link{overflows: 3}}},
			[]can.Event{lost(can.LostController, 1, 10, 20), lost(can.LostInterface, 2, 5, 30)},
		},
		"the report of an overflow was itself lost in the socket": {
			[]canned{{at: 10, frame: true}, {at: 15, look: &link{}, drops: 0}, {at: 20, frame: true, drops: 4}, {at: 30, look: &link{overflows: 1}, drops: 4}},
			[]can.Event{lost(can.LostSocket, 4, 10, 20), lost(can.LostInterface, 1, 15, 30)},
		},
		"the driver drops what never reaches the socket": {
			[]canned{{at: 15, look: &link{dropped: 100}}, {at: 30, look: &link{dropped: 103}}},
			[]can.Event{lost(can.LostInterface, 3, 15, 30)},
		},
		"all of them between two looks": {
			[]canned{{at: 5, look: &link{}}, {at: 10, frame: true}, {at: 20, message: overflow, drops: 2}, {at: 30, look: &link{overflows: 1, dropped: 5}, drops: 3}},
			[]can.Event{lost(can.LostSocket, 2, 10, 20), lost(can.LostController, 1, 10, 20), lost(can.LostInterface, 5, 5, 30), lost(can.LostSocket, 1, 20, 30)},
		},
	} {
		ch := newChannel(Interface{Bus: 1, ErrorFrames: true})
		if first := c.story[0].look; first != nil { // what was counted before is not ours
			ch.seen, ch.looked, ch.last = *first, c.story[0].at, c.story[0].at
		}
		var got []can.Event
		for _, moment := range c.story {
			got = append(got, ch.tell(moment)...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}
