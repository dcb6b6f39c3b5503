package logger

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/mdf"
)

// Judge says how the frames of a bus are judged (cancrypt.md 5.1).
type Judge struct {
	// Options are the judge's; Seen is the Logger's own. With Address set, frames
	// with this machine's own identifiers that it did not send itself are injected.
	Options cancrypt.JudgeOptions
	Profile string // for the header of segments
	Level   string
	Reason  string // why Options.NoKey, in words
}

const (
	// sequenceWait is how long a frame waits for its verdict before it is recorded
	// as pending: a little more than the time between two frames of a sequence.
	sequenceWait = 12 * time.Millisecond
	securityPace = time.Second // between two security records of a sender and kind
	linePace     = time.Minute // between two lines of events.jsonl of the same
	// behind is how far a judge's time stays behind the clock on a quiet bus, for
	// frames that are still in the kernel.
	behind = 200 * time.Millisecond
)

// judge is the judge of one bus with what it has to say that is not recorded
// yet. The recorder owns it.
type judge struct {
	bus     uint8
	o       Judge
	c       *cancrypt.Judge
	out     cancrypt.Out
	n       uint64 // frames judged
	now     int64  // judge's time of the last frame or tick
	gone    loss   // frames missing by another way than the queue's own events
	waiting waiting
	plain   []plain
	seen    *seen

	records  cancrypt.Limiter // for CANseal_Security
	lines    cancrypt.Limiter // for events.jsonl
	verdicts [256]uint64
	events   [256]uint64
	first    int64 // judge's time of the first frame
	judged   int64 // and of the first that was judged under a key
	state    cancrypt.JudgeState
	since    int64 // as recorded time
}

// plain is plain text that waits until its frame is recorded.
type plain struct {
	at uint64
	p  cancrypt.Plain
}

func newJudge(bus uint8, o Judge, seen *seen) (*judge, error) {
	o.Options.Seen, o.Options.Repair = seen.has, true
	c, err := cancrypt.NewJudge(o.Options)
	if err != nil {
		return nil, fmt.Errorf("judge of bus %d: %w", bus, err)
	}
	return &judge{
		bus: bus, o: o, c: c, seen: seen, state: c.State(),
		records: cancrypt.Limiter{Period: int64(securityPace)}, lines: cancrypt.Limiter{Period: int64(linePace)},
	}, nil
}

// judges are the judges by bus; nil where there is none.
type judges struct {
	by    [buses]*judge
	any   bool
	ready int // events at the front of the queue that are judged
}

func (s *judges) each(f func(j *judge)) {
	for _, j := range s.by {
		if j != nil {
			f(j)
		}
	}
}

// newJudges makes the judges of a configuration. One that is refused is an
// error of the configuration.
func newJudges(o *Options) (s judges, err error) {
	for _, b := range o.Buses {
		if b.Judge == nil {
			continue
		}
		remembered, problem := loadSeen(o.State, b.Number)
		if problem != nil {
			o.Log.Error("start keys seen before are not known", "bus", b.Number, "error", problem)
		}
		if s.by[b.Number%buses], err = newJudge(b.Number, *b.Judge, remembered); err != nil {
			return judges{}, err
		}
		s.any = true
	}
	return s, nil
}

// follow goes on with the judges before, where nothing has changed for them:
// they may be in step. What waited was recorded.
func (s *judges) follow(before *judges) {
	for i, j := range s.by {
		if old := before.by[i]; j != nil && old != nil && old.o.same(&j.o) {
			s.by[i] = old
		}
	}
}

// same compares what a judge was made of.
func (o *Judge) same(other *Judge) bool {
	a, b := *o, *other
	a.Options.Seen, b.Options.Seen = nil, nil
	a.Options.Repair, b.Options.Repair = false, false
	return reflect.DeepEqual(&a, &b)
}

// judge lets the judges look at the events of the queue that they have not
// seen, and returns how many may be recorded: those before the first whose
// verdict comes within moments. all says that nothing may wait.
func (r *recorder) judge(events []can.Event, all bool) int {
	s := &r.judges
	if !s.any {
		return len(events)
	}
	for i := s.ready; i < len(events); i++ {
		e := &events[i]
		switch j := s.by[e.Bus%buses]; {
		case e.Kind == can.KindFrame && j != nil:
			j.frame(r, e, r.at+uint64(i))
		case e.Kind == can.KindLost:
			r.missed(e.Bus, lossOf(e))
		}
	}
	s.ready = len(events)
	if all || len(events) == cap(events) || len(events) == chunk {
		return len(events)
	}
	ripe := uint64(len(events))
	s.each(func(j *judge) { ripe = min(ripe, j.waiting.ripe(j.now-int64(sequenceWait))-r.at) })
	return int(ripe)
}

// missed tells the judges of a bus, or of all, that frames are missing.
func (r *recorder) missed(bus uint8, m loss) {
	r.judges.each(func(j *judge) {
		if bus != 0 && bus != j.bus {
			return
		}
		m.From, m.To = r.time.judged(m.From), r.time.judged(m.To)
		if j.gone.Times == 0 {
			j.gone = m
		}
		j.gone.From, j.gone.To = min(j.gone.From, m.From), max(j.gone.To, m.To)
	})
}

