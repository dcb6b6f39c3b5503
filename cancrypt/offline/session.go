package offline

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/mdf"
)

const (
	buses    = 9
	memory   = 1 << 20 // frames of a bus whose verdict can come late
	stepSize = 5e6     // ns: less is no step of the clock
	maxGaps  = 1 << 20
	eventGap = 1e9 // ns between two events of one kind and sender
)

// Session is what is judged together: the segments of one run of a recorder.
// One goroutine uses it.
type Session struct {
	judges   [buses]*judge
	gaps     []gap
	next     int   // of gaps
	missing  []gap // that have begun and not ended
	segments []segment
	last     uint32 // split of the segment before
	seen     int64  // time of the last frame noted
	time     timeline
	verdicts []can.Verdict // of all frames, in the order of the records
	events   []Event
	limits   [buses]cancrypt.Limiter // of this segment's events
	stop     func() bool
}

// Format shows nothing of a session: its judges hold keys.
func (*Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[session]") }

// Event is a security event with the segment in which it came up. It stands for
// Count of its kind and sender, all of that segment and that second.
type Event struct {
	Segment          int
	Bus              uint8
	cancrypt.Counted // its Time as recorded
}

type gap struct {
	from, to int64 // as recorded
	bus      uint8 // 0: all
}

type segment struct{ from, to int } // of verdicts

// New makes a session. stop is asked now and then while a missed heartbeat is
// searched for; nil: nobody hurries.
func New(stop func() bool) *Session {
	if stop == nil {
		stop = func() bool { return false }
	}
	return &Session{stop: stop}
}

// Begin tells that the records of a segment follow, in the pass of Note.
func (s *Session) Begin(split uint32, start int64) {
	if s.last != 0 && split != s.last+1 {
		s.miss(gap{from: s.seen, to: start})
	}
	s.last = split
	for i := range s.gaps { // those with an open end
		if s.gaps[i].to == open {
			s.gaps[i].to = start
		}
	}
}

// open is the end of a gap that nobody knows.
const open = 1<<63 - 1

// Note takes a record in the first pass: what is missing is told behind the
// frames around it.
func (s *Session) Note(rec mdf.Record) {
	switch r := rec.(type) {
	case *mdf.Frame:
		s.seen = max(s.seen, r.Time)
	case mdf.Gap:
		g := gap{r.From, r.To, r.Bus}
		if r.Reason == can.LostCut {
			g.to = open
		}
		s.miss(g)
	case mdf.State:
		if r.State == can.PausedByControl || r.State == can.ResumedByControl || r.State == can.ResumedByLimit {
			s.miss(gap{r.Time, r.Time, r.Bus})
		}
	}
}

func (s *Session) miss(g gap) {
	if len(s.gaps) < maxGaps {
		s.gaps = append(s.gaps, g)
	}
}

// Judge ends the first pass and says how buses are judged; Next and Record
// follow.
func (s *Session) Judge(judged map[uint8]cancrypt.JudgeOptions) error {
	slices.SortStableFunc(s.gaps, func(a, b gap) int { return cmp.Compare(a.from, b.from) })
	for bus, o := range judged {
		j, err := newJudge(s, bus, o)
		if err != nil {
			return err
		}
		s.judges[bus%buses] = j
	}
	return nil
}

// Next tells that the records of a segment follow, in the pass of Record.
func (s *Session) Next() {
	s.flush()
	for bus := range s.limits {
		s.limits[bus] = cancrypt.Limiter{Period: eventGap}
	}
	s.segments = append(s.segments, segment{len(s.verdicts), len(s.verdicts)})
}

// Record judges a record.
func (s *Session) Record(rec mdf.Record) {
	switch r := rec.(type) {
	case *mdf.Frame:
		s.frame(r)
	case mdf.Clock:
		s.time.anchor(r)
	}
}

func (s *Session) frame(f *mdf.Frame) {
	for s.next < len(s.gaps) && s.gaps[s.next].from <= f.Time {
		s.missing = append(s.missing, s.gaps[s.next])
		s.next++
	}
	if len(s.missing) > 0 {
		s.lose(f.Time)
	}
	at := len(s.verdicts)
	s.verdicts = append(s.verdicts, f.Verdict)
	s.segments[len(s.segments)-1].to++
	if j := s.judges[f.Bus%buses]; j != nil {
		e := f.Event
		e.Time = s.time.judged(f.Time)
		j.frame(&e, at)
	}
}

// lose tells the judges what is missing up to a time.
func (s *Session) lose(now int64) {
	s.missing = slices.DeleteFunc(s.missing, func(g gap) bool {
		for _, j := range s.judges {
			if j != nil && (g.bus == 0 || g.bus == j.bus) {
				j.lost(s.time.judged(g.from), s.time.judged(min(g.to, now)))
			}
		}
		return g.to <= now
	})
}

// Verdicts are those of a segment's frames, in the order of its records.
func (s *Session) Verdicts(segment int) []can.Verdict {
	p := s.segments[segment]
	return s.verdicts[p.from:p.to]
}

// Events are the security events of the session, by segment; within one roughly
// in the order in which they came up.
func (s *Session) Events() []Event {
	s.flush()
	return s.events
}

// event takes an event of a bus at a time that does not go back: an attack of
// hours is not kept event by event.
func (s *Session) event(bus uint8, e cancrypt.SecurityEvent, now int64) {
	e.Time = s.time.recorded(e.Time)
	if c, passes := s.limits[bus%buses].Add(e, now); passes {
		s.keep(bus, c)
	}
}

func (s *Session) keep(bus uint8, c cancrypt.Counted) {
	s.events = append(s.events, Event{len(s.segments) - 1, bus, c})
}

// flush keeps the events that are held back.
func (s *Session) flush() {
	for bus := range s.limits {
		s.limits[bus].Due(0, true, func(c cancrypt.Counted) { s.keep(uint8(bus), c) })
	}
}

// timeline takes the steps of the machine's clock out of recorded times.
type timeline struct {
	known bool
	ahead int64 // recorded time minus the time since boot, at the last anchor
	steps int64
}

func (t *timeline) anchor(c mdf.Clock) {
	ahead := c.Time - c.Boot
	if by := ahead - t.ahead; t.known && (by > stepSize || by < -stepSize) {
		t.steps += by
	}
	t.known, t.ahead = true, ahead
}

func (t *timeline) judged(recorded int64) int64 { return recorded - t.steps }
func (t *timeline) recorded(judged int64) int64 { return judged + t.steps }
