package logger

import (
	"testing"
	"testing/synctest"

	"canseal/can"
	"canseal/mdf"
)

// The tap is told exactly what is recorded: not what a filter leaves out.
func TestTheTapIsToldWhatIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		var told []can.Event
		r.o.Tap = func(events []can.Event) { told = append(told, events...) }
		r.o.Buses[0].Filter = []Filter{} // nothing
		r.start().run(3, 100)
		r.stop()
		c := inventory(t, r.card)
		if len(told) != len(c.frames) || len(told) == len(r.sent) {
			t.Fatalf("told of %d frames, %d are recorded of %d", len(told), len(c.frames), len(r.sent))
		}
		for i, e := range c.frames {
			if told[i].Time != e.Time || told[i].Bus != e.Bus || told[i].Frame != e.Frame {
				t.Fatalf("frame %d: told %+v, recorded %+v", i, told[i], e)
			}
		}
	})
}

// A security event that somebody else has seen stands in the log.
func TestANotedSecurityEventIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(1, 10)
		r.logger.Note(mdf.Security{Bus: 2, Kind: mdf.ProbeLate, Count: 17})
		r.run(1, 10)
		r.stop()
		c := inventory(t, r.card)
		if len(c.security) != 1 || c.security[0].Bus != 2 || c.security[0].Kind != mdf.ProbeLate || c.security[0].Count != 17 || c.security[0].Time == 0 {
			t.Errorf("%+v", c.security)
		}
	})
}
