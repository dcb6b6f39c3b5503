package socketcan

import (
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

func events(n int) []can.Event { return make([]can.Event, n) }

// quiet returns a capture of given channels that nobody has opened.
func quiet(channels ...*channel) *Capture {
	return &Capture{channels: channels, now: wall, log: slog.New(slog.DiscardHandler), more: true, rounds: drainRounds}
}

// holding returns a channel whose batch holds messages with these stamps, and
// whose queue is empty.
func holding(bus uint8, stamps ...int64) *channel {
	ch := newChannel(Interface{Bus: bus, ErrorFrames: true})
	for i, s := range stamps {
		ch.put(i, message(16, 0x100, 1, 0, 0, byte(i)), control{stamp: s}, 0)
	}
	return ch
}

// put places a message into the batch as recvmmsg does.
func (ch *channel) put(i int, raw []byte, note control, flags int32) {
	copy(ch.batch.data[i][:], raw)
	ch.batch.heads[i].Len = uint32(len(raw))
	ch.batch.heads[i].Hdr.Flags = flags
	ch.notes[i], ch.have = note, i+1
}

func fillAll(c *Capture) []can.Event {
	buf := events(100)
	return buf[:c.fill(buf)]
}

func TestDrainMergesByStamp(t *testing.T) {
	c := quiet(holding(1, 10, 20, 50), holding(2, 15, 20, 60), holding(3))
	var got []int64
	for _, e := range fillAll(c) {
		got = append(got, e.Time*10+int64(e.Bus))
	}
	want := []int64{101, 152, 201, 202, 501, 602}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// A busy bus with more than a batch in its queue must not overtake a quiet
// one whose queue was empty at first.
func TestDrainAsksQuietBusesAgain(t *testing.T) {
	busyOut, busy := loopback(t)
	quietOut, still := loopback(t)
	c := quiet(overLoopback(busy, 1), overLoopback(still, 2))
	for range batchSize {
		send(t, busyOut, message(16, 1, 0, 0, 0))
	}
	buf := events(batchSize)
	if n := c.fill(buf); n != batchSize {
		t.Fatalf("%d events, want a batch", n)
	}
	send(t, quietOut, message(16, 2, 0, 0, 0))
	send(t, busyOut, message(16, 3, 0, 0, 0))
	n := c.fill(buf)
	if n != 2 || buf[0].Bus != 2 || buf[1].Bus != 1 {
		t.Fatalf("%d events, %+v", n, buf[:n])
	}
}

// What arrives while one interface after the other is asked stays for the next
// drain, but no longer: the wall clock may have been set back.
func TestDrainHoldsBackWhatIsNewerThanItself(t *testing.T) {
	out, in := loopback(t)
	future := wall() + int64(time.Hour)
	ch := overLoopback(in, 1)
	c := quiet(holding(2, future), ch)
	c.more, c.horizon = false, 10
	buf := events(8)
	if n := c.fill(buf); n != 0 || !c.drained || !c.holding() {
		t.Fatalf("%d events of the future", n)
	}
	send(t, out, message(16, 1, 0, 0, 0))
	c.drained, c.more = false, true
	if n := c.fill(buf); n != 2 || buf[0].Bus != 1 || buf[1].Time != future {
		t.Fatalf("%d events, %+v", n, buf[:n])
	}
}

func TestLossComesBeforeItsFrameAndOnce(t *testing.T) {
	ch := holding(1)
	ch.drops, ch.last = 1<<32-5, 7
	raw := message(16, 0x100, 0, 0, 0)
	ch.put(0, raw, control{stamp: 10, drops: 1<<32 - 5}, 0)
	ch.put(1, raw, control{stamp: 20, drops: 5}, 0)         // wrapped: 10 lost
	ch.put(2, raw, control{stamp: 30, drops: 1<<32 - 1}, 0) // read before: nothing new
	ch.put(3, raw, control{stamp: 40, drops: 5}, 0)
	got := fillAll(quiet(ch))
	if len(got) != 5 {
		t.Fatalf("%d events, want 5", len(got))
	}
	want := can.Event{Time: 20, From: 10, Lost: 10, Bus: 1, Kind: can.KindLost, Reason: can.LostSocket}
	if got[1] != want {
		t.Fatalf("got %+v, want %+v", got[1], want)
	}
	if ch.status.LostSocket != 10 || ch.status.Frames != 4 {
		t.Fatalf("status %+v", ch.status)
	}
}

func TestErrorMessagesTellStatesAndLosses(t *testing.T) {
	const flag = unix.CAN_ERR_FLAG
	for name, c := range map[string]struct {
		id     uint32
		byte1  byte
		state  can.State
		losses int
	}{
		"active":                                {0x204, 0x40, can.ErrorActive, 0},
		"receive warning":                       {0x204, 0x04, can.ErrorWarning, 0},
		"send warning":                          {0x204, 0x08, can.ErrorWarning, 0},
		"receive passive":                       {0x204, 0x10, can.ErrorPassive, 0},
		"send passive and warning":              {0x204, 0x28, can.ErrorPassive, 0},
		"bus-off":                               {0x040, 0, can.BusOff, 0},
		"bus-off wins over passive":             {0x044, 0x20, can.BusOff, 0},
		"restarted":                             {0x100, 0, can.ControllerRestarted, 0},
		"overflow":                              {0x004, 0x01, 0, 1},
		"overflow while passive":                {0x004, 0x11, can.ErrorPassive, 1},
		"send overflow loses no received frame": {0x004, 0x02, 0, 0},
		"acknowledge error":                     {0x020, 0, 0, 0},
		"byte 1 of another class":               {0x008, 0x11, 0, 0},
	} {
		for _, deliver := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				ch := holding(3)
				ch.ErrorFrames, ch.last = deliver, 5
				ch.put(0, message(16, flag|c.id, 8, 0, 0, 0, c.byte1, 0, 0, 0, 0, 96, 7), control{stamp: 9}, 0)
				var frames, losses int
				var state can.State
				for _, e := range fillAll(quiet(ch)) {
					switch e.Kind {
					case can.KindFrame:
						frames++
					case can.KindLost:
						losses++
						if e.Reason != can.LostController || !e.AtLeast || e.Lost != 1 || e.From != 5 || e.Time != 9 {
							t.Errorf("loss %+v", e)
						}
					case can.KindState:
						state = e.State
						if e.TxErrors != 96 || e.RxErrors != 7 || e.Time != 9 || e.Bus != 3 {
							t.Errorf("state %+v", e)
						}
					}
				}
				if (frames == 1) != deliver || losses != c.losses || state != c.state {
					t.Fatalf("%d frames, %d losses, state %v", frames, losses, state)
				}
				if ch.status.Errors != 1 || ch.status.Frames != 0 {
					t.Fatalf("status %+v", ch.status)
				}
			})
		}
	}
}

