package simulate

import (
	"math"

	"canseal/can"
)

// never is a time that no deadline reaches.
const never = math.MaxInt64

// sent is a frame on its way to the bus, with what is true about it.
type sent struct {
	own   can.Frame // as its sender believes that it went
	gone  bool      // taken off on the way
	frame can.Frame
	kind  Kind
	by    uint8
	state string
	made  int64 // ns since 1970 UTC; 0: not told
	wait  int64 // after the frame before it, ns
	until int64 // worthless later, ns since 1970 UTC; 0: never
}

// station is one participant: a device or an attacker. It has no clock and no
// line; a bus, simulated or real, drives it.
type station interface {
	// next returns when tick is wanted, never if at no time.
	next() int64
	// tick lets time pass: deadlines up to now.
	tick(now int64)
	// hear gets each frame that was on the bus, as an event of another node
	// (can.Rx), or as its own one (can.Tx). kind is Honest where it is not known.
	hear(e *can.Event, kind Kind)
	// offer returns the frame that it would send now, nil for none.
	offer(now int64) *sent
	// gone says that the frame offered is on its way: the next one may follow.
	gone(now int64)
}
