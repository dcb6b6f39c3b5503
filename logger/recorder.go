package logger

import (
	"time"

	"canseal/can"
	"canseal/mdf"
	"canseal/segment"
)

// wildStamp is how far a stamp may lie ahead of the clock and still be believed.
const wildStamp = 10 * time.Second

// recorder is the one goroutine that owns the open segment. What it cannot
// write it keeps as losses and notes, which are small and bounded.
type recorder struct {
	o     *Options
	l     *Logger
	queue *queue
	keep  *keeper
	tell  *teller
	asked chan func(*recorder)
	flush *time.Ticker // while run works

	session  uint32 // 0: no card was seen yet
	named    bool   // the bucket has had its word
	split    uint32 // last one used
	said     string // the problems of the last recovery, as they were logged
	attached bool   // this card is in order, and its sessions are known
	cardID   string // of the card that was seen last
	untidy   bool   // but something of it resisted recovery
	idle     bool   // sealed until the next event
	halted   bool   // the card takes nothing, or must not
	opened   int64  // Boot of the last attempt to open, ns
	seg      *open  // nil: not recording

	offset int64 // ns, added to stamps
	turn   *turn // a step of the clock that has not passed the queue yet

	pending losses // not written yet
	found   losses // on their way from others
	notes   notes  // changes of state that are not durable yet
	counts  counts
	card    can.State
	states  stateBoard

	judges   judges
	reports  chan memberReport
	noted    chan mdf.Security
	repairs  repairs
	unjudged error         // why judges is empty
	time     timeline      // for the judges
	at       uint64        // events of the queue that are recorded
	crypt    []CryptStatus // as Status shows it
	hidden   mdf.Frame     // room for a frame with ciphertext
	tapped   []can.Event   // recorded, and not told to the tap yet

	gates    gates
	late     can.Event // room for a frame of a pre-trigger
	pinsFull bool      // no pin by trigger: half of the card is pinned
}

func newRecorder(l *Logger) *recorder {
	r := &recorder{
		o: &l.o, l: l, keep: l.keep, tell: l.tell, queue: newQueue(l.o.Queue), asked: make(chan func(*recorder)),
		offset: l.o.Clock.Offset(), card: can.CardOK, gates: newGates(l.o.Buses),
	}
	r.time.offset = r.offset
	r.judges, r.unjudged = newJudges(&l.o)
	r.repairs, r.reports = newRepairs(), make(chan memberReport, 256)
	r.noted = make(chan mdf.Security, 64)
	return r
}

// follow goes on where another recorder has ended.
func (r *recorder) follow(before *recorder) {
	r.session, r.split, r.named = before.session, before.split, before.named
	r.attached, r.cardID = before.attached, before.cardID
	r.pending, r.notes, r.counts = before.pending, before.notes, before.counts
	r.card, r.states = before.card, before.states
	r.time.steps = before.time.steps
	if r.unjudged != nil {
		r.o.Log.Error("frames are not judged", "error", r.unjudged)
	}
	r.judges.follow(&before.judges)
	now := r.o.Clock.Now().Time
	r.lose(0, can.LostReconfigured, loss{From: min(before.counts.last, now), To: now, Times: 1})
	r.missed(0, loss{From: before.counts.last - r.offset, To: now - r.offset, Times: 1})
}

// run records until the queue has ended, and seals.
func (r *recorder) run() error {
	tick := time.NewTicker(time.Second)
	r.flush = time.NewTicker(r.o.Flush)
	defer r.flush.Stop()
	defer tick.Stop()
	r.begin()
	close(r.l.ready)
	for {
		select {
		case <-r.queue.wake:
			if err := r.take(); err != nil {
				r.end()
				return err
			}
		case <-r.flush.C:
			r.takeAll()
			r.sync()
		case <-tick.C:
			r.tick()
		case f := <-r.repairs.found:
			r.mend(f)
		case s := <-r.noted:
			if s.Time == 0 {
				s.Time = r.o.Clock.Now().Time
			}
			r.append(s)
		case m := <-r.reports:
			r.report(m)
		case do := <-r.asked:
			do(r)
		}
		r.publish()
	}
}

func (r *recorder) begin() {
	r.tickJudges(false)
	r.tell.tell("start", "recording", 0, detail{"session": r.session})
	r.note(mdf.State{State: can.RecordingStarted})
	r.open()
}

