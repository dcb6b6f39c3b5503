package cancrypt

import (
	"testing"

	"canseal/can"
)

// The weaknesses of cancrypt.md 7 that a test can show; docs/threats.md names the
// test of each. The first is TestMethod0IsForgeableWithoutAKey.

// Weakness 2: small tags. A guess is right once in 256, or in 65,536.
func TestWeaknessGuessesAreRightNowAndThen(t *testing.T) {
	b := grouped(t, nil)
	right := 0
	for guess := range 1 << 16 {
		e := b.e
		e.Dyn[0], e.Dyn[1] = byte(guess), byte(guess>>8)
		if _, ok := b.s.OpenHeartbeat(&e, 2, [5]byte{byte(Authenticated) | byte(e.Number&3), 1, 2, 3, 4}); ok {
			right++
		}
	}
	if right < 150 || right > 400 { // 256 are expected
		t.Errorf("%d of 65536 guesses of a heartbeat are right", right)
	}
	b.guess(secured, 9)
	b.want(b.send(secured, 1), can.AuthenticUnderGuessing, "so the ninth failure is an alarm")
}

// Weakness 3: bit generation hides only who sent a claim. Whoever sees that, by
// voltage or with two taps, has the key.
func TestWeaknessWhoSeesTheSendersOfClaimsKnowsTheKey(t *testing.T) {
	w := newWire(t, 7, blank)
	w.pair()
	w.save(3)
	key, bits := Key{}, 0
	claims := map[int]Word{}
	for _, f := range w.log {
		switch word := WordOf(&f.frame); {
		case word == 0x010 || word == 0x011:
			claims[f.from] = word
		case f.frame.Len == 3 && f.frame.Data[0]>>4 == byte(CodeBit):
			clear(claims)
		case f.from == 1 && f.frame.Len == 3 && f.frame.Data[0]>>4 == byte(CodeAck) && f.frame.Data[1] == byte(CodeBit) && bits < 128:
			key, bits = key.Shifted(claims[0] == 0x011), bits+1
		}
	}
	if got, _ := w.c.c.Slots.Key(3); bits != 128 || got != key {
		t.Errorf("after %d bits another key than the saved one", bits)
	}
}

// Weakness 5: a group is one shared key. Whoever holds it poses as any member:
// "authentic" never says which one.
func TestWeaknessAMemberPosesAsAnother(t *testing.T) {
	b := grouped(t, nil)
	// Sealed with what member 3 holds as well, in the name of member 1.
	b.want(b.send(secured, 1, 2, 3), can.Authentic, "a message of member 1, sent by member 3")
	h := b.s.SealHeartbeat(&b.e, 1, Authenticated, [3]byte{1, 2, 3})
	b.want(b.frame(control+1, h[:]), can.HeartbeatOK, "a heartbeat of member 1, sent by member 3")
}

// Weakness 6: anybody can cost the group a start in 5 s, and a judge a cycle.
func TestWeaknessForgedStartsKeepMessagesPending(t *testing.T) {
	b := grouped(t, nil)
	b.wait(6000)
	for _, a := range []uint8{1, 2} {
		b.frame(control+Word(a), AppendControl(nil, 0, Group{3, [4]byte{a}, 10}))
	}
	b.wait(600)
	at := b.send(secured, 1)
	b.want(at, can.Pending, "until the next cycle")
	b.cycle(1, 2, 3)
	b.want(at, can.Authentic, "then it is settled")
}

// Weakness 7: what is protected by heartbeats alone is known to be injected a
// cycle later, and only if its sender notices.
func TestWeaknessInjectionBesideHeartbeatsIsSeenLate(t *testing.T) {
	b := grouped(t, nil)
	b.cycle(1, 2, 3)
	b.cycle(1, 2, 3)
	injected := b.frame(plain, []byte{0xFF})
	b.want(injected, can.Pending, "acted on before anybody can tell")
	h := b.s.SealHeartbeat(&b.e, 2, 0, [3]byte{1, 2, 3}) // the sender saw it
	b.frame(control+2, h[:])
	b.heartbeat(1, 0)
	b.heartbeat(3, 0)
	b.want(injected, can.Unvouched, "a cycle later")
}

// Weakness 8: a secured message costs a second frame; a full stream 25 %.
func TestWeaknessSecuredMessagesCostFrames(t *testing.T) {
	for messages, frames := range map[int]int{1: 2, MaxMessages: MaxMessages + 2} {
		b := grouped(t, nil)
		before := len(b.log)
		r := b.o.Table.Find(secured)
		list := make([]Message, messages)
		for i := range list {
			list[i] = Message{Record: *r, Len: 8}
		}
		p, end := b.s.Seal(&b.e, Place{Sender: 1}, list)
		b.frame(control+1, p[:])
		var at int64
		for _, m := range list {
			at = b.frame(secured, m.Data[:])
		}
		if messages > 1 {
			b.frame(control+1, end[:])
		}
		b.want(at, can.Authentic, "the last message")
		if n := len(b.log) - before; n != frames {
			t.Errorf("%d messages: %d frames", messages, n)
		}
	}
}

// Weakness 11: an observer has no freshness. A recorded drive verifies, unless
// its start key is remembered.
func TestWeaknessARecordedDriveVerifiesForWhoRemembersNothing(t *testing.T) {
	b := grouped(t, nil)
	recorded := b.send(secured, 1)
	again := newBus(t, nil)
	for _, e := range b.log {
		again.event(e)
	}
	again.want(recorded, can.Authentic, "a judge without the list of start keys")
	remembers := newBus(t, func(o *JudgeOptions) { o.Seen = func([8]byte) bool { return true } })
	for _, e := range b.log {
		remembers.event(e)
	}
	remembers.want(recorded, can.ReplayedSession, "a judge that has the list")
}

// Weakness 12: a replay from beyond the last 64 sequences, or of another epoch,
// is not called one.
func TestWeaknessAnOldReplayIsOnlyAWrongSignature(t *testing.T) {
	b := grouped(t, nil)
	p, m := b.pair(secured, 1)
	replay := func() int64 {
		b.frame(control+1, p[:])
		return b.frame(secured, m.Data[:m.Len])
	}
	replay()
	for range 64 {
		b.send(secured, 9)
	}
	b.want(replay(), can.SignatureWrong, "65 sequences later")
	b.cycle(1, 2, 3)
	b.wait(200)
	old := replay()
	b.send(secured, 1)
	b.never(old, can.Replayed, "an epoch later")
	b.never(old, can.Authentic, "an epoch later")
}
