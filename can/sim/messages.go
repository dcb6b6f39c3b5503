package sim

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"

	"canseal/can"
)

// The network: 60 messages with standard identifiers and 20 with extended ones
// as on J1939 buses, in the periods of a vehicle.
const (
	standard = 60
	messages = standard + 20
)

// weights says how often a message comes in one cycle, as if the cycle took a
// second: message i has weights[i % len(weights)].
var weights = [...]int{100, 50, 10, 20, 5, 10, 1, 50, 20, 2}

// message is one sender's: its frame holds the last payload.
type message struct {
	frame can.Frame
	bus   uint8
}

// step makes the next payload: the first byte counts, the last one is the
// exclusive-or of the others, and those between walk by -1, 0 or 1.
func (m *message) step(random uint64) {
	p := m.frame.Payload()
	if len(p) < 2 {
		return
	}
	p[0]++
	sum := p[0]
	for i := 1; i < len(p)-1; i++ {
		p[i] += byte(random&1) - byte(random>>1&1)
		sum ^= p[i]
		random = bits.RotateLeft64(random, 3)
	}
	p[len(p)-1] = sum
}

// network invents the messages. FD messages are chosen until they make up the
// share fd of all frames.
func network(r *rand.Rand, buses int, fd float64) (m [messages]message) {
	taken := make(map[uint32]bool)
	total, frames := 0, 0
	for i := range m {
		total += weight(i)
		m[i].bus = uint8(1 + i%buses)
		m[i].frame.ID, m[i].frame.Flags = identify(r, i >= standard, taken)
	}
	for _, i := range r.Perm(messages) {
		m[i].shape(r, float64(frames) < fd*float64(total))
		frames += weight(i)
	}
	return m
}

func weight(i int) int { return weights[i%len(weights)] }

// identify returns an identifier that no message has yet.
func identify(r *rand.Rand, extended bool, taken map[uint32]bool) (id uint32, flags can.Flags) {
	for id == 0 || taken[id] {
		id = 0x080 + r.Uint32N(0x780)
		if extended {
			priority, group, address := 3+3*r.Uint32N(2), 0xf000+r.Uint32N(0xf00), r.Uint32N(0xfe)
			id, flags = priority<<26|group<<8|address, can.Extended
		}
	}
	taken[id] = true
	return id, flags
}

// shape gives a message its length and first payload. Three quarters of the
// classic ones have 8 bytes, the others any DLC.
func (m *message) shape(r *rand.Rand, fd bool) {
	f := &m.frame
	f.DLC = uint8(r.UintN(16))
	switch {
	case fd && r.UintN(8) == 0:
		f.Flags |= can.FD | can.ESI
	case fd:
		f.Flags |= can.FD | can.BRS
	case r.UintN(4) > 0:
		f.DLC = 8
	}
	f.Len = uint8(can.Length(f.DLC, fd))
	for i := range f.Payload() {
		f.Data[i] = byte(r.Uint32())
	}
}

// cycle returns the order in which the messages are sent: each as often as its
// weight says, at even distances.
func cycle(r *rand.Rand) (order []uint8) {
	type place struct {
		at      float64 // 0-1
		message uint8
	}
	var places []place
	for i := range messages {
		phase := r.Float64()
		for n := range weight(i) {
			places = append(places, place{(float64(n) + phase) / float64(weight(i)), uint8(i)})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.message, b.message)) })
	for _, p := range places {
		order = append(order, p.message)
	}
	return order
}

// errorFrames are what a controller with a bad neighbour reports
// (linux/can/error.h).
var errorFrames = [...]can.Frame{
	errorFrame(0x88, [8]byte{2: 0x04, 3: 0x0a}), // protocol violation, bus error: bit stuffing, in the data
	errorFrame(0x88, [8]byte{2: 0x02, 3: 0x1a}), // form, at the end of the frame
	errorFrame(0x88, [8]byte{3: 0x08}),          // CRC
	errorFrame(0xa8, [8]byte{3: 0x19}),          // no acknowledgement
	errorFrame(0x02, [8]byte{0: 0x0b}),          // arbitration lost in bit 11
}

func errorFrame(class uint32, data [8]byte) can.Frame {
	f := can.Frame{ID: class, Flags: can.Error, DLC: 8, Len: 8}
	copy(f.Data[:], data[:])
	return f
}
