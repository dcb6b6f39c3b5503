package cancrypt

import (
	"testing"

	"canseal/can"
)

// FuzzMember feeds a grouped member with frames made of arbitrary bytes: it must
// not fail, and deliver nothing, but for guesses of 16 bits.
func FuzzMember(f *testing.F) {
	f.Add(false, []byte{0x71, 5, 0x80, 1, 2, 3, 4, 0x81, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(false, []byte{0x72, 7, 0x80, 3, 1, 2, 3, 4, 10, 0x72, 8, 0x80, 0, 0x81, 1, 0, 0x40, 1, 2, 0x81, 1, 1})
	f.Add(true, []byte{0x71, 16, 0x80, 1, 2, 3, 4, 0, 0, 0, 1, 3, 0, 0, 1, 2, 3, 4, 0x81, 9, 1, 1, 0, 0, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, fd bool, b []byte) {
		var w *network
		word := func(c byte) Word { return Word(0x100) | Word(c) }
		if fd {
			w = groupingFD(t, SpeckMAC, 1, 2, 16)
			word = func(c byte) Word { return Word(0x100)<<(c>>7) | Word(c) } // 17xh, 281h, 282h
		} else {
			w = grouping(t, 3, nil)
		}
		m := w.nodes[1].m
		var out MemberOut
		for len(b) >= 2 {
			n := min(int(b[1]&63), len(b)-2)
			frame := frameOf(word(b[0]), b[2:2+min(n, 8)])
			if b[1]&0x40 != 0 || n > 8 {
				frame = frameFD(word(b[0]), 0, b[2:2+n])
			}
			frame.Flags |= can.Flags(b[1]>>7) * can.Remote
			w.now += int64(b[0]) * millisecond / 8
			out.Reset()
			m.Receive(&can.Event{Time: w.now, Frame: frame, Dir: can.Direction(b[1] >> 5 & 3)}, &out)
			for _, d := range out.Delivered {
				if d.Verdict != can.Vouched && d.Verdict != can.VouchedTwice {
					t.Fatalf("delivered %+v", d)
				}
			}
			b = b[2+n:]
		}
		w.now += 10_000 * millisecond
		m.Tick(w.now, &out)
		if m.Next() <= w.now || len(m.queues[2]) > maxWaiting {
			t.Fatalf("next %d at %d", m.Next(), w.now)
		}
	})
}
