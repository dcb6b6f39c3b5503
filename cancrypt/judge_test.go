package cancrypt

import (
	"testing"

	"canseal/can"
)

// verdictTests has for each verdict how it comes about, and the attack or
// accident that must not reach it.
var verdictTests = map[can.Verdict]func(b *bus){
	can.NotChecked: func(b *bus) {
		b.want(b.event(can.Event{Time: b.now, Frame: can.Frame{Flags: can.Error, DLC: 8, Len: 8}}), can.NotChecked, "error frame")
	},
	can.NotListed: func(b *bus) {
		b.want(b.frame(0x123, []byte{1}), can.NotListed, "unlisted frame")
		b.want(b.frame(secured|Extended, []byte{1}), can.NotListed, "29-bit frame with a listed number")
		b.want(b.frame(control+1, AppendControl(nil, 0, Alert{Injection, 1})), can.NotListed, "ALERT")
		b.now++
		b.want(b.event(can.Event{Time: b.now, Frame: can.Frame{ID: secured.ID(), Flags: can.Remote}}), can.NotListed, "remote frame on a listed identifier")
		if b.events[AlertHeard] != 1 {
			b.t.Error("ALERT is no event")
		}
	},
	can.Authentic: func(b *bus) {
		b.want(b.send(secured, 1, 2, 3), can.Authentic, "method 1")
		b.want(b.now-200_000, can.Authentic, "its preamble")
		b.want(b.send(cmacked), can.Authentic, "method 2 without data")
		for bit := range 8 * 8 {
			p, m := b.pair(secured, 1, 2, 3, 4, 5, 6, 7, 8)
			b.frame(control+1, p[:])
			m.Data[bit/8] ^= 1 << (bit % 8)
			at := b.frame(secured, m.Data[:])
			if v := b.settled[at]; v == can.Authentic || v == can.AuthenticUnderGuessing {
				b.t.Errorf("changed bit %d: %v", bit, v)
			}
		}
	},
	can.ChecksumOK: func(b *bus) {
		at := b.send(weak, 1, 2, 3, 4, 5, 6, 7, 8)
		b.want(at, can.ChecksumOK, "method 0")
		b.send(secured, 1) // proves the key, which method 0 does not
		p, m := b.pair(weak, 1, 2, 3, 4, 5, 6, 7, 8)
		m.Data[7] ^= 1
		b.frame(control+3, p[:])
		b.want(b.frame(weak, m.Data[:]), can.SignatureWrong, "changed data")
	},
	can.Pending: func(b *bus) {
		p, _ := b.pair(secured, 1)
		b.want(b.frame(control+1, p[:]), can.Pending, "preamble before its message")
		b.want(b.frame(plain, []byte{1}), can.Pending, "heartbeat-only frame before the heartbeat")
	},
	can.Vouched: func(b *bus) {
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		at := b.frame(plain, []byte{1})
		b.cycle(1, 2, 3)
		b.want(at, can.Vouched, "frame before a faultless cycle of an established member")
		late := b.frame(plain, []byte{2})
		b.frame(control+2, []byte{byte(b.e.Number & 3), 1, 2, 3, 4})
		b.cycle(1, 2, 3)
		b.want(late, can.Unvouched, "frame before a cycle with a guessed heartbeat")
	},
	can.VouchedTwice: func(b *bus) {
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		at := b.frame(plain, []byte{1})
		b.cycle(1, 2, 3)
		after := b.frame(plain, []byte{1})
		b.cycle(1, 2, 3)
		b.want(at, can.VouchedTwice, "frame before two faultless cycles")
		b.want(after, can.Vouched, "frame between them")
		b.cycle(1, 3)
		b.wait(200)
		b.tick()
		b.want(after, can.Vouched, "frame whose second cycle has no heartbeat")
	},
	can.Unvouched: func(b *bus) {
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		at := b.frame(plain, []byte{1})
		b.wait(2000)
		b.tick()
		b.want(at, can.Unvouched, "no heartbeat for 1.5 event times")
		b.want(b.frame(plain, []byte{1}), can.Unvouched, "and later")
	},
	can.AuthenticUnderGuessing: func(b *bus) {
		for i := range 9 {
			b.want(b.send(secured, byte(i)), can.Authentic, "before the ninth guess")
			p, m := b.pair(secured, 1)
			p[6] ^= 1
			b.frame(control+1, p[:])
			b.frame(secured, m.Data[:m.Len])
		}
		b.want(b.send(secured, 1), can.AuthenticUnderGuessing, "after nine wrong ones")
		b.want(b.send(cmacked, 1), can.Authentic, "another sender")
		b.cycle(1, 2, 3)
		b.want(b.send(secured, 1), can.Authentic, "under the next key")
		if b.events[UnderGuessing] != 1 {
			b.t.Errorf("%d events", b.events[UnderGuessing])
		}
	},
	can.SignatureWrong: func(b *bus) {
		b.send(secured, 1) // proves the key
		p, m := b.pair(secured, 1)
		p[7] ^= 1
		pre := b.frame(control+1, p[:])
		b.want(b.frame(secured, m.Data[:m.Len]), can.SignatureWrong, "changed signature")
		b.want(pre, can.SignatureWrong, "its preamble")
		b.want(b.frame(control+1, []byte{1, 2, 3, 4, 5, 6, 7, 8}), can.SignatureWrong, "what no sender of plain preambles sends")
		if b.events[EventKind(BadSignature)] != 2 {
			b.t.Errorf("counter 3 rose %d times", b.events[EventKind(BadSignature)])
		}
	},
	can.Replayed: func(b *bus) {
		p, m := b.pair(secured, 1, 2)
		b.frame(control+1, p[:])
		b.want(b.frame(secured, m.Data[:m.Len]), can.Authentic, "recorded message")
		b.frame(control+1, p[:])
		b.want(b.frame(secured, m.Data[:m.Len]), can.Replayed, "sent again")
		for range 63 {
			b.send(secured, 9)
		}
		b.frame(control+1, p[:])
		b.want(b.frame(secured, m.Data[:m.Len]), can.Replayed, "63 sequences later")
		b.send(secured, 9)
		b.frame(control+1, p[:])
		b.want(b.frame(secured, m.Data[:m.Len]), can.SignatureWrong, "outside the window a replay is not called one")
	},
	can.PreambleWithoutMessage: func(b *bus) {
		p, m := b.pair(secured, 1)
		at := b.frame(control+1, p[:])
		b.wait(11)
		b.want(b.frame(secured, m.Data[:m.Len]), can.MessageWithoutPreamble, "R12: message after 10 ms")
		b.want(at, can.PreambleWithoutMessage, "its preamble")
		p, m = b.pair(secured, 1)
		at = b.frame(control+1, p[:])
		b.now = at + 10*millisecond - 200_000
		b.want(b.frame(secured, m.Data[:m.Len]), can.Authentic, "message after 10 ms sharp")
		first := b.frame(control+1, p[:])
		b.send(secured, 1)
		b.want(first, can.PreambleWithoutMessage, "superseded by another preamble")
	},
	can.MessageWithoutPreamble: func(b *bus) {
		b.want(b.frame(secured, []byte{1}), can.MessageWithoutPreamble, "R14: listed message alone")
		p, m := b.pair(secured, 1)
		b.frame(control+1, p[:])
		b.want(b.frame(0x191, []byte{1}), can.MessageWithoutPreamble, "another identifier than announced")
		b.want(b.frame(secured, m.Data[:m.Len]), can.Authentic, "the pending sequence is not disturbed")
		b.now++
		fd := can.Event{Time: b.now, Frame: can.Frame{ID: secured.ID(), Flags: can.FD, DLC: 1, Len: 1}}
		b.want(b.event(fd), can.MessageWithoutPreamble, "FD frame on a listed identifier")
	},
	can.KeyEpochUnknown: func(b *bus) {
		b.e.Number++
		ahead := b.send(secured, 1)
		b.want(ahead, can.Pending, "first an epoch ahead may be our own fault")
		b.e.Number--
		b.want(b.send(cmacked, 1), can.Authentic, "a right one shows that the key is right")
		b.want(ahead, can.KeyEpochUnknown, "epoch ahead")
	},
	can.ReplayedSession: func(b *bus) {
		again := newBus(b.t, func(o *JudgeOptions) {
			o.Seen = func(tag [8]byte) bool { return len(b.proven) == 1 && tag == b.proven[0] }
		})
		for _, e := range b.log {
			again.event(e)
		}
		again.now, again.e, again.seq = b.now, b.e, b.seq
		again.want(again.send(secured, 1), can.ReplayedSession, "recorded drive played again")
		if again.events[SessionReplayed] != 1 || len(again.proven) != 0 {
			b.t.Errorf("events %v, remembered %d", again.events, len(again.proven))
		}
		again.wait(6000)
		again.start(8, 1, 2, 3)
		again.cycle(1, 2, 3)
		again.cycle(1, 2, 3)
		again.want(again.send(secured, 1), can.Authentic, "a fresh start")
	},
	can.NotJudged: func(b *bus) {
		b.want(b.send(secured, 1), can.Authentic, "with a key")
		fresh := newBus(b.t, nil)
		fresh.e, fresh.seq = b.e, b.seq
		fresh.want(fresh.send(secured, 1), can.NotJudged, "late start")
		fresh.want(fresh.heartbeat(1, 0), can.NotJudged, "late start, heartbeat")
		p := Preamble{Count: 1, Context: 1, Word: paired}
		head := p.Bytes()
		b.frame(control+1, head[:])
		b.want(b.frame(paired, []byte{1}), can.NotJudged, "pairing whose key the judge does not hold")
	},
	can.Injected: func(b *bus) {
		b.want(b.frame(control+1, []byte{0, 0}), can.NotListed, "an observer has no own identifiers")
		own := grouped(b.t, func(o *JudgeOptions) { o.Address = 1 })
		data := own.frame(secured, []byte{1})
		own.want(data, can.Injected, "own identifier from the bus")
		own.want(own.frame(control+1, []byte{0, 0}), can.Injected, "own control ID from the bus")
		own.now++
		own.want(own.event(can.Event{Time: own.now, Frame: can.Frame{ID: secured.ID(), Flags: can.Remote}}), can.Injected, "remote frame on it")
		own.now++
		other := can.Event{Time: own.now, Dir: can.OtherTx, Frame: can.Frame{ID: secured.ID(), DLC: 1, Len: 1}}
		own.want(own.event(other), can.Injected, "by another program of this machine")
		own.now++
		sent := can.Event{Time: own.now, Dir: can.Tx, Frame: can.Frame{ID: secured.ID(), DLC: 1, Len: 1}}
		own.want(own.event(sent), can.MessageWithoutPreamble, "what this program has sent")
		own.want(own.frame(cmacked, []byte{1}), can.MessageWithoutPreamble, "what another member sends")
		if own.events[EventKind(Injection)] == 0 || own.events[InjectedLocally] != 1 {
			own.t.Errorf("events %v", own.events)
		}
	},
	can.HeartbeatOK: func(b *bus) {
		stamps := b.cycle(1, 2, 3)
		for a, at := range stamps {
			b.want(at, can.HeartbeatOK, "heartbeat of "+string('0'+rune(a)))
		}
		for i, at := range []int64{b.heartbeat(1, 0), b.heartbeat(1, 0), b.heartbeat(2, 0)}[:2] {
			b.want(at, []can.Verdict{can.HeartbeatOK, can.HeartbeatWrong}[i], "R9: second in one cycle")
		}
	},
	can.HeartbeatWrong: func(b *bus) {
		b.send(secured, 1)
		h := b.s.SealHeartbeat(&b.e, 2, Authenticated, [3]byte{1, 2, 3})
		ok := 0
		for guess := range 256 {
			h[4] = byte(guess)
			if b.settled[b.frame(control+2, h[:])] == can.HeartbeatOK {
				ok++
			}
		}
		if ok > 4 {
			b.t.Errorf("%d of 256 guesses pass", ok)
		}
		b.want(b.frame(control+9, h[:]), can.HeartbeatWrong, "address that is no member")
		if b.events[StrangeAddress] == 0 {
			b.t.Error("no event")
		}
	},
	can.SenderLostOrLeft: func(b *bus) {
		b.wait(200)
		b.cycle(1, 2)
		b.want(b.send(weak, 1), can.ChecksumOK, "one cycle missed")
		b.cycle(1, 2)
		b.wait(200)
		b.want(b.send(weak, 1), can.SenderLostOrLeft, "two cycles missed")
		if b.events[MemberLost] != 1 {
			b.t.Errorf("lost %d times", b.events[MemberLost])
		}
		b.cycle(3, 1, 2)
		b.want(b.send(weak, 1), can.ChecksumOK, "back again")
		leaving := map[uint8]int64{}
		for a := range uint8(3) {
			leaving[a+1] = b.heartbeat(a+1, bitStatus(a == 0))
		}
		b.e = b.j.candidates[0].cur
		b.seq = [16]uint16{}
		b.want(b.send(secured, 1), can.SenderLostOrLeft, "left in order")
		b.want(b.heartbeat(1, 0), can.HeartbeatWrong, "heartbeat of one that left")
		b.wait(6000)
		b.start(8, 1, 2, 3)
		b.cycle(1, 2, 3)
		b.want(b.send(secured, 1), can.Authentic, "after the next start")
	},
}

func bitStatus(leaving bool) Status {
	if leaving {
		return Leaving
	}
	return 0
}

func TestEachVerdict(t *testing.T) {
	for v := range can.SenderLostOrLeft + 1 {
		t.Run(v.String(), func(t *testing.T) {
			verdictTests[v](grouped(t, nil))
		})
	}
}
