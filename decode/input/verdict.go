package input

import (
	"canseal/can"
	"canseal/mdf"
)

const (
	maxChanges = 1 << 20 // of a session
	maxSenders = 1 << 16
	mostAtOnce = 256 // records about one frame that are looked at
)

// subject is whom a mdf.VerdictChange is about: a sender, or an identifier.
type subject struct {
	bus, sender uint8
	id          uint32
	extended    bool
}

// changes are the records of a session that settle verdicts, in the order of
// its files.
type changes struct {
	count int
	of    map[subject]*settling
	who   map[subject]uint8 // sender by identifier
}

// settling is the records about one subject; those before next are over.
type settling struct {
	all  []change
	next int
}

type change struct {
	from, to int64
	verdict  can.Verdict
}

func (c *changes) add(v mdf.VerdictChange) {
	if c.count++; c.count > maxChanges {
		return
	}
	s := subject{bus: v.Bus, id: v.ID, extended: v.Extended}
	if v.Scope == mdf.ScopeSender {
		s = subject{bus: v.Bus, sender: v.Sender}
	}
	if c.of == nil {
		c.of = map[subject]*settling{}
	}
	if c.of[s] == nil {
		c.of[s] = &settling{}
	}
	c.of[s].all = append(c.of[s].all, change{v.From, v.To, v.Verdict})
}

// sender notes who sends a heartbeat-only identifier from here on. Those that
// are secured are never settled by their sender.
func (c *changes) sender(s mdf.Sender) {
	if c.who == nil {
		c.who = map[subject]uint8{}
	}
	if len(c.who) < maxSenders && s.HeartbeatOnly {
		c.who[subject{bus: s.Bus, id: s.ID, extended: s.Extended}] = s.Sender
	}
}

// rewind is for reading the session again.
func (c *changes) rewind() {
	c.who = nil
	for _, s := range c.of {
		s.next = 0
	}
}

// settle gives a frame the verdict that was found later. e.Time is as recorded.
func (c *changes) settle(e *can.Event) bool {
	if len(c.of) == 0 || e.Verdict != can.Pending && e.Verdict != can.Vouched {
		return false
	}
	before := e.Verdict
	s := subject{bus: e.Bus, id: e.Frame.ID, extended: e.Frame.Is(can.Extended)}
	if sender, known := c.who[s]; known {
		c.of[subject{bus: e.Bus, sender: sender}].apply(e)
	}
	c.of[s].apply(e)
	return e.Verdict != before
}

// apply lets the records about a subject speak. Pending becomes anything,
// vouched only vouched twice: a failure never becomes a success.
func (s *settling) apply(e *can.Event) {
	if s == nil {
		return
	}
	for s.next < len(s.all) && s.all[s.next].to < e.Time {
		s.next++
	}
	for _, c := range s.all[s.next:min(len(s.all), s.next+mostAtOnce)] {
		switch {
		case e.Time < c.from || e.Time > c.to:
		case e.Verdict == can.Pending, e.Verdict == can.Vouched && c.verdict == can.VouchedTwice:
			e.Verdict = c.verdict
		}
	}
}
