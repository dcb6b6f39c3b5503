package socketcan

import (
	"errors"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// channel is one interface being recorded. Only the reading goroutine touches
// it, but for own.
type channel struct {
	Interface
	own    own
	status InterfaceStatus

	fd     int  // -1: not open
	opened bool // has been open before
	fell   bool // the kernel said that the interface went down, since the last look
	dead   bool // the socket has lost its interface
	drops  uint32
	last   int64 // stamp of the newest frame, or when the socket was opened
	looked int64 // when the interface was last asked about
	seen   link  // what it said

	overflows uint64 // overflow messages since the last look

	heard   bool      // a valid frame has come since the link is up
	garbled bool      // errors have come before that
	checked can.State // LinkDiffers, LinkAsConfigured; 0: not said
	setup   setup

	filters []unix.CanFilter // for the kernel; nil: none
	pushed  bool             // the kernel has them
	base    base

	batch      *batch
	notes      [batchSize]control
	next, have int  // messages of the batch not yet delivered
	full       bool // the queue may hold more than the batch
}

func newChannel(i Interface) *channel {
	if i.ReceiveBuffer == 0 {
		i.ReceiveBuffer = DefaultReceiveBuffer
	}
	ch := &channel{
		Interface: i, fd: -1, batch: newBatch(), setup: newSetup(),
		status: InterfaceStatus{Name: i.Name, Bus: i.Bus, Stamps: "software"},
	}
	if filters, ok := kernelFilters(i.Filter, i.Pass); ok && i.Filter != nil {
		ch.filters = filters
	}
	ch.own.silent.Store(true) // until the first look at the link
	return ch
}

// open makes the socket. What the interface counted before is not our loss.
func (ch *channel) open(l link, now int64) error {
	if !l.can {
		return errors.New("not a CAN interface")
	}
	fd, granted, err := openSocket(ch.Interface, l.index)
	if err != nil {
		return err
	}
	ch.fd, ch.opened, ch.fell, ch.dead, ch.drops = fd, true, false, false, 0
	ch.last, ch.looked, ch.seen, ch.overflows = now, now, l, 0
	ch.pushed, ch.base = false, base{}
	ch.full = true
	ch.status.ReceiveBuffer = granted
	return nil
}

func (ch *channel) close() {
	if ch.fd >= 0 {
		unix.Close(ch.fd)
	}
	ch.fd, ch.full = -1, false
}

// receive fetches the next batch; the one before must be used up. now stands in
// for stamps: the kernel begins to stamp a moment after it was asked to.
func (ch *channel) receive(now int64) {
	ch.next, ch.have, ch.full = 0, 0, false
	if ch.fd < 0 {
		return
	}
	n, err := ch.batch.receive(ch.fd)
	if err != nil {
		// The error stood in front of the queue, which may hold frames.
		ch.fell = ch.fell || errors.Is(err, unix.ENETDOWN)
		ch.dead = ch.dead || !errors.Is(err, unix.ENETDOWN)
		ch.full = true
		return
	}
	for i := range n {
		ch.notes[i] = ch.batch.control(i)
		if ch.notes[i].stamp == 0 {
			ch.notes[i].stamp = now
		}
	}
	ch.have, ch.full = n, n == batchSize
}

// waiting reports whether a message is there to be taken.
func (ch *channel) waiting() bool { return ch.next < ch.have }

// stamp returns the time of the next message.
func (ch *channel) stamp() int64 { return ch.notes[ch.next].stamp }

// take turns the next message into an event. It reports false when there is
// nothing to deliver. A loss before the message comes first and leaves the
// message in place.
func (ch *channel) take(e *can.Event) bool {
	note := ch.notes[ch.next]
	if ch.dropped(note.drops, note.stamp, e) {
		return true
	}
	i := ch.next
	ch.next++
	*e = can.Event{Time: note.stamp, Bus: ch.Bus, Kind: can.KindFrame}
	if ch.batch.flags(i)&unix.MSG_TRUNC != 0 || !decode(ch.batch.message(i), &e.Frame) {
		ch.status.LeftOut++
		return false
	}
	if e.Frame.Is(can.Error) {
		ch.status.Errors++
		return ch.ErrorFrames
	}
	ch.status.Frames++
	return ch.batch.flags(i)&unix.MSG_DONTROUTE == 0 || ch.direct(e)
}

// direct tells which program of this machine sent a frame, and counts it. It
// reports false when the frame is to be left out.
func (ch *channel) direct(e *can.Event) bool {
	mine, unlogged := ch.own.take(&e.Frame, e.Time)
	if !mine {
		e.Dir = can.OtherTx
		ch.status.OtherTx++
		return true
	}
	e.Dir = can.Tx
	ch.status.Sent++
	if unlogged {
		ch.status.Unlogged++
	}
	return !unlogged
}

// dropped compares a reading of the socket's drop counter with the one before,
// and makes a loss of the difference. The counter has 32 bits and wraps; a
// reading from before the last one (a frame queued before SO_MEMINFO was read)
// says nothing new.
func (ch *channel) dropped(counter uint32, now int64, e *can.Event) bool {
	lost := counter - ch.drops
	if int32(lost) <= 0 {
		return false
	}
	ch.drops = counter
	ch.status.LostSocket += uint64(lost)
	*e = ch.loss(can.LostSocket, uint64(lost), ch.last, now)
	return true
}

func (ch *channel) loss(r can.Reason, lost uint64, from, now int64) can.Event {
	return can.Event{
		Time: now, From: min(from, now), Bus: ch.Bus, Kind: can.KindLost,
		Lost: lost, Reason: r, AtLeast: r != can.LostSocket,
	}
}

// explain appends what an error message says about the controller.
func (ch *channel) explain(notes []can.Event, e *can.Event) []can.Event {
	if s := controller(&e.Frame); s != 0 {
		notes = append(notes, ch.controllerIs(s, e.Frame.Data[6], e.Frame.Data[7], e.Time))
	}
	if overflow(&e.Frame) {
		ch.overflows++
		ch.status.LostController++
		notes = append(notes, ch.loss(can.LostController, 1, ch.last, e.Time))
	}
	return notes
}

func (ch *channel) controllerIs(s can.State, tx, rx uint8, now int64) can.Event {
	ch.status.Controller, ch.status.TxErrors, ch.status.RxErrors = s, tx, rx
	return can.Event{Time: now, Bus: ch.Bus, Kind: can.KindState, State: s, TxErrors: tx, RxErrors: rx}
}

// compare appends what has changed between two looks at the interface: a
// controller state that no error message reported, and losses by its counters.
func (ch *channel) compare(notes []can.Event, l link, now int64) []can.Event {
	if l.state != 0 && l.state != ch.status.Controller {
		notes = append(notes, ch.controllerIs(l.state, l.txErrors, l.rxErrors, now))
	}
	if lost := ch.lostSince(l); lost > 0 {
		ch.status.LostInterface += lost
		notes = append(notes, ch.loss(can.LostInterface, lost, ch.looked, now))
	}
	var e can.Event
	if counter, err := dropped(ch.fd); err == nil && ch.dropped(counter, now, &e) {
		notes = append(notes, e)
	}
	ch.looked, ch.seen, ch.overflows = now, l, 0
	return notes
}

// lostSince returns what the interface dropped since the last look, without
// the overflows that error messages have reported. A counter that went back
// belongs to a driver that started anew.
func (ch *channel) lostSince(l link) uint64 {
	return grown(ch.seen.dropped, l.dropped) + grown(ch.overflows, grown(ch.seen.overflows, l.overflows))
}

func grown(from, to uint64) uint64 {
	if to < from {
		return 0
	}
	return to - from
}