func TestDirection(t *testing.T) {
	ch := holding(1)
	local := int32(unix.MSG_DONTROUTE)
	mine := frame(0x100, 0, 1, 1)
	ch.own.add(ownFrame{frame: mine, at: 5})
	raw := message(16, 0x100, 1, 0, 0, 1)
	ch.put(0, raw, control{stamp: 4}, local) // equal, but before ours was sent
	ch.put(1, raw, control{stamp: 10}, 0)    // equal, but from the bus
	ch.put(2, raw, control{stamp: 11}, local)
	ch.put(3, raw, control{stamp: 12}, local) // ours has come back already
	ch.put(4, message(16, 0x101, 1, 0, 0, 1), control{stamp: 13}, local)
	for i, e := range fillAll(quiet(ch)) {
		if want := []can.Direction{can.OtherTx, can.Rx, can.Tx, can.OtherTx, can.OtherTx}[i]; e.Dir != want {
			t.Errorf("frame %d: direction %d, want %d", i, e.Dir, want)
		}
	}
	if s := ch.status; s.Frames != 5 || s.Sent != 1 || s.OtherTx != 3 {
		t.Fatalf("status %+v", s)
	}
}

func TestOwnFrames(t *testing.T) {
	a, b := frame(1, 0, 0), frame(2, 0, 0)
	var o own
	add := func(f can.Frame, at int64) { o.add(ownFrame{frame: f, at: at}) }
	take := func(f can.Frame, stamp int64) bool {
		mine, _ := o.take(&f, stamp)
		return mine
	}
	add(a, 0)
	add(b, 10)
	if !take(b, 11) || !take(a, 12) || take(a, 13) {
		t.Error("sent by priority: not each found once")
	}
	add(a, 0)
	if take(a, ownLife+1) || o.count.Load() != 0 {
		t.Error("found after its life")
	}
	add(a, 0)
	add(a, 1)
	o.forget(a)
	if !take(a, 2) || take(a, 2) {
		t.Error("a frame that was not sent is not forgotten")
	}
	for i := range 2 * ownMost {
		add(a, int64(i))
	}
	if n := o.count.Load(); n != ownMost || take(a, ownMost-1) {
		t.Errorf("%d remembered, want the newest %d", n, ownMost)
	}
}

