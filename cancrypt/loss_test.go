package cancrypt

import (
	"testing"

	"canseal/can"
)

// A judge that missed a heartbeat holds a wrong key. An honest heartbeat is right
// under it once in 256, but what accuses waits for two members or a signature:
// section 6 (d), the judge is never wrong, at worst not judged.
func TestALostHeartbeatAccusesNobody(t *testing.T) {
	accused, chance, runs := 0, 0, 1500
	for seed := range runs {
		b := newBus(t, nil)
		b.start(byte(seed), 1, 2, 3)
		b.wait(int64(seed))
		b.cycle(1, 2, 3)
		stamps := map[uint8]int64{1: b.heartbeat(1, 0), 2: b.heartbeat(2, 0)}
		b.wait(20)
		stamps[3] = b.now + 200_000 // on the bus, and lost on the way to the judge
		b.update(stamps, 0)
		b.wait(1000)
		var honest []int64
		for range 3 {
			honest = append(honest, b.send(secured, byte(seed)), b.send(cmacked, 2), b.frame(plain, []byte{byte(seed)}))
			for _, at := range b.cycle(1, 2, 3) {
				honest = append(honest, at)
			}
		}
		b.wait(200)
		b.tick()
		if seed%2 == 0 { // the group starts again
			b.wait(6000)
			b.start(byte(seed)+1, 1, 2, 3)
			b.cycle(1, 2, 3)
			b.cycle(1, 2, 3)
		}
		for _, at := range honest {
			switch b.settled[at] {
			case can.NotJudged, can.Pending:
			case can.HeartbeatOK, can.Vouched:
				chance++
			default:
				accused++
			}
		}
	}
	t.Logf("%d runs, %d heartbeats right by chance, %d frames accused", runs, chance, accused)
	if accused > 0 || chance == 0 {
		t.Errorf("%d frames accused, %d heartbeats right by chance", accused, chance)
	}
}

// What waits is given in the end, when the key is right: nobody escapes.
func TestWhatWaitsForAProofIsGiven(t *testing.T) {
	b := grouped(t, nil)
	forge := func() int64 {
		p, m := b.pair(secured, 1)
		p[7] ^= 1
		b.frame(control+1, p[:])
		return b.frame(secured, m.Data[:m.Len])
	}
	wrong := forge()
	b.want(wrong, can.Pending, "wrong under a key that nothing has proven")
	first := b.heartbeat(1, 0)
	b.want(wrong, can.Pending, "one heartbeat may be right by chance")
	b.heartbeat(2, 0)
	b.want(wrong, can.SignatureWrong, "two members prove the key")
	b.want(first, can.HeartbeatOK, "heartbeat")
	b.want(forge(), can.SignatureWrong, "at once under a proven key")
	b.e.Number++
	ahead := b.send(secured, 1)
	b.e.Number--
	b.send(weak, 1)
	b.want(ahead, can.Pending, "an epoch ahead, and a checksum proves nothing")
	b.send(cmacked, 1)
	b.want(ahead, can.KeyEpochUnknown, "a signature afterwards: no update was missed")
}

// A start in which the judge finds its way again says nothing about what waited
// under the lost key.
func TestAnotherStartAccusesNobodyOfBefore(t *testing.T) {
	b := grouped(t, nil)
	p, m := b.pair(secured, 1)
	p[7] ^= 1
	b.wait(4500)
	b.frame(control+1, p[:])
	at := b.frame(secured, m.Data[:m.Len])
	b.want(at, can.Pending, "wrong under a key that nothing has proven")
	b.start(9, 1, 2, 3)
	b.cycle(1, 2, 3)
	b.want(b.send(secured, 1), can.Authentic, "after the start")
	b.want(at, can.NotJudged, "before it")
}

// Known losses: neither a sequence that was cut nor a heartbeat that may be
// among what is missing is anybody's fault.
func TestKnownLossesAccuseNobody(t *testing.T) {
	b := grouped(t, nil)
	b.cycle(1, 2, 3)
	b.cycle(1, 2, 3)
	lose := func() {
		var out Out
		b.now++
		b.j.Lost(&can.Event{Kind: can.KindLost, From: b.now - millisecond, Time: b.now}, &out)
		b.take(&out)
	}
	first, _ := b.pair(secured, 1)
	pre := b.frame(control+1, first[:]) // its message and the next preamble are lost
	lose()
	_, m := b.pair(secured, 2)
	at := b.frame(secured, m.Data[:m.Len])
	b.want(pre, can.NotJudged, "preamble of a lost message")
	b.want(at, can.NotJudged, "message of a lost preamble")
	alone := b.frame(plain, []byte{1})
	lose()
	b.heartbeat(1, 0)
	b.heartbeat(3, 0)
	b.wait(200)
	b.tick()
	b.want(alone, can.NotJudged, "its sender's heartbeat may be lost")
}

// The frame just before the judge goes out of step is settled too.
func TestTheLastFrameInStepIsSettled(t *testing.T) {
	b := grouped(t, nil)
	stamps := map[uint8]int64{1: b.heartbeat(1, 0), 2: b.heartbeat(2, 0)}
	b.wait(20)
	stamps[3] = b.now + 200_000
	b.update(stamps, 0)
	var last int64
	for b.events[OutOfStep] == 0 {
		last = b.now
		b.wait(100)
		b.heartbeat(1, 0)
		b.heartbeat(2, 0)
	}
	for _, e := range b.log {
		if e.Time <= last && b.settled[e.Time] == can.Pending {
			t.Errorf("a frame %d ms before stays pending", (last-e.Time)/millisecond)
		}
	}
}
