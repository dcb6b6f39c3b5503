package cancrypt

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"canseal/can"
)

func keepOn() bool { return false }

// drifting is a bus whose judge did not hear what the members did, and the
// honest messages that were sent since.
func drifting(t testing.TB, members []uint8, miss func(b *bus) map[uint8]int64) (b *bus, honest []int64) {
	b = newBus(t, func(o *JudgeOptions) { o.Repair, o.Members = true, members })
	b.start(7, members...)
	b.cycle(members...)
	b.cycle(members...)
	b.cycle(members...)
	stamps := miss(b)
	b.update(stamps, 0)
	b.wait(1000)
	for range 4 {
		honest = append(honest, b.send(secured, 1, 2), b.send(cmacked, 3))
		b.cycle(members...)
	}
	return b, honest
}

// unheard makes the heartbeat of a member one that the judge does not hear; its
// random bytes are low, so that a short search finds them.
func unheard(b *bus, heard ...uint8) map[uint8]int64 {
	stamps := map[uint8]int64{}
	for _, a := range heard {
		stamps[a] = b.heartbeat(a, 0)
	}
	b.wait(20)
	stamps[3] = 200_000 + 0x01<<28 // random bytes 3, 0, 1
	return stamps
}

func mend(t *testing.T, b *bus, keys uint32) {
	t.Helper()
	s := b.j.Repair()
	if s == nil {
		t.Fatal("nothing to search for")
	}
	if b.j.Repair() != nil {
		t.Error("a second search for the same")
	}
	s.keys = keys
	begun := time.Now()
	if !s.Run(keepOn) {
		t.Fatal("not found")
	}
	t.Logf("found after %v, %d keys", time.Since(begun), keys)
	var out Out
	if !b.j.Mend(s, &out) {
		t.Fatal("not mended")
	}
	b.take(&out)
}

// 5.10 (b): the missing heartbeat is found again by its random bytes.
func TestAMissedHeartbeatIsRepaired(t *testing.T) {
	b, honest := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 { return unheard(b, 1, 2) })
	for _, at := range honest {
		b.want(at, can.NotJudged, "before the repair")
	}
	keys := uint32(1 << 17)
	if os.Getenv("CANSEAL_SOAK") != "" {
		keys = guesses
	}
	mend(t, b, keys)
	for _, at := range honest {
		b.want(at, can.Authentic, "after the repair, of before")
	}
	b.want(b.send(secured, 1), can.Authentic, "afterwards")
	b.cycle(1, 2, 3)
	b.want(b.send(cmacked, 1), can.Authentic, "under the next key")
	p, m := b.pair(secured, 1)
	p[7] ^= 1
	b.frame(control+1, p[:])
	b.want(b.frame(secured, m.Data[:m.Len]), can.SignatureWrong, "a wrong signature afterwards")
	if b.events[InStep] != 1 || b.events[EventKind(BadSignature)] != 1 || b.events[EventKind(BadHeartbeat)] != 0 {
		t.Errorf("events %v", b.events)
	}
}

// 5.10 (a): the members did not count what the judge heard.
func TestAHeartbeatThatNobodyCountedIsRepaired(t *testing.T) {
	b, honest := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 {
		stamps := map[uint8]int64{}
		for _, a := range []uint8{1, 2, 3} {
			stamps[a] = b.heartbeat(a, 0)
		}
		delete(stamps, 3)
		return stamps
	})
	mend(t, b, 0)
	for _, at := range honest {
		b.want(at, can.Authentic, "of before")
	}
	b.want(b.send(secured, 1), can.Authentic, "afterwards")
}

// What an attacker sends meanwhile makes no key right, and no search long.
func TestARepairIsNotLedAstray(t *testing.T) {
	t.Run("two heartbeats are missing", func(t *testing.T) {
		b, _ := drifting(t, []uint8{1, 2, 3, 4}, func(b *bus) map[uint8]int64 {
			stamps := unheard(b, 1, 2)
			stamps[4] = stamps[3]
			return stamps
		})
		if b.j.Repair() != nil {
			t.Error("a search for two unknown heartbeats")
		}
	})
	t.Run("a start comes meanwhile", func(t *testing.T) {
		b, _ := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 { return unheard(b, 1, 2) })
		s := b.j.Repair()
		s.keys = 1 << 17
		if !s.Run(keepOn) {
			t.Fatal("not found")
		}
		b.start(9, 1, 2, 3)
		var out Out
		if b.j.Mend(s, &out) || len(out.Late) != 0 {
			t.Error("an old key over a new start")
		}
		b.cycle(1, 2, 3)
		b.want(b.send(secured, 1), can.Authentic, "after the start")
	})
	t.Run("forged heartbeats", func(t *testing.T) {
		b, _ := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 {
			stamps := unheard(b, 1, 2)
			b.wait(200)
			for i := range byte(3) {
				b.frame(control+1+Word(i), []byte{byte(b.e.Number+1) & 3, i, 2, 3, 4})
			}
			return stamps
		})
		s := b.j.Repair()
		s.keys = 1 << 17
		found := s.Run(keepOn) // the forged ones hide the right ones of that cycle
		var out Out
		if b.j.Mend(s, &out) != found {
			t.Error("mended without a key")
		}
	})
	t.Run("it ends when asked", func(t *testing.T) {
		b, _ := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 { return unheard(b, 1, 2) })
		if s := b.j.Repair(); s.Run(func() bool { return true }) {
			t.Error("found without a search")
		}
	})
}

