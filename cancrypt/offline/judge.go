package offline

import (
	"fmt"

	"canseal/can"
	"canseal/cancrypt"
)

// judge is the judge of one bus with where its frames stand.
type judge struct {
	s     *Session
	bus   uint8
	o     cancrypt.JudgeOptions
	c     *cancrypt.Judge
	out   cancrypt.Out
	n     uint64
	now   int64
	place []uint32 // of frame n in Session.verdicts, at n modulo memory
	only  [256][]waiting
}

// waiting is a heartbeat-only frame that is pending, or may be vouched for once
// more.
type waiting struct {
	time int64
	at   int
}

func newJudge(s *Session, bus uint8, o cancrypt.JudgeOptions) (*judge, error) {
	o.Repair = true
	c, err := cancrypt.NewJudge(o)
	if err != nil {
		return nil, fmt.Errorf("bus %d: %w", bus, err)
	}
	return &judge{s: s, bus: bus, o: o, c: c}, nil
}

func (j *judge) lost(from, to int64) {
	j.c.Lost(&can.Event{Kind: can.KindLost, From: from, Time: max(to, j.now)}, &j.out)
	j.tell(false)
}

func (j *judge) frame(e *can.Event, at int) {
	j.n++
	j.now = max(j.now, e.Time)
	if len(j.place) < memory {
		j.place = append(j.place, uint32(at))
	} else {
		j.place[(j.n-1)%memory] = uint32(at)
	}
	v := j.c.Frame(e, &j.out)
	j.s.verdicts[at] = v
	if sender := j.o.HeartbeatOnly[cancrypt.WordOf(&e.Frame)]; sender != 0 && v == can.Pending {
		j.keep(sender, waiting{e.Time, at})
	}
	j.tell(false)
	j.repair()
}

// keep remembers a heartbeat-only frame; of too many the oldest stay pending.
func (j *judge) keep(sender uint8, w waiting) {
	list := j.only[sender]
	if len(list) == memory/4 {
		list = append(list[:0], list[len(list)/2:]...)
	}
	j.only[sender] = append(list, w)
}

// tell takes what the judge said besides. mended: it knows better now.
func (j *judge) tell(mended bool) {
	for _, l := range j.out.Late {
		j.late(l, mended)
	}
	for _, e := range j.out.Events {
		j.s.event(j.bus, e, j.now)
	}
	j.out.Reset()
}

func (j *judge) late(l cancrypt.Late, mended bool) {
	if l.N == 0 {
		j.interval(l)
		return
	}
	if l.N > j.n || j.n-l.N >= memory {
		return
	}
	v := &j.s.verdicts[j.place[(l.N-1)%memory]]
	if *v == can.Pending || mended {
		*v = l.Verdict
	}
}

// interval settles the heartbeat-only frames of a sender.
func (j *judge) interval(l cancrypt.Late) {
	left := j.only[l.Sender][:0]
	for _, w := range j.only[l.Sender] {
		v := &j.s.verdicts[w.at]
		inside := l.From <= w.time && w.time <= l.Time
		if inside && (*v == can.Pending || *v == can.Vouched && l.Verdict == can.VouchedTwice) {
			*v = l.Verdict
		}
		if *v == can.Pending || *v == can.Vouched && w.time > l.Time-10*j.o.Event {
			left = append(left, w)
		}
	}
	j.only[l.Sender] = left
}

// repair searches for a missed heartbeat, if there is one to search for.
func (j *judge) repair() {
	s := j.c.Repair()
	if s == nil || !s.Run(j.s.stop) || !j.c.Mend(s, &j.out) {
		return
	}
	j.tell(true)
}
