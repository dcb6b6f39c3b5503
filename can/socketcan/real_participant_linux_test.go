package socketcan

import (
	"slices"
	"sync"
	"testing"
	"time"

	"canseal/can"
)

// participant is one that listens to its bus.
func participant(t *testing.T, name string, c *Capture) (*Participant, <-chan can.Event) {
	t.Helper()
	p, err := OpenParticipant(PortOptions{Interface: name, Bus: 1, Capture: c, Receive: []ID{{0x171, false}, {0x171, true}, {0x172, false}}})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan can.Event, 100)
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := p.Run(func(e can.Event) { heard <- e }); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		p.Close()
		ended.Wait()
	})
	return p, heard
}

func TestRealParticipantHearsWhoSent(t *testing.T) {
	realBus(t)
	addLink(t, "take0", "vxcan", "take1")
	a, mine := participant(t, "take0", nil)
	_, same := participant(t, "take0", nil)
	_, far := participant(t, "take1", nil)
	for _, f := range []can.Frame{
		frame(0x171, 0, 5, 1, 2, 3, 4, 5), frame(0x171, can.Extended, 0), frame(0x172, can.Remote, 3), frame(0x172, can.FD|can.BRS, 10, slices.Repeat([]byte{7}, 16)...),
	} {
		before := time.Now().Add(-time.Second)
		if err := a.Send(frame(0x173, 0, 0)); err != nil { // nobody asked for it
			t.Fatal(err)
		}
		if err := a.Send(f); err != nil {
			t.Fatal(err)
		}
		for want, heard := range map[can.Direction]<-chan can.Event{can.Tx: mine, can.OtherTx: same, can.Rx: far} {
			select {
			case e := <-heard:
				if e.Dir != want || e.Frame != f {
					t.Errorf("heard %+v, want direction %d of %+v", e, want, f)
				}
				if at := time.Unix(0, e.Time); at.Before(before) || at.After(time.Now().Add(time.Second)) {
					t.Errorf("stamp %v", at)
				}
			case <-time.After(patience):
				t.Fatalf("direction %d: nothing heard of %+v", want, f)
			}
		}
	}
}

func TestRealParticipantOutlivesALinkThatIsDown(t *testing.T) {
	realBus(t)
	addLink(t, "nap0", "vcan")
	p, heard := participant(t, "nap0", nil)
	f := frame(0x171, 0, 1, 9)
	links(t, "down", "nap0")
	if err := p.Send(f); err == nil {
		t.Error("sent on a link that is down")
	}
	links(t, "up", "nap0")
	for deadline := time.Now().Add(patience); p.Send(f) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("never sends again")
		}
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case e := <-heard:
		if e.Frame != f || e.Dir != can.Tx {
			t.Errorf("heard %+v", e)
		}
	case <-time.After(patience):
		t.Fatal("nothing heard after the link is up again")
	}
}
