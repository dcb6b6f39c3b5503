package simulate

import (
	"time"

	"canseal/cancrypt"
)

// spell is a sequence of an honest sender that is under way.
type spell struct {
	frames []*Truth
	left   int // frames to come
	broken bool
}

// longWait is how long a frame may wait for its bus. A machine that plays devices
// and has no time for them makes it longer, and keys may be gone by then.
const longWait = int64(20 * time.Millisecond)

// disturbed finds the honest sequences that a judge cannot be blamed for: those
// with a frame of an attack in the same name between theirs, those with more than
// 10 ms between two of their frames, and those that waited long for the bus. The
// list is in order of time.
func disturbed(truth []Truth) map[*Truth]bool {
	found := map[*Truth]bool{}
	var by [16]spell
	for i := range truth {
		t := &truth[i]
		if t.What != Preamble && t.What != Data {
			continue
		}
		s := &by[t.Sender&15]
		if t.Kind != Honest {
			s.broken = s.left > 0
			continue
		}
		s.take(t)
		s.broken = s.broken || t.Waited > longWait
		if s.broken {
			for _, f := range s.frames {
				found[f] = true
			}
		}
	}
	return found
}

// take goes on with the sequence, or begins one.
func (s *spell) take(t *Truth) {
	if t.What == Preamble && !isEpilog(t) {
		*s = spell{frames: []*Truth{t}, left: sequenceLeft(t)}
		return
	}
	if n := len(s.frames); n > 0 && t.Time > s.frames[n-1].Time+sequenceTime {
		s.broken = true
	}
	s.frames = append(s.frames, t)
	s.left = max(0, s.left-1)
}

func isEpilog(t *Truth) bool {
	head, err := cancrypt.ParsePreamble(t.Frame.Payload())
	return err == nil && head.Epilog
}

// sequenceLeft is how many frames follow a preamble.
func sequenceLeft(t *Truth) int {
	head, err := cancrypt.ParsePreamble(t.Frame.Payload())
	switch {
	case err != nil || head.Epilog || head.Count == 1: // or the first half of an AES pair
		return 1
	}
	return int(head.Count) + 1
}
