package cancrypt

import (
	"math/rand/v2"
	"testing"

	"canseal/can"
)

// drive lets a group run for so many cycles with a message of each of three
// senders every 100 ms. hear says whether the judge gets a frame. It returns how
// many honest messages were authentic, and how many there were.
func drive(b *bus, cycles int, hear func() bool, each func()) (authentic, sent int) {
	deaf := func(do func() int64) int64 {
		if hear() {
			return do()
		}
		b.now += 200_000
		return 0
	}
	var stamps []int64
	for range cycles {
		heard := map[uint8]int64{}
		for a := uint8(1); a <= 3; a++ {
			before := b.now
			// low random bytes keep the search for a missed one short
			h := b.s.SealHeartbeat(&b.e, a, Authenticated, [3]byte{a, byte(before >> 20), byte(b.e.Number & 1)})
			at := b.now + 200_000
			deaf(func() int64 { return b.frame(control+Word(a), h[:]) })
			heard[a] = at
		}
		var parts []Heard
		for a := uint8(1); a <= 3; a++ {
			before := heard[a] - 200_000
			parts = append(parts, Heard{a, Authenticated | Status(b.e.Number&3), [4]byte{a, byte(before >> 20), byte(b.e.Number & 1)}})
		}
		b.e = b.j.update(&b.e, parts)
		b.seq = [16]uint16{}
		b.wait(110)
		for range 9 {
			for _, w := range []Word{secured, cmacked} {
				p, m := b.pair(w, 1, 2, 3)
				deaf(func() int64 { return b.frame(control+Word(m.Record.Producer), p[:]) })
				stamps = append(stamps, deaf(func() int64 { return b.frame(w, m.Data[:m.Len]) }))
			}
			b.wait(98)
			each()
		}
	}
	b.wait(300)
	b.tick()
	for _, at := range stamps {
		if at == 0 {
			continue
		}
		sent++
		switch v := b.settled[at]; v {
		case can.Authentic:
			authentic++
		case can.NotJudged, can.Pending, can.MessageWithoutPreamble:
		default:
			b.t.Errorf("an honest message is %v", v)
		}
	}
	return authentic, sent
}

// A logger that starts 0, 5 or 30 s after the group: nothing is judged until the
// next start, everything from its first cycle on.
func TestLateStarts(t *testing.T) {
	for _, late := range []int{0, 5, 30} {
		b := newBus(t, nil)
		begin := b.now
		deaf := late > 0
		if deaf { // the group starts before the judge hears
			b.e = Epoch{Perm: b.o.Key, Dyn: GroupStart(b.o.Key, b.o.KeyID, []Heard{{Address: 1}, {Address: 2}, {Address: 3}})}
			drive(b, late, func() bool { return false }, func() {})
			begin = b.now
		} else {
			b.start(7, 1, 2, 3)
		}
		authentic, sent := drive(b, 5, func() bool { return true }, func() {})
		if deaf && authentic != 0 || !deaf && authentic*1000 < sent*999 {
			t.Errorf("%d s late: %d of %d", late, authentic, sent)
		}
		b.wait(6000)
		if deaf {
			b.start(8, 1, 2, 3)
			restart := b.now
			again, of := drive(b, 5, func() bool { return true }, func() {})
			if again*1000 < of*999 {
				t.Errorf("%d s late, after a start: %d of %d", late, again, of)
			}
			t.Logf("%d s late: 0 of %d, after the next start %d of %d", late, sent, again, of)
			begin = restart
		} else {
			t.Logf("in time: %d of %d", authentic, sent)
		}
		for i := range b.log {
			if e := &b.log[i]; e.Time >= begin && b.settled[e.Time] == can.Authentic {
				t.Logf("%d s late: the first frame is authentic %d ms after the start", late, (e.Time-begin)/millisecond)
				break
			}
		}
	}
}

// 0.1 % of the frames are lost, and not counted, for ten minutes: with repair
// nearly all messages are judged, and nobody is accused but of a message whose
// preamble is missing.
func TestAThousandthOfTheFramesIsLost(t *testing.T) {
	for _, repair := range []bool{false, true} {
		r := rand.New(rand.NewPCG(4, 1))
		b := newBus(t, func(o *JudgeOptions) { o.Repair = repair })
		b.start(7, 1, 2, 3)
		repaired, failed := 0, 0
		authentic, sent := drive(b, 600, func() bool { return r.IntN(1000) > 0 }, func() {
			s := b.j.Repair()
			if s == nil {
				return
			}
			s.keys = 1 << 17
			var out Out
			if s.Run(keepOn) && b.j.Mend(s, &out) {
				repaired++
			} else {
				failed++
			}
			// live: what was given stays
			for _, l := range out.Late {
				if b.settled[l.Time] == can.Pending && l.From == 0 {
					b.settled[l.Time] = l.Verdict
				}
			}
		})
		t.Logf("repair %v: %d of %d messages authentic (%.2f %%), out of step %d times, %d repaired, %d not", repair, authentic, sent,
			100*float64(authentic)/float64(sent), b.events[OutOfStep], repaired, failed)
		if repair && (b.events[OutOfStep] == 0 || repaired == 0 || authentic*100 < sent*90) {
			t.Error("not repaired")
		}
	}
}