// frame judges one frame, which is event at of the run.
func (j *judge) frame(r *recorder, e *can.Event, at uint64) {
	stamp := e.Time
	e.Time = r.time.judged(stamp)
	if j.gone.Times > 0 && e.Time >= j.gone.From {
		j.c.Lost(&can.Event{Kind: can.KindLost, From: j.gone.From, Time: max(j.now, min(j.gone.To, e.Time))}, &j.out)
		if j.gone.To <= e.Time { // else some of them are still to miss
			j.gone = loss{}
		}
	}
	j.n++
	if j.first == 0 {
		j.first = e.Time
	}
	j.now = max(j.now, e.Time)
	v := j.c.Frame(e, &j.out)
	e.Verdict = v
	if v == can.Pending {
		only := j.o.Options.HeartbeatOnly[cancrypt.WordOf(&e.Frame)]
		j.waiting.add(entry{n: j.n, at: at, e: e, stamp: e.Time, only: only})
	} else {
		j.count(v)
	}
	e.Time = stamp
	j.tell(r, at)
}

// count counts a settled verdict.
func (j *judge) count(v can.Verdict) {
	j.verdicts[v]++
	if j.judged == 0 && v != can.NotChecked && v != can.NotListed && v != can.NotJudged {
		j.judged = j.now
	}
}

// recorded notes when event at was written.
func (j *judge) recorded(r *recorder, t int64) {
	j.waiting.written(r.at, t)
	for len(j.plain) > 0 && j.plain[0].at <= r.at {
		if j.plain[0].at == r.at {
			r.append(j.plainAt(j.plain[0].p, t))
		}
		j.plain = append(j.plain[:0], j.plain[1:]...)
	}
}

// tickJudges lets time pass for judges of quiet buses, and passes on what was
// held back. A source whose stamps are not of now (a replay) has its own time.
func (r *recorder) tickJudges(all bool) {
	now := r.time.judged(r.o.Clock.Now().Wall) - int64(behind)
	r.judges.each(func(j *judge) {
		if ahead := now - j.now; r.queue.empty() && j.now != 0 && ahead > 0 && ahead < int64(wildStamp) {
			j.now = now
			j.c.Tick(now, &j.out)
			j.tell(r, r.at)
		}
		j.records.Due(j.now, all, func(c cancrypt.Counted) { j.record(r, c) })
		j.lines.Due(j.now, all, func(c cancrypt.Counted) { j.line(r, c) })
		j.look(r)
		if !r.repairs.busy {
			r.repairs.search(j)
		}
	})
}

// look notes a change of how the judge stands to its group.
func (j *judge) look(r *recorder) {
	was := j.state
	j.state = j.c.State()
	if j.since == 0 || was.State != j.state.State {
		j.since = r.o.Clock.Now().Time
		r.note(mdf.State{Bus: j.bus, State: j.state.State})
	}
}

// memberReport is what Report hands in.
type memberReport struct {
	bus   uint8
	e     cancrypt.SecurityEvent
	state can.State
}

// report records what a member says.
func (r *recorder) report(m memberReport) {
	j := r.judges.by[m.bus%buses]
	if j == nil {
		return
	}
	if m.e.Time == 0 {
		m.e.Time = r.o.Clock.Now().Wall
	}
	if m.e.Time = r.time.judged(m.e.Time); m.e.Kind != 0 {
		j.event(r, m.e)
	}
	if m.state != 0 {
		r.note(mdf.State{Time: r.time.recorded(m.e.Time), Bus: m.bus, State: m.state})
	}
}

// append writes a side record, if there is a segment for it.
func (r *recorder) append(rec mdf.Record) {
	if r.seg == nil {
		return
	}
	if err := r.seg.w.Append(rec); err != nil {
		r.fail(err)
	}
}

// introduce tells at the head of a segment who sends what.
func (r *recorder) introduce(t int64) {
	r.judges.each(func(j *judge) {
		for _, rec := range j.o.Options.Table.Records() {
			if rec.Producer != 0 {
				r.append(mdf.Sender{Time: t, ID: rec.Word.ID(), Extended: rec.Word&cancrypt.Extended != 0, Bus: j.bus, Sender: rec.Producer, Secured: true})
			}
		}
		for _, w := range slices.Sorted(maps.Keys(j.o.Options.HeartbeatOnly)) {
			r.append(mdf.Sender{Time: t, ID: w.ID(), Extended: w&cancrypt.Extended != 0, Bus: j.bus, Sender: j.o.Options.HeartbeatOnly[w], HeartbeatOnly: true})
		}
	})
}

// describe is how the header of a segment names the judge.
func (j *judge) describe() mdf.Cancrypt {
	o := &j.o.Options
	c := mdf.Cancrypt{
		Bus: j.bus, Role: "judge", Profile: j.o.Profile, Level: j.o.Level, Key: int(o.KeyID), Methods: uint16(o.Methods),
		Members: o.Members, TableCRC: o.Table.CRC(), Table: o.Table.Bytes()[:8*len(o.Table.Records())],
	}
	if o.Address != 0 {
		c.Role = "member"
	}
	return c
}
