package cancrypt

import (
	"testing"

	"canseal/can"
)

// noAttack has for each verdict an attack that must not bring it about.
var noAttack = map[can.Verdict]struct {
	name string
	do   func(b *bus)
}{
	can.NotChecked: {"a frame that would not be looked at", func(b *bus) {
		for _, w := range []Word{secured, blocked, control + 1, plain, 0x7FF} {
			for n := range 9 {
				at := b.frame(w, make([]byte, n))
				if b.settled[at] == can.NotChecked {
					b.t.Errorf("%v with %d bytes is not checked", w, n)
				}
			}
		}
	}},
	can.NotListed: {"a listed message in another format, to pass as ordinary traffic", func(b *bus) {
		b.now++
		e := can.Event{Time: b.now, Frame: can.Frame{ID: secured.ID(), Flags: can.FD | can.BRS, DLC: 8, Len: 8}}
		b.want(b.event(e), can.MessageWithoutPreamble, "FD frame on a listed identifier")
		b.want(b.frame(secured, nil), can.MessageWithoutPreamble, "listed frame without data")
	}},
	can.Authentic: {"a message under another member's name, a message of another epoch, a message of another group", func(b *bus) {
		p, m := b.pair(secured, 1, 2)
		b.frame(control+2, p[:]) // sent by 2 as if it were its own
		b.never(b.frame(secured, m.Data[:2]), can.Authentic, "another sender's preamble")
		old, oldMessage := b.pair(secured, 3)
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		b.frame(control+1, old[:])
		b.never(b.frame(secured, oldMessage.Data[:1]), can.Authentic, "two epochs later")
		other := b.e
		other.Perm[0] ^= 1
		b.e, other = other, b.e
		b.never(b.send(secured, 1), can.Authentic, "another group key")
		b.e = other
		b.send(cmacked, 1)
	}},
	can.ChecksumOK: {"a message of method 1 that is sealed by method 0", func(b *bus) {
		r := *b.o.Table.Find(secured)
		m := []Message{{Record: r, Len: 2}}
		m[0].Record.Signature = CRCXor
		p, _ := b.s.Seal(&b.e, Place{Sender: 1, Seq: 0}, m)
		b.frame(control+1, p[:])
		b.never(b.frame(secured, m[0].Data[:2]), can.ChecksumOK, "downgraded")
		b.never(b.frame(secured, m[0].Data[:2]), can.Authentic, "downgraded")
	}},
	can.Pending: {"a flood of preambles, to fill the memory of what waits", func(b *bus) {
		for i := range 3 * maxPending {
			b.frame(control+1, []byte{0x80, byte(i), 0x81, 1, 0, 0x40, byte(i >> 8), 1})
			if len(b.j.held) > maxPending || len(b.j.warned) > maxPending {
				b.t.Fatal("no bound")
			}
			if i%1000 == 0 {
				b.log, b.late = b.log[:0], b.late[:0]
			}
		}
	}},
	can.Vouched: {"guesses in the name of a member that is not there", func(b *bus) {
		for range 3 {
			b.cycle(1, 3)
		}
		at := b.frame(plain, []byte{1})
		for guess := range 4000 {
			b.frame(control+2, []byte{byte(b.e.Number & 3), byte(guess), byte(guess >> 8), 7, byte(guess * 31)})
		}
		b.wait(200)
		b.cycle(1, 3)
		b.wait(2000)
		b.tick()
		b.never(at, can.Vouched, "4000 guesses in one cycle")
		b.never(at, can.VouchedTwice, "4000 guesses in one cycle")
	}},
	can.VouchedTwice: {"the heartbeat of one cycle, sent again in the next", func(b *bus) {
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		at := b.frame(plain, []byte{1})
		h := b.s.SealHeartbeat(&b.e, 2, Authenticated, [3]byte{2, byte(b.now >> 20), byte(b.now >> 28)})
		b.cycle(2, 1, 3)
		b.want(at, can.Vouched, "after one heartbeat")
		b.frame(control+2, h[:])
		b.cycle(1, 3)
		b.wait(200)
		b.tick()
		b.never(at, can.VouchedTwice, "by a replay")
	}},
	can.Unvouched: {"a guess after the heartbeat that vouched", func(b *bus) {
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		at := b.frame(plain, []byte{1})
		b.cycle(1, 2, 3)
		b.frame(control+2, []byte{byte(b.e.Number & 3), 1, 2, 3, 4})
		b.cycle(1, 2, 3)
		b.want(at, can.Vouched, "what is settled stays")
	}},
	can.AuthenticUnderGuessing: {"guesses in one member's name, to discredit another", func(b *bus) {
		b.guess(secured, 20)
		b.want(b.send(cmacked, 1), can.Authentic, "another member's message")
	}},
	can.SignatureWrong: {"a forged start, after which honest messages seem to have other keys", func(b *bus) {
		b.wait(6000)
		b.frame(control+1, AppendControl(nil, 0, Group{3, [4]byte{1}, 10}))
		b.frame(control+2, AppendControl(nil, 0, Group{3, [4]byte{2}, 10}))
		b.wait(600)
		at := b.send(secured, 1)
		b.cycle(1, 2, 3)
		b.cycle(1, 2, 3)
		b.want(at, can.Authentic, "an honest message")
		if b.events[EventKind(BadSignature)] > 0 {
			b.t.Errorf("events %v", b.events)
		}
	}},
	can.Replayed: {"a preamble heard and sent ahead of its message", func(b *bus) {
		p, m := b.pair(secured, 1)
		b.frame(control+1, p[:])
		b.frame(control+1, p[:]) // the attacker's copy supersedes the first
		b.want(b.frame(secured, m.Data[:1]), can.Authentic, "the honest message")
		b.want(b.send(secured, 2), can.Authentic, "and the next one")
	}},
	can.PreambleWithoutMessage: {"listed frames between a preamble and its message", func(b *bus) {
		p, m := b.pair(secured, 1)
		at := b.frame(control+1, p[:])
		b.frame(0x191, []byte{1})
		b.frame(cmacked, []byte{1})
		b.frame(blocked, make([]byte, 8))
		b.want(b.frame(secured, m.Data[:1]), can.Authentic, "the message")
		b.want(at, can.Authentic, "its preamble")
	}},
	can.MessageWithoutPreamble: {"a message of the announced identifier, sent first", func(b *bus) {
		p, m := b.pair(secured, 1)
		b.frame(control+1, p[:])
		forged := b.frame(secured, []byte{9})
		b.never(forged, can.Authentic, "the forged one")
		b.want(b.frame(secured, m.Data[:1]), can.MessageWithoutPreamble, "the honest one comes too late: this attack is seen, not prevented")
		b.want(b.send(secured, 1), can.Authentic, "the next one")
	}},
	can.KeyEpochUnknown: {"heartbeats ahead of the epoch, to lead the judge astray", func(b *bus) {
		for i := range 100 {
			b.frame(control+3, []byte{byte(b.e.Number+1)&3 | 0x80, byte(i), 1, 2, 3})
		}
		b.want(b.send(secured, 1), can.Authentic, "an honest message")
		b.want(b.cycle(1, 2, 3)[3], can.HeartbeatOK, "an honest heartbeat")
	}},
	can.ReplayedSession: {"a recorded start, sent while the group lives", func(b *bus) {
		tag := b.proven[0]
		b.j.o.Seen = func(t [8]byte) bool { return t == tag }
		b.wait(6000)
		for i := range b.log {
			if e := b.log[i]; e.Frame.Len == 7 {
				b.frame(WordOf(&e.Frame), e.Frame.Payload())
			}
		}
		b.wait(600)
		at := b.send(secured, 1)
		b.cycle(1, 2, 3)
		b.want(at, can.Authentic, "the group goes on")
		b.want(b.send(secured, 2), can.Authentic, "and on")
	}},
	can.NotJudged: {"floods of wrong heartbeats and starts, to blind the judge", func(b *bus) {
		for i := range 600 {
			b.frame(control+Word(1+i%3), []byte{byte(b.e.Number&3) | 4, byte(i), 1, 2, 3}) // no guess: a reserved bit is set
			b.frame(control+Word(1+i%3), AppendControl(nil, 0, Group{3, [4]byte{byte(i)}, 10}))
		}
		b.want(b.send(secured, 1), can.Authentic, "an honest message")
	}},
	can.Injected: {"a stranger's frames, to discredit an observer's group", func(b *bus) {
		for _, w := range []Word{secured, cmacked, control + 1, plain} {
			b.never(b.frame(w, []byte{1}), can.Injected, "an observer owns nothing")
		}
	}},
	can.HeartbeatOK: {"a heartbeat of the cycle before, and one of another member", func(b *bus) {
		h := b.s.SealHeartbeat(&b.e, 2, Authenticated, [3]byte{1, 2, 3})
		b.frame(control+2, h[:])
		b.heartbeat(1, 0)
		b.heartbeat(3, 0)
		b.e = b.j.candidates[0].cur
		b.wait(1000)
		b.never(b.frame(control+2, h[:]), can.HeartbeatOK, "one epoch later, after its grace")
		b.never(b.frame(control+3, h[:]), can.HeartbeatOK, "in another's name")
		b.send(secured, 1)
	}},
	can.HeartbeatWrong: {"a guess just before a member's heartbeat", func(b *bus) {
		b.send(secured, 1)
		b.frame(control+2, []byte{byte(b.e.Number & 3), 1, 2, 3, 4})
		b.want(b.cycle(1, 2, 3)[2], can.HeartbeatOK, "the honest heartbeat")
	}},
	can.SenderLostOrLeft: {"a forged farewell", func(b *bus) {
		h := b.s.SealHeartbeat(&b.e, 1, Authenticated, [3]byte{1, 2, 3})
		h[0] |= byte(Leaving)
		b.send(cmacked, 1)
		b.want(b.frame(control+1, h[:]), can.HeartbeatWrong, "the status is signed")
		b.cycle(1, 2, 3)
		b.want(b.send(secured, 1), can.Authentic, "the member is still there")
	}},
}

// never demands that a frame did not get a verdict.
func (b *bus) never(at int64, v can.Verdict, why string) {
	b.t.Helper()
	if b.settled[at] == v {
		b.t.Errorf("%s: %v", why, v)
	}
}

// guess sends messages with wrong signatures.
func (b *bus) guess(w Word, n int) {
	for i := range n {
		p, m := b.pair(w, byte(i))
		p[6], p[7] = p[6]^byte(i+1), p[7]^1
		b.frame(control+Word(m.Record.Producer), p[:])
		b.frame(w, m.Data[:m.Len])
	}
}

func TestNoAttackReaches(t *testing.T) {
	for v := range can.SenderLostOrLeft + 1 {
		t.Run(v.String(), func(t *testing.T) {
			a := noAttack[v]
			t.Log(a.name)
			b := grouped(t, nil)
			a.do(b)
			if len(b.j.candidates) > maxCandidates {
				t.Error("too many candidates")
			}
		})
	}
}
