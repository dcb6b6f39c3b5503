package cancrypt

// Limiter lets one event of each sender and kind pass in a period and counts
// the others. The zero value with a Period is ready. It holds at most one entry
// for each sender and kind.
type Limiter struct {
	Period int64 // ns

	of map[limited]*waiting
}

// Counted is an event that stands for Count of them: itself, and those that
// were held back since the last one of its sender and kind.
type Counted struct {
	SecurityEvent
	Count uint64
}

type limited struct {
	kind   EventKind
	sender uint8
}

type waiting struct {
	passed int64
	last   SecurityEvent
	count  uint64
}

// Add takes an event at a time, and says whether it passes now.
func (l *Limiter) Add(e SecurityEvent, now int64) (c Counted, passes bool) {
	key := limited{e.Kind, e.Sender}
	w := l.of[key]
	if w == nil {
		if l.of == nil {
			l.of = map[limited]*waiting{}
		}
		l.of[key] = &waiting{passed: now}
		return Counted{e, 1}, true
	}
	w.last = e
	w.count++
	return w.pass(now, l.Period)
}

// Due calls f for the events held back whose period is over; with all for every
// one.
func (l *Limiter) Due(now int64, all bool, f func(Counted)) {
	period := l.Period
	if all {
		period = 0
	}
	for _, w := range l.of {
		if c, passes := w.pass(now, period); passes {
			f(c)
		}
	}
}

// pass lets what waits pass when the period is over. A clock that went back
// holds nothing back.
func (w *waiting) pass(now, period int64) (c Counted, passes bool) {
	if since := now - w.passed; w.count == 0 || since >= 0 && since < period {
		return Counted{}, false
	}
	c = Counted{w.last, w.count}
	w.passed, w.count = now, 0
	return c, true
}