func TestMessagesThatAreNoFramesAreCounted(t *testing.T) {
	ch := holding(1)
	ch.put(0, message(72, 1, 0x80, 0, 0), control{stamp: 1}, 0)
	ch.put(1, message(72, 1, 8, 0, 0), control{stamp: 1}, unix.MSG_TRUNC)
	ch.put(2, message(16, 1, 0, 0, 0), control{stamp: 1}, 0)
	if got := fillAll(quiet(ch)); len(got) != 1 || ch.status.LeftOut != 2 {
		t.Fatalf("%d events, status %+v", len(got), ch.status)
	}
}

func TestInterfaceCounters(t *testing.T) {
	for name, c := range map[string]struct {
		before, after link
		reported      uint64 // overflow messages between
		lost          uint64
	}{
		"nothing":                             {link{dropped: 3, overflows: 4}, link{dropped: 3, overflows: 4}, 0, 0},
		"dropped":                             {link{dropped: 3}, link{dropped: 5}, 0, 2},
		"overflows that nobody reported":      {link{overflows: 3}, link{overflows: 5}, 0, 2},
		"overflows that messages reported":    {link{overflows: 3}, link{overflows: 5}, 2, 0},
		"some of them":                        {link{overflows: 3, dropped: 1}, link{overflows: 5, dropped: 2}, 1, 2},
		"more messages than the counter says": {link{overflows: 3}, link{overflows: 3}, 2, 0},
		"a driver that started anew":          {link{dropped: 30, overflows: 9}, link{dropped: 2, overflows: 1}, 0, 0},
	} {
		ch := holding(1)
		ch.seen, ch.overflows = c.before, c.reported
		if got := ch.lostSince(c.after); got != c.lost {
			t.Errorf("%s: %d, want %d", name, got, c.lost)
		}
	}
}

// Everywhere, also where the kernel has no SocketCAN.
func TestMissingInterfaceIsAState(t *testing.T) {
	c, err := Open(Options{Interfaces: []Interface{{Name: "nocan9", Bus: 4}}, Now: func() int64 { return 17 }})
	if err != nil {
		t.Fatal(err)
	}
	buf := events(8)
	n, err := c.Read(buf)
	want := can.Event{Time: 17, Bus: 4, Kind: can.KindState, State: can.LinkMissing}
	if n != 1 || err != nil || buf[0] != want {
		t.Fatalf("%d events, %v, %+v, want %+v", n, err, buf[0], want)
	}
	if s := c.Status(); len(s) != 1 || s[0].Link != can.LinkMissing || s[0].Problem == "" {
		t.Fatalf("status %+v", s)
	}
	closeUnblocks(t, c)
}

func closeUnblocks(t *testing.T, c *Capture) {
	t.Helper()
	var done sync.WaitGroup
	done.Go(func() {
		buf := events(8)
		for {
			if _, err := c.Read(buf); err == io.EOF {
				return
			} else if err != nil {
				t.Error(err)
				return
			}
		}
	})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Close does not end Read")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(events(1)); n != 0 || err != io.EOF {
		t.Fatalf("after the end: %d, %v", n, err)
	}
}

func TestCloseBeforeAnyRead(t *testing.T) {
	c, err := Open(Options{Interfaces: []Interface{{Name: "nocan9", Bus: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(events(1)); n != 0 || err != io.EOF {
		t.Fatalf("%d, %v, want the end", n, err)
	}
}
