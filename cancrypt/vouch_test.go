package cancrypt

import (
	"testing"

	"canseal/can"
)

// 5.6: a member vouches from its third faultless cycle on.
func TestNewMemberVouchesFromItsThirdCycle(t *testing.T) {
	b := grouped(t, nil)
	at := b.frame(plain, []byte{1})
	b.cycle(1, 2, 3)
	b.want(at, can.Pending, "after the second cycle")
	b.cycle(1, 2, 3)
	b.want(at, can.Vouched, "after the third")
}

// 5.6: what makes a cycle faulty for a member.
func TestCyclesThatDoNotVouch(t *testing.T) {
	for name, fault := range map[string]func(b *bus){
		"a guess before the heartbeat": func(b *bus) {
			b.frame(control+2, []byte{byte(b.e.Number & 3), 1, 2, 3, 4})
			b.cycle(1, 2, 3)
		},
		"a guess after it": func(b *bus) {
			stamps := map[uint8]int64{2: b.heartbeat(2, 0)}
			b.frame(control+2, []byte{byte(b.e.Number & 3), 1, 2, 3, 4})
			stamps[1], stamps[3] = b.heartbeat(1, 0), b.heartbeat(3, 0)
			b.update(stamps, 0)
		},
		"a second one": func(b *bus) {
			b.heartbeat(2, 0)
			b.heartbeat(2, 0)
			b.heartbeat(1, 0)
			b.heartbeat(3, 0)
		},
		"one that reports manipulation": func(b *bus) {
			h := b.s.SealHeartbeat(&b.e, 2, 0, [3]byte{1, 2, 3})
			b.frame(control+2, h[:])
			b.heartbeat(1, 0)
			b.heartbeat(3, 0)
		},
	} {
		b := grouped(t, nil)
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		at := b.frame(plain, []byte{1})
		fault(b)
		b.want(at, can.Unvouched, name)
	}
}

// P1.8: bits 4..2 of the status are zero.
func TestHeartbeatWithReservedBitsIsWrong(t *testing.T) {
	s := suite(t, PadSpeck, SpeckMAC)
	var e Epoch
	for _, status := range []Status{Authenticated | 4, 8, 16} {
		h := s.SealHeartbeat(&e, 1, status, [3]byte{1, 2, 3})
		if _, ok := s.OpenHeartbeat(&e, 1, h); ok {
			t.Errorf("status %02x is right", uint8(status))
		}
	}
}
