package node

import (
	"math"

	"canseal/can"
	"canseal/cancrypt"
)

// The device's side of pairings beside a member, on the same port: a device can
// be grouped and paired at once.

func (l *loop) receiveDevice(e *can.Event) {
	if d := l.n.o.Device; d != nil && e.Kind == can.KindFrame {
		d.Frame(e, &l.pair)
	}
}

func (l *loop) tickDevice() {
	if d := l.n.o.Device; d != nil {
		d.Tick(l.now(), &l.pair)
	}
}

func (l *loop) nextDevice() int64 {
	if d := l.n.o.Device; d != nil {
		return d.Next()
	}
	return math.MaxInt64
}

// unpair ends a pairing when the node ends.
func (l *loop) unpair() {
	if d := l.n.o.Device; d != nil {
		d.Leave(l.now(), &l.pair)
	}
}

// givePairing hands on what the device gave out.
func (l *loop) givePairing() {
	for _, f := range l.pair.Frames {
		l.enqueue([]cancrypt.Outgoing{{Frame: f}})
	}
	for _, m := range l.pair.Messages {
		if l.n.o.Message != nil {
			l.n.o.Message(m)
		}
	}
	for _, e := range l.pair.Events {
		e.Time = l.clock.wall(e.Time).UnixNano()
		if l.n.o.Pairing != nil {
			l.n.o.Pairing(e)
		}
	}
	l.pair.Reset()
}
