package logger

import (
	"strings"
	"time"

	"canseal/can"
	"canseal/mdf"
)

// counts is what happened in this run; frames that a write error took are
// counted as frames and as lost. The recorder owns it.
type counts struct {
	bus     [buses]busCounts
	lost    [reasons]uint64
	atLeast bool
	frames  uint64
	leftOut LeftOut
	last    int64 // time of the last frame that came, ns
	sealed  int64 // bytes of segments that were ended
}

type busCounts struct {
	frames, errors, sent, otherTx, leftOut uint64

	lost [reasons]uint64
	last int64
}

// see counts what comes, and tells whether it goes on to the gates.
func (c *counts) see(e *can.Event, leaveOutErrors bool) bool {
	b := &c.bus[e.Bus%buses]
	if e.Frame.Flags&can.Error != 0 {
		b.errors++
		if leaveOutErrors {
			b.leftOut++
			return false
		}
	}
	b.last, c.last = e.Time, e.Time
	return true
}

// leave counts frames that the configuration leaves out.
func (c *counts) leave(bus uint8, by fate, n int) {
	c.bus[bus%buses].leftOut += uint64(n)
	switch by {
	case filtered:
		c.leftOut.Filter += uint64(n)
	case thinned:
		c.leftOut.Prescaler += uint64(n)
	case paused:
		c.leftOut.Control += uint64(n)
	}
}

// frame counts a frame that is recorded, or lost on the way to the card.
func (c *counts) frame(e *can.Event) {
	b := &c.bus[e.Bus%buses]
	switch e.Dir {
	case can.Tx:
		b.sent++
	case can.OtherTx:
		b.otherTx++
	}
	b.frames++
	c.frames++
}

func (c *counts) lose(bus uint8, reason can.Reason, n uint64, atLeast bool) {
	if bus >= buses {
		bus = 0
	}
	if reason >= reasons {
		reason = 0
	}
	c.bus[bus].lost[reason] += n
	c.lost[reason] += n
	c.atLeast = c.atLeast || atLeast
}

// known takes back what had been counted before, by this run or an earlier one.
func (c *counts) known(bus uint8, reason can.Reason, n uint64) {
	c.bus[bus].lost[reason] -= n
	c.lost[reason] -= n
}

// notes are changes of state on their way into a segment: they stay here until
// they are durable. The newest are worth most.
type notes struct {
	list    []mdf.State
	written int
}

const maxNotes = 256

func (n *notes) add(s mdf.State) {
	if len(n.list) == maxNotes {
		n.list = append(n.list[:0], n.list[1:]...)
		n.written = max(n.written-1, 0)
	}
	n.list = append(n.list, s)
}

// next is the next one to write.
func (n *notes) next() (mdf.State, bool) {
	if n.written == len(n.list) {
		return mdf.State{}, false
	}
	n.written++
	return n.list[n.written-1], true
}

// durable forgets those that were written.
func (n *notes) durable() {
	n.list = append(n.list[:0], n.list[n.written:]...)
	n.written = 0
}

// again writes all of them once more.
func (n *notes) again() { n.written = 0 }

// slot is what a state is a state of: its kind, but a link's settings are
// something else than the link.
func slot(s can.State) uint8 {
	if s == can.LinkDiffers || s == can.LinkAsConfigured {
		return 8
	}
	return s.Kind() & 15
}

// stateBoard tells changes of links and controllers for events.jsonl, at most
// one a second for each: a loose plug must not fill the card. Each
// can.LinkDiffers is news: the differences are others.
type stateBoard struct {
	now, told [buses][16]can.State
	changed   bool
}

func (b *stateBoard) set(bus uint8, s can.State) {
	b.now[bus%buses][slot(s)] = s
	if s == can.LinkDiffers {
		b.told[bus%buses][slot(s)] = 0
	}
	b.changed = true
}

// tell passes on what is new; of says more about it.
func (b *stateBoard) tell(t *teller, of func(bus uint8, s can.State) detail) {
	if !b.changed {
		return
	}
	b.changed = false
	for bus := range b.now {
		for i, s := range b.now[bus] {
			if s != b.told[bus][i] {
				b.told[bus][i] = s
				t.tell("bus", s.String(), uint8(bus), of(uint8(bus), s))
			}
		}
	}
}

// stateDetail says more about a state of a bus.
func (r *recorder) stateDetail(bus uint8, s can.State) detail {
	if s.Kind() == can.PausedByControl.Kind() {
		return r.gates.controls[bus%buses].detail(s)
	}
	return r.linkDetail(bus, s)
}

// linkDetail says why a link is not as it should be.
func (r *recorder) linkDetail(bus uint8, s can.State) detail {
	for _, l := range r.o.Links() {
		switch {
		case l.Number != bus:
		case s == can.LinkDiffers:
			return detail{"differs": strings.Join(l.Differs, "; ")}
		case s.Kind() == can.LinkMissing.Kind() && l.Problem != "":
			return detail{"problem": l.Problem}
		}
	}
	return nil
}

// snapshot is what the recorder shows of itself.
type snapshot struct {
	counts         counts
	session, split uint32
	state          string
	paused         [buses]bool
	openBytes      int64
	card           can.State
	since          time.Time
	crypt          []CryptStatus
}

func stateText(paused bool) string {
	if paused {
		return "paused"
	}
	return "recording"
}

// publish shows the present state to Status.
func (r *recorder) publish() {
	s := snapshot{counts: r.counts, session: r.session, split: r.split, card: r.card, state: "stopped", crypt: r.crypt}
	if r.seg != nil {
		s.openBytes = r.seg.w.Size()
	}
	var all bool
	if s.paused, all = r.gates.paused(r.o.Buses); r.seg != nil || r.idle {
		s.state = stateText(all)
	}
	r.l.mu.Lock()
	s.since = r.l.snap.since
	r.l.snap = s
	r.l.mu.Unlock()
}
