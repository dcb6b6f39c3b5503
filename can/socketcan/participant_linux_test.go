package socketcan

import (
	"slices"
	"testing"
	"time"

	brutella "github.com/brutella/can"
	"golang.org/x/sys/unix"

	"canseal/can"
)

func TestParticipantHandsOutEventsUntilItIsClosed(t *testing.T) {
	p, other := pipePort(t)
	e := &ear{ReadWriteCloser: brutella.NewReadWriteCloser(p.line)}
	var err error
	if e.conn, err = p.line.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	p.bus = brutella.NewBus(e)
	station := &Participant{p, e}
	want := []can.Frame{frame(0x171, 0, 5, 1, 2, 3, 4, 5), frame(0x172, can.FD|can.BRS, 10, slices.Repeat([]byte{9}, 16)...), frame(0x173, can.Remote, 2), frame(0x174, can.Extended, 0)}
	got := make(chan can.Event, len(want))
	ended := make(chan error)
	go func() { ended <- station.Run(func(e can.Event) { got <- e }) }()
	for i := range want {
		var raw [fdSize]byte
		n := encode(&want[i], &raw)
		if _, err := unix.Write(other, raw[:n]); err != nil {
			t.Fatal(err)
		}
		if e := <-got; e.Frame != want[i] || e.Dir != can.Rx || time.Since(time.Unix(0, e.Time)) > time.Minute {
			t.Errorf("got %+v, want %+v", e, want[i])
		}
	}
	if err := station.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestParticipantEndsWithItsSocket(t *testing.T) {
	p, other := pipePort(t)
	e := &ear{ReadWriteCloser: brutella.NewReadWriteCloser(p.line)}
	e.conn, _ = p.line.SyscallConn()
	p.bus = brutella.NewBus(e)
	unix.Shutdown(other, unix.SHUT_RDWR)
	if err := (&Participant{p, e}).Run(func(can.Event) {}); err == nil {
		t.Error("no error, and no socket")
	}
}

func TestFiltersOfAParticipant(t *testing.T) {
	admits := func(list []unix.CanFilter, id uint32) bool {
		return slices.ContainsFunc(list, func(f unix.CanFilter) bool { return id&f.Mask == f.Id&f.Mask })
	}
	few, many := withRemote([]ID{{0x171, false}, {0x171, true}}), withRemote(make([]ID, 600))
	for id, want := range map[uint32]bool{0x171: true, 0x171 | unix.CAN_RTR_FLAG: true, 0x171 | unix.CAN_EFF_FLAG: true, 0x172: false} {
		if admits(few, id) != want || !admits(many, id) {
			t.Errorf("%X: %v and %v", id, admits(few, id), admits(many, id))
		}
	}
}

// Idle waits for what the kernel has queued and for what is being handed out.
func TestParticipantIsIdleWhenAllIsHandedOut(t *testing.T) {
	p, other := pipePort(t)
	e := &ear{ReadWriteCloser: brutella.NewReadWriteCloser(p.line)}
	var err error
	if e.conn, err = p.line.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	p.bus = brutella.NewBus(e)
	station := &Participant{p, e}
	handing, goOn, ended := make(chan bool), make(chan bool), make(chan error)
	var raw [fdSize]byte
	f := frame(0x171, 0, 1, 1)
	n := encode(&f, &raw)
	for range 2 {
		if _, err := unix.Write(other, raw[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if station.Idle() {
		t.Error("idle, though frames are queued")
	}
	go func() {
		ended <- station.Run(func(can.Event) {
			handing <- true
			<-goOn
		})
	}()
	for range 2 {
		<-handing
		if station.Idle() {
			t.Error("idle, though a frame is being handed out")
		}
		goOn <- true
	}
	for deadline := time.Now().Add(10 * time.Second); !station.Idle(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never idle")
		}
	}
	station.Close()
	<-ended
}