func (r *recorder) end() {
	r.repairs.end()
	r.collect()
	r.tickJudges(true)
	r.finishTurn()
	if r.seg == nil && (r.pending.any || !r.idle) {
		r.open()
	}
	r.keep.lastLosses()
	if r.collect(); r.seg == nil && r.pending.any {
		r.open()
	}
	r.endPauses(r.o.Clock.Now().Time)
	r.note(mdf.State{State: can.RecordingStopped})
	r.seal()
	if r.pending.any {
		r.o.Log.Error("losses that no segment could take", "lost", lostOf(&r.counts.lost).Sum())
	}
	r.states.tell(r.tell, r.stateDetail)
	r.tell.tell("stop", "recording", 0, detail{"session": r.session})
}

// take records a chunk of the queue. The error is the end of the source, when
// everything before it is recorded.
func (r *recorder) take() error {
	events, err := r.queue.pending()
	if len(events) > 0 {
		r.checkClock()
		r.consume(events[:r.judge(events, r.queue.ending())])
	}
	r.collect()
	return err
}

func (r *recorder) consume(events []can.Event) {
	if len(events) == 0 {
		return
	}
	if r.idle {
		r.idle = false
		r.open()
	}
	for i := range events {
		e := &events[i]
		r.date(e)
		switch e.Kind {
		case can.KindFrame:
			r.frame(e)
		case can.KindLost:
			r.lose(e.Bus, e.Reason, lossOf(e))
		case can.KindState:
			r.state(e)
		}
		r.at++
	}
	r.judges.each(func(j *judge) { j.waiting.taken(r.at) })
	r.judges.ready = max(r.judges.ready-len(events), 0)
	r.queue.release(len(events))
	r.tap()
}

// tap tells what was recorded.
func (r *recorder) tap() {
	if len(r.tapped) > 0 {
		r.o.Tap(r.tapped)
		r.tapped = r.tapped[:0]
	}
}

// frame records one frame, unless it is to be left out. It allocates nothing
// and logs nothing. Error messages pass every gate.
func (r *recorder) frame(e *can.Event) {
	if !r.counts.see(e, r.o.LeaveOutErrors) {
		return
	}
	if e.Frame.Flags&can.Error != 0 || r.admit(e) {
		r.record(e)
	}
}

func (r *recorder) record(e *can.Event) {
	r.counts.frame(e)
	if s := r.seg; s != nil && (s.until > 0 && e.Time >= s.until || s.w.Size() >= r.o.SplitSize) {
		r.cross(e.Time)
	}
	if r.seg == nil {
		r.pending.Frame(e.Bus, can.LostWrite, e.Time)
		r.counts.lose(e.Bus, can.LostWrite, 1, false)
		return
	}
	r.seg.risk(e)
	if r.o.Tap != nil {
		r.tapped = append(r.tapped, *e)
	}
	if j := r.judges.by[e.Bus%buses]; j != nil {
		r.recordJudged(j, e)
	} else if err := r.seg.w.Frame(e); err != nil {
		r.fail(err)
	}
}

// cross goes on in the next segment, unless the stamp of the frame runs so far
// ahead of the clock that it says nothing about the grid.
func (r *recorder) cross(t int64) {
	if r.seg.w.Size() < r.o.SplitSize && t > r.o.Clock.Now().Time+int64(wildStamp) {
		return
	}
	r.next()
	if s := r.seg; s != nil && s.until > 0 && t >= s.until && t < s.until+int64(wildStamp) {
		s.until = nextSplit(t, r.o.SplitTime, r.o.SplitOffset)
	}
}

// next goes on in the next segment.
func (r *recorder) next() {
	r.seal()
	r.open()
}

// lose counts a loss once, and writes it down as soon as it can.
func (r *recorder) lose(bus uint8, reason can.Reason, m loss) {
	r.counts.lose(bus, reason, max(m.Count, 1), m.AtLeast || m.Count == 0)
	r.pending.Add(bus, reason, m)
	r.writeLosses()
}

// collect fetches the losses that others counted.
func (r *recorder) collect() {
	found := &r.found
	states := r.queue.overflow(found)
	if found.any {
		found.each(func(bus uint8, _ can.Reason, m loss) { r.missed(bus, m) })
	}
	for i := range states {
		r.date(&states[i])
		r.state(&states[i])
	}
	found.date(r.offsetOf)
	moved := r.keep.takeDeleted(found)
	if found.any {
		found.each(r.lose)
		r.counts.known(0, can.LostDeleted, moved)
		found.Clear()
	}
}

