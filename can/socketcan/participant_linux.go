package socketcan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"

	brutella "github.com/brutella/can"
	"golang.org/x/sys/unix"

	"canseal/can"
)

// Participant is a Port whose Run hands out events: frames of the identifiers
// in PortOptions.Receive with their stamps, remote ones and those that were
// sent included, and the controller's error messages about the protocol. Dir is
// Tx for what this Participant sent, OtherTx for what anybody else on this
// machine sent. Classic frames go through brutella's Bus, FD frames beside it.
type Participant struct {
	*Port
	ear *ear
}

// mostFilters is how many filters a raw CAN socket takes (CAN_RAW_FILTER_MAX).
const mostFilters = 512

// OpenParticipant opens an interface for taking part.
func OpenParticipant(o PortOptions) (*Participant, error) {
	wanted := o.Receive
	o.Receive = nil // until the options are set
	p, err := OpenPort(o)
	if err != nil {
		return nil, err
	}
	e := &ear{ReadWriteCloser: brutella.NewReadWriteCloser(p.line)}
	if e.conn, err = p.line.SyscallConn(); err == nil {
		err = e.listen(wanted)
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("open participant on %s: %w", o.Interface, err)
	}
	p.bus = brutella.NewBus(e)
	return &Participant{p, e}, nil
}

// listen sets what a participant hears beside a Port.
func (e *ear) listen(wanted []ID) error {
	var err error
	set := func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_CAN_RAW, unix.CAN_RAW_RECV_OWN_MSGS, 1); err != nil {
			return
		}
		if err = unix.SetsockoptInt(int(fd), unix.SOL_CAN_RAW, unix.CAN_RAW_ERR_FILTER, unix.CAN_ERR_PROT); err != nil {
			return
		}
		if err = stamp(int(fd)); err != nil {
			return
		}
		err = unix.SetsockoptCanRawFilter(int(fd), unix.SOL_CAN_RAW, unix.CAN_RAW_FILTER, withRemote(wanted))
	}
	if ctl := e.conn.Control(set); ctl != nil {
		return ctl
	}
	return err
}

// withRemote admits frames with the given identifiers, remote frames too; more
// than the kernel takes as a list are all frames.
func withRemote(ids []ID) []unix.CanFilter {
	list := filters(ids)
	if len(list) > mostFilters {
		return []unix.CanFilter{{}}
	}
	for i := range list {
		list[i].Mask &^= unix.CAN_RTR_FLAG
	}
	return list
}

// Run hands received events to handle, one at a time, until Close; then it
// returns nil. It is called once.
func (p *Participant) Run(handle func(can.Event)) error {
	p.ear.handle = handle
	p.bus.SubscribeFunc(func(b brutella.Frame) { p.ear.deliver(fromBrutella(b)) })
	if err := p.bus.ConnectAndPublish(); !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("receive on %s: %w", p.line.Name(), err)
	}
	return nil
}

// Idle reports whether every frame that the kernel had queued as it was called
// has been handed out: deadlines can be processed, no frame from before is on
// its way.
func (p *Participant) Idle() bool {
	queued := true
	err := p.ear.conn.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		queued = err == nil
	})
	// Frames taken from the queue before it was empty are being handed out for as
	// long as the ear is busy.
	return err != nil || !queued && !p.ear.busy.Load()
}

// ear reads from a socket, for brutella's Bus, what its Frame can hold, and
// keeps what it cannot: stamp and direction of the frame at hand.
type ear struct {
	brutella.ReadWriteCloser
	conn   syscall.RawConn
	closed atomic.Bool
	busy   atomic.Bool // from before a frame is read until it is handed out
	handle func(can.Event)
	at     can.Event
	raw    [fdSize]byte
	notes  [controlSize]byte
}

// ReadFrame returns one classic frame. FD frames are handed out at once. An
// interface that goes down is waited for.
func (e *ear) ReadFrame(f *brutella.Frame) error {
	for {
		n, err := e.receive()
		switch {
		case errors.Is(err, unix.ENETDOWN):
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF // brutella's Bus reads again for ever at io.EOF
		case err != nil:
			return err
		case n == classicSize:
			*f = toBrutella(e.raw[:n])
			return nil
		case n == fdSize:
			e.deliver(e.raw[:n])
		}
	}
}

func (e *ear) deliver(raw []byte) {
	if decode(raw, &e.at.Frame) {
		e.handle(e.at)
	}
}

// receive reads one message and what the kernel says about it.
func (e *ear) receive() (n int, err error) {
	var notes, flags int
	wait := e.conn.Read(func(fd uintptr) bool {
		e.busy.Store(true)
		for err = unix.EINTR; err == unix.EINTR; {
			n, notes, flags, _, err = unix.Recvmsg(int(fd), e.raw[:], e.notes[:], 0)
		}
		if err != nil {
			e.busy.Store(false)
		}
		return err != unix.EAGAIN
	})
	switch {
	case e.closed.Load():
		return 0, fs.ErrClosed
	case wait != nil:
		return 0, wait
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	e.at = can.Event{Time: parseControl(e.notes[:notes]).stamp, Dir: direction(flags)}
	if e.at.Time == 0 {
		e.at.Time = wall()
	}
	return n, nil
}

// Close ends ReadFrame.
func (e *ear) Close() error {
	e.closed.Store(true)
	return e.ReadWriteCloser.Close()
}

// direction reads the flags of a message: MSG_CONFIRM is set on the socket that
// sent it, MSG_DONTROUTE on all others of this machine too.
func direction(flags int) can.Direction {
	switch {
	case flags&unix.MSG_CONFIRM != 0:
		return can.Tx
	case flags&unix.MSG_DONTROUTE != 0:
		return can.OtherTx
	}
	return can.Rx
}
