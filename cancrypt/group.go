package cancrypt

import "math/bits"

// addresses is a set of addresses, bit a for address a.
type addresses uint16

func (s addresses) has(a uint8) bool { return s>>a&1 != 0 }
func (s *addresses) add(a uint8)     { *s |= 1 << a }
func (s addresses) count() int       { return bits.OnesCount16(uint16(s)) }

// everybody stands for a proof that needs no other: a signature, of whomever.
const everybody = addresses(1<<16 - 1)

// tally counts per sender under one key.
type tally struct {
	last     [256]int32 // last verified sequence number, -1 for none
	failures [256]uint16
}

func freshTally() (t tally) {
	for i := range t.last {
		t.last[i] = -1
	}
	return t
}

// cycle is a heartbeat cycle (P1.8).
type cycle struct {
	open  bool
	start int64
	heard addresses // contributors
	parts [16]Heard
}

func (c *cycle) contributors() []Heard { return c.appendTo(nil) }

// appendTo appends the contributors in ascending order of address.
func (c *cycle) appendTo(dst []Heard) []Heard {
	for a := range uint8(16) {
		if c.heard.has(a) {
			dst = append(dst, c.parts[a])
		}
	}
	return dst
}

// group is all that one candidate holds of the group; a copy is a new
// candidate (5.2). Key number 0 means that there is none.
type group struct {
	cur, prev       Epoch
	curKey, prevKey uint32
	keys            uint32 // numbers given so far
	updated         int64  // when cur became the key
	counts, before  tally  // under cur and prev
	proven          bool
	proof           addresses // whose heartbeats were right under cur
	since           addresses // the same, since the oldest verdict that waits for a proof
	tried           int       // heartbeats of 8 bits that were checked under cur
	replayedSession bool
	starts          uint32 // group starts that this candidate followed
	tag             [8]byte

	members, lost, left addresses // of this grouping
	missed, unauthentic [16]uint8 // cycles in a row
	alive, named        addresses // in this span: right heartbeats, any heartbeats

	cycle     cycle
	last      cycle // the one that made cur, for the doubt after its deadline
	sequences [slots]sequence

	vouchers [16]voucher
	patience int64 // 1.5 event times: without a heartbeat nothing is vouched for

	joining   bool
	windowEnd int64
	nonces    cycle // heard in the window

	decided int64 // a cycle opened after this time can make the candidate win
	won     bool
	wonAt   int64
	next    int64 // no deadline before
}

// keyFor returns the key that epoch bits select at a time (P1.3): number 0 for
// none. late says that they name the previous key after its grace.
func (g *group) keyFor(epoch uint8, at int64) (e *Epoch, key uint32, late bool) {
	if g.curKey == 0 {
		return nil, 0, false
	}
	switch (epoch - uint8(g.cur.Number)) & 3 {
	case 0:
		return &g.cur, g.curKey, false
	case 3:
		if g.prevKey == 0 {
			return nil, 0, false
		}
		if at <= g.updated+graceTime {
			return &g.prev, g.prevKey, false
		}
		return nil, 0, true
	}
	return nil, 0, false
}

// counting returns the tally of a key, nil when it is gone.
func (g *group) counting(key uint32) *tally {
	switch {
	case key == 0:
	case key == g.curKey:
		return &g.counts
	case key == g.prevKey:
		return &g.before
	}
	return nil
}

// renew makes e the current key.
func (g *group) renew(e Epoch, at int64) {
	g.prev, g.prevKey, g.before = g.cur, g.curKey, g.counts
	g.replace(e, at)
}

// replace makes e the current key instead of the one that is.
func (g *group) replace(e Epoch, at int64) {
	g.keys++
	g.cur, g.curKey, g.counts = e, g.keys, freshTally()
	g.updated, g.proven, g.proof, g.since, g.tried = at, false, 0, 0, 0
}

// proves reports whether what was right by these members is more than chance: a
// signature, or heartbeats of two or more, so many of all that were tried that a
// wrong key explains them less than once in 4096.
func (g *group) proves(by addresses) bool {
	if by == everybody {
		return true
	}
	k := by.count()
	chance := k * bits.Len(uint(max(g.tried-1, 0))) // (tried/256)^k/k! of being right
	for i := 2; i <= k; i++ {
		chance -= bits.Len(uint(i)) - 1
	}
	return k >= 2 && 8*k-chance >= 12
}

// expected are the members whose heartbeat closes the cycle.
func (g *group) expected() addresses { return g.members &^ g.lost &^ g.left }

// deadline keeps next at most at.
func (g *group) deadline(at int64) { g.next = min(g.next, at) }

// earliest finds the next deadline anew.
func (g *group) earliest() int64 {
	g.next = never
	for i := range g.sequences {
		if s := &g.sequences[i]; s.active {
			g.deadline(s.deadline)
		}
	}
	if g.cycle.open {
		g.deadline(g.cycle.start + cycleTime)
	}
	for a := range g.vouchers {
		if v := &g.vouchers[a]; v.to != 0 {
			g.deadline(v.heartbeat + g.patience)
		}
	}
	if g.joining {
		g.deadline(g.windowEnd)
	}
	return g.next
}