// The sieve makes the keys that members make, for any number of contributors and
// any place of the missing one, with each pad.
func TestTheSieveMakesTheKeysOfTheMembers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, pad := range []PadCipher{PadSpeck, PadAES128, PadAES256} {
		for n := 2; n <= maxDevices; n++ {
			for place := range n {
				var e Epoch
				for i := range e.Perm {
					e.Perm[i], e.Dyn[i] = byte(r.Uint32()), byte(r.Uint32())
				}
				e.Number = uint16(r.Uint32())
				parts := make([]Heard, n)
				for i := range parts {
					parts[i] = Heard{Address: uint8(i + 1), Random: [4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}}
				}
				guess := r.Uint32() & (guesses - 1)
				parts[place].Random = [4]byte{byte(guess), byte(guess >> 8), byte(guess >> 16)}
				next := e.Updated(parts)
				s := suite(t, pad, SpeckMAC)
				var beats []beat
				for a := uint8(1); a <= 3; a++ {
					beats = append(beats, beat{a, uint8(next.Number & 3), s.SealHeartbeat(&next, a, Authenticated, [3]byte{a, 1, 2})})
				}
				f := newSieve(NewMethods(pad, SpeckMAC), &e, parts, place, beats)
				if !f.passes(guess) || f.passes(guess^1) && f.passes(guess^2) {
					t.Fatalf("pad %d, %d contributors, place %d: the key is not found", pad, n, place)
				}
			}
		}
	}
}

func BenchmarkRepairKey(b *testing.B) {
	bus, _ := drifting(b, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 { return unheard(b, 1, 2) })
	s := bus.j.Repair()
	p := &s.points[0]
	parts := ascending(append(p.cycle.contributors(), Heard{Address: 3}))
	f := newSieve(s.o.Methods, &p.cur, parts, 2, s.next(p))
	for guess := uint32(0); b.Loop(); guess++ {
		f.passes(guess)
	}
}

func TestASearchPrintsNoKey(t *testing.T) {
	b, _ := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 { return unheard(b, 1, 2) })
	s := b.j.Repair()
	for _, v := range []any{s, *s, struct{ S *Search }{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := strings.ToLower(fmt.Sprintf(verb, v))
			if strings.Contains(text, "0405060708") || strings.Contains(text, "4 5 6 7 8") || strings.Contains(text, "0x4, 0x5") {
				t.Errorf("%s shows %.80s", verb, text)
			}
		}
	}
}

// Guessed heartbeats, hundreds a second, do not make a wrong key look right.
func TestGuessedHeartbeatsMendNothing(t *testing.T) {
	b, _ := drifting(t, []uint8{1, 2, 3}, func(b *bus) map[uint8]int64 { return unheard(b, 1, 2) })
	s := b.j.Repair()
	r := rand.New(rand.NewPCG(3, 4))
	at := s.frames[len(s.frames)-1].e.Time
	for range 3000 {
		at += 3 * millisecond
		guess := r.Uint32()
		f := frameOf(control+1+Word(r.IntN(3)), []byte{0x80 | byte(r.Uint32()&3), byte(guess), byte(guess >> 8), byte(guess >> 16), byte(guess >> 24)})
		s.frames = append(s.frames, traced{s.frames[len(s.frames)-1].n + 1, can.Event{Time: at, Frame: f}})
	}
	p := &s.points[0]
	worst := 0
	for guess := range byte(40) {
		worst = max(worst, s.score(p, ascending(append(p.cycle.contributors(), Heard{Address: 3, Random: [4]byte{guess, 0xAA}}))))
	}
	if t.Logf("%d bits", worst); worst >= margin {
		t.Errorf("%d bits for a wrong key, %d are enough for one of a few", worst, margin)
	}
}
