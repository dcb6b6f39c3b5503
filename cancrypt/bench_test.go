package cancrypt

import (
	"testing"

	"canseal/can"
)

func BenchmarkUnlisted(b *testing.B) {
	s := grouped(b, nil)
	e := can.Event{Time: s.now, Frame: can.Frame{ID: 0x123, DLC: 8, Len: 8}}
	var out Out
	b.ReportAllocs()
	for b.Loop() {
		e.Time += 1000
		out.Reset()
		s.j.Frame(&e, &out)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}

// A pair of each method, with the key updates that a group has meanwhile left
// out: the messages of one epoch, again and again.
func BenchmarkPair(b *testing.B) {
	for name, w := range map[string]Word{"CRCXor": weak, "SpeckMAC": secured, "AESCMAC": cmacked} {
		b.Run(name, func(b *testing.B) {
			s := grouped(b, nil)
			frames := pairFrames(s, w, 30000)
			var out Out
			j, i := *s.j, 0
			tally := s.j.candidates[0].counts
			authentic := 0
			b.ReportAllocs()
			for b.Loop() {
				if i == len(frames) {
					i = 0
					j.candidates[0].counts = tally
				}
				out.Reset()
				j.Frame(&frames[i], &out)
				if v := j.Frame(&frames[i+1], &out); v == can.Authentic || v == can.ChecksumOK {
					authentic++
				}
				i += 2
			}
			b.ReportMetric(float64(authentic)/b.Elapsed().Seconds(), "pairs/s")
			if authentic != b.N {
				b.Fatalf("%d of %d authentic", authentic, b.N)
			}
		})
	}
}

// pairFrames makes pairs of one stamp, so that no deadline passes.
func pairFrames(s *bus, w Word, n int) (out []can.Event) {
	for range n {
		p, m := s.pair(w, 1, 2, 3, 4, 5, 6, 7, 8)
		for _, f := range []can.Frame{{ID: uint32(control) + uint32(m.Record.Producer), Data: [64]byte(append(p[:], make([]byte, 56)...))}, {ID: w.ID(), Data: [64]byte(append(m.Data[:], make([]byte, 56)...))}} {
			f.DLC, f.Len = 8, 8
			out = append(out, can.Event{Time: s.now, Frame: f})
		}
	}
	return out
}

func BenchmarkHeartbeat(b *testing.B) {
	s := suite(b, PadSpeck, SpeckMAC)
	var e Epoch
	frame := s.SealHeartbeat(&e, 1, Authenticated, [3]byte{1, 2, 3})
	b.ReportAllocs()
	for b.Loop() {
		s.OpenHeartbeat(&e, 1, frame)
	}
}
