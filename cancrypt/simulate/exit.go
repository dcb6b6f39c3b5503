package simulate

import (
	"math/rand/v2"

	"canseal/can"
	"canseal/cancrypt"
)

// exit is the way of a device's frames to the bus: first in, first out, past
// whoever sits there.
type exit struct {
	scene   *scene
	queue   []sent
	attacks []*onTheWay
	since   int64 // when the frame before the first one went
}

// onTheWay is an attacker between a device and the bus.
type onTheWay struct {
	clock  attackClock
	target map[cancrypt.Word]bool
	r      *rand.Rand
	turn   int
}

func newOnTheWay(a Attack, s *scene, start int64, r *rand.Rand) *onTheWay {
	o := &onTheWay{clock: newAttackClock(a, start), target: map[cancrypt.Word]bool{}, r: r}
	for _, record := range a.targets(s) {
		o.target[record.Word] = true
	}
	return o
}

// push takes the frames of a sequence, or a single frame.
func (x *exit) push(frames []sent, now int64) {
	for _, o := range x.attacks {
		if o.clock.next() <= now && len(frames) > 1 && frames[0].kind == Honest && o.target[cancrypt.WordOf(&frames[1].frame)] {
			o.clock.advance(now, o.r.Float64())
			frames = o.attack(frames)
			break
		}
	}
	x.queue = append(x.queue, frames...)
}

// attack changes a sequence: preamble, messages, and with several an epilog.
func (o *onTheWay) attack(frames []sent) []sent {
	for i := range frames {
		frames[i].kind = o.clock.a.Kind
	}
	o.turn++
	switch message := &frames[1]; o.clock.a.Kind {
	case Drop:
		frames[o.turn%2].gone = true
	case Delay:
		message.wait = int64(o.clock.a.Delay)
	case Tamper:
		o.flip(&message.frame)
	}
	return frames
}

// flip turns one bit; of an empty message the length.
func (o *onTheWay) flip(f *can.Frame) {
	if f.Len == 0 {
		f.Len, f.DLC = 1, 1
		return
	}
	f.Data[o.r.IntN(int(f.Len))] ^= 1 << o.r.IntN(8)
}

// first returns the frame that may go now, nil for none. What is worthless by
// now is withdrawn.
func (x *exit) first(now int64) *sent {
	for len(x.queue) > 0 && x.queue[0].until != 0 && x.queue[0].until < now {
		x.queue = x.queue[1:]
	}
	if len(x.queue) == 0 || now < x.ready() {
		return nil
	}
	return &x.queue[0]
}

// ready is when the first frame may go.
func (x *exit) ready() int64 {
	switch {
	case len(x.queue) == 0:
		return never
	case x.queue[0].wait == 0:
		return 0
	}
	return x.since + x.queue[0].wait
}

func (x *exit) gone(now int64) { x.queue, x.since = x.queue[1:], now }
