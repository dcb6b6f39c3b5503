package logger

import "canseal/can"

const (
	buses   = 9  // 0 (all or none) and 1-8
	reasons = 10 // can.Reason 1-9
)

// loss is what is missing of one bus for one reason. Its frames had
// From <= t <= To.
type loss struct {
	From, To int64
	Count    uint64
	Times    uint32 // reports merged here; 0: no loss
	AtLeast  bool
}

// losses collects what is missing until a segment can take it: one entry per
// bus and reason, so it stays small however long nothing can be written.
type losses struct {
	by  [buses][reasons]loss
	any bool
}

// Add merges a report. Count 0 means unknown, at least one.
func (l *losses) Add(bus uint8, reason can.Reason, m loss) {
	if bus >= buses {
		bus = 0
	}
	if reason >= reasons {
		reason = 0
	}
	l.any = true
	e := &l.by[bus][reason]
	if e.Times == 0 {
		*e = m
		e.Times = max(m.Times, 1)
		return
	}
	e.From, e.To = min(e.From, m.From), max(e.To, m.To)
	e.AtLeast = e.AtLeast || m.AtLeast || e.Count == 0 || m.Count == 0
	e.Count = max(e.Count, 1) + max(m.Count, 1)
	e.Times += max(m.Times, 1)
}

// Frame counts one frame of a bus at t.
func (l *losses) Frame(bus uint8, reason can.Reason, t int64) {
	e := &l.by[bus%buses][reason]
	if e.Times == 0 {
		*e = loss{From: t, To: t, Count: 1, Times: 1}
		l.any = true
		return
	}
	e.From, e.To = min(e.From, t), max(e.To, t)
	e.AtLeast = e.AtLeast || e.Count == 0
	e.Count = max(e.Count, 1) + 1
	e.Times = 2
}

// Merge adds all of o.
func (l *losses) Merge(o *losses) {
	if o.any {
		o.each(l.Add)
	}
}

// Clear forgets everything.
func (l *losses) Clear() {
	if l.any {
		*l = losses{}
	}
}

// date adds to all stamps what offset says of them.
func (l *losses) date(offset func(stamp int64) int64) {
	if !l.any {
		return
	}
	for bus := range l.by {
		for reason := range l.by[bus] {
			m := &l.by[bus][reason]
			m.From += offset(m.From)
			m.To += offset(m.To)
		}
	}
}

// each calls f for every loss.
func (l *losses) each(f func(bus uint8, reason can.Reason, m loss)) {
	for bus := range l.by {
		for reason, m := range l.by[bus] {
			if m.Times > 0 {
				f(uint8(bus), can.Reason(reason), m)
			}
		}
	}
}
