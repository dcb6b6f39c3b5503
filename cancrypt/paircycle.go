package cancrypt

import "canseal/can"

// bitCycle is one round of bit generation (P1.12): each side claims 0 or 1 at a
// time of its own; when the claims differ, who has claimed which is a secret of
// the two.
type bitCycle struct {
	open    bool
	end     int64 // of the window
	claim   int64 // when the own claim is due
	claimed bool  // it was sent
	mine    uint8
	other   uint8 // the last claim seen
	seen    int   // claims seen
}

// outcome is what a bit cycle came to.
type outcome uint8

const (
	discarded outcome = iota
	agreed
	disturbed // more than two claims
)

func (c *bitCycle) outcome() outcome {
	switch {
	case c.seen > 1:
		return disturbed
	case c.seen == 1 && c.claimed && c.other != c.mine:
		return agreed
	}
	return discarded
}

// openCycle begins a window. In direct mode the claim is due at once: at the next
// Tick, which knows how late it is.
func (p *pairing) openCycle() {
	var r [5]byte
	p.o.Random(r[:])
	delay := int64(0)
	if !p.o.Methods.Direct() {
		x := int64(r[1]) | int64(r[2])<<8 | int64(r[3])<<16 | int64(r[4])<<24
		delay = x * claimSpread >> 32
	}
	p.cycle = bitCycle{open: true, end: p.now + bitWindow, claim: p.now + delay, mine: r[0] & 1}
	p.cycles++
}

// sent takes an own frame that is on the bus: the configurator's window begins
// with its BIT, which may have waited.
func (p *pairing) sent(w Word, e *can.Event) {
	c := &p.cycle
	late := e.Time - (c.end - bitWindow)
	if !c.open || p.sender != 0 || w != p.own.Word || e.Frame.Len != 3 || Code(e.Frame.Data[0]>>4) != CodeBit || late <= 0 {
		return
	}
	c.end += late
	if c.claim != never {
		c.claim += late
	}
}

// claim sends the own claim, unless it has become so late that the other side
// might take it for one of the next window.
func (p *pairing) claim() {
	c := &p.cycle
	c.claim = never
	if p.now > c.end-bitWindow+claimLate {
		return
	}
	c.claimed = true
	p.out.Frames = append(p.out.Frames, frameOf(p.o.Claims[c.mine], nil))
}

// claimSeen takes a claim frame of the bus. One that was on the bus before the
// window opened, and was read late, is not of this cycle.
func (p *pairing) claimSeen(at int64, id uint8) {
	if c := &p.cycle; c.open && at >= c.end-bitWindow {
		c.seen, c.other = c.seen+1, id
	}
}

// closeCycle ends the window. A pairing that cannot agree on bits ends.
func (p *pairing) closeCycle() outcome {
	c := &p.cycle
	c.open = false
	result := c.outcome()
	p.heard = p.heard || c.seen > 0
	if result == disturbed {
		p.anomalies++
		p.raise(BitAnomaly)
	}
	if p.discards++; result == agreed {
		return result
	}
	switch {
	case p.anomalies >= mostAnomalies || p.discards >= mostDiscards && p.heard:
		p.abort(AbortManipulation)
	case p.discards >= mostDiscards:
		p.abort(AbortTimeout)
	}
	return result
}

// take makes a bit count: it is shifted into the key to be saved and, once
// paired, into the dynamic key (P1.6).
func (p *pairing) take(one bool) {
	p.before, p.undo = p.roll, true
	r := &p.roll
	r.bits, r.raw = r.bits.Shifted(one), one
	r.count = min(r.count+1, keyBits)
	r.index++
	if p.state == PairPaired {
		r.prev, r.last[1], r.grace = r.cur, r.last[0], p.now+graceTime
		r.cur = Epoch{Perm: p.perm, Dyn: r.cur.Dyn.Shifted(one), Number: r.cur.Number + 1}
		r.last[0], r.next = -1, 0
	}
	p.alive, p.discards, p.heard = p.now, 0, false
	p.event(PairEvent{Kind: PairBit, KeyID: p.keyID})
}

// takeBack undoes the last accepted bit: its ACK never reached the
// configurator, who asks for the same index again.
func (p *pairing) takeBack() {
	p.roll, p.before, p.undo = p.before, rolling{}, false
}

// flip shapes the last accepted bit of the key to be saved. Bits of the dynamic
// key stay as they were generated.
func (p *pairing) flip(flip bool) {
	p.undo = false
	top := &p.roll.bits[len(p.roll.bits)-1]
	*top = *top&0x7F | bit(p.roll.raw != flip, 0x80)
}
