package logger

import (
	"testing"
	"testing/synctest"
)

func TestFramesReachASealedSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(3, 100)
		r.stop()
		c := inventory(t, r.card)
		account(t, len(r.sent), c)
		if len(c.segments) != 1 || c.lines[0].End != "orderly" || c.lines[0].Frames != 600 {
			t.Errorf("found %d segments, line %+v", len(c.segments), c.lines)
		}
		for i, e := range c.frames {
			if e.Time != r.sent[i].Time || e.Bus != r.sent[i].Bus || e.Frame != r.sent[i].Frame {
				t.Fatalf("frame %d: found %+v, wanted %+v", i, e, r.sent[i])
			}
		}
	})
}