func (r *recorder) state(e *can.Event) {
	r.states.set(e.Bus, e.State)
	r.note(mdf.State{Time: e.Time, Bus: e.Bus, State: e.State, TxErrors: e.TxErrors, RxErrors: e.RxErrors})
}

// note writes a change of state; Time 0 is now. It stays in memory until it is
// durable.
func (r *recorder) note(s mdf.State) {
	if s.Time == 0 {
		s.Time = r.o.Clock.Now().Time
	}
	r.notes.add(s)
	r.writeNotes()
}

func (r *recorder) writeNotes() {
	for r.seg != nil {
		s, ok := r.notes.next()
		if !ok {
			return
		}
		if err := r.seg.w.Append(s); err != nil {
			r.fail(err)
		}
	}
}

func (r *recorder) writeLosses() {
	if !r.pending.any {
		return
	}
	now := r.o.Clock.Now().Time
	for bus := range r.pending.by {
		for reason := range r.pending.by[bus] {
			m := &r.pending.by[bus][reason]
			if m.Times == 0 || r.seg == nil {
				continue
			}
			gap := mdf.Gap{
				Time: now, From: m.From, To: m.To, Count: m.Count,
				Bus: uint8(bus), Reason: can.Reason(reason), AtLeast: m.AtLeast,
			}
			r.seg.gaps.Add(gap.Bus, gap.Reason, *m)
			*m = loss{}
			if err := r.seg.w.Append(gap); err != nil {
				r.fail(err)
			}
		}
	}
	r.pending.any = r.seg == nil
}

// tick is what happens each second, whatever the bus does.
func (r *recorder) tick() {
	r.checkClock()
	r.takeAll()
	r.collect()
	r.tickJudges(false)
	r.crypt = r.cryptStatus()
	if r.turn != nil && r.queue.empty() {
		r.finishTurn()
	}
	switch {
	case r.seg != nil:
		r.inspect()
	case r.idle:
		r.watchAtRest()
	default:
		r.open()
	}
	if !r.idle { // what a pre-trigger holds waits for the next segment, like all that is new
		r.limitPauses(r.reached())
	}
	r.states.tell(r.tell, r.stateDetail)
}

// reached is the time up to which everything is recorded.
func (r *recorder) reached() int64 {
	if r.queue.empty() {
		return r.o.Clock.Now().Time
	}
	return r.counts.last
}

// inspect looks after the open segment.
func (r *recorder) inspect() {
	if err := r.sameCard(); err != nil {
		r.sync()
		if r.seg != nil {
			r.fail(err)
		}
		return
	}
	if v := r.keep.view(); v.Short {
		r.setCard(can.CardFull)
		r.halt()
		r.seal()
		return
	} else if v.Low != (r.card == can.CardLow) {
		r.setCard(lowOrOK(v.Low))
	}
	now := r.o.Clock.Now()
	if r.seg == nil {
		return
	}
	if now.Boot-r.seg.anchored >= int64(anchorEvery) {
		r.anchor(now, false)
	}
	if r.seg != nil && r.seg.until > 0 && now.Time >= r.seg.until && r.queue.empty() {
		r.splitByTime(now.Time)
	}
}

// splitByTime ends a segment on a quiet bus; one without frames goes on.
func (r *recorder) splitByTime(now int64) {
	if s := r.seg.w.Stats(); s.Frames+s.Gaps > 0 {
		r.next()
		return
	}
	r.seg.until = nextSplit(now, r.o.SplitTime, r.o.SplitOffset)
}

// rotate seals on demand.
func (r *recorder) rotate(final bool) (segment.Name, <-chan struct{}) {
	r.takeAll()
	r.finishTurn()
	if r.seg == nil {
		r.idle = r.idle || final && r.card == can.CardOK
		return segment.Name{}, nil
	}
	name := r.seg.name
	done := r.sealAt(anchorOf(r.o.Clock.Now(), false), final)
	if r.idle = final; !final {
		r.open()
	}
	return name, done
}

func lowOrOK(low bool) can.State {
	if low {
		return can.CardLow
	}
	return can.CardOK
}
