package cancrypt

import "canseal/can"

// heartbeat judges a heartbeat under one candidate (P1.8, codes 13, 15, 17, 18).
func (j *Judge) heartbeat(c *candidate, sender uint8, b []byte) {
	if c.curKey == 0 {
		j.say(c, j.at, can.NotJudged)
		return
	}
	c.named.add(sender)
	if !j.members.has(sender) {
		j.report(c, StrangeAddress, sender)
	}
	var e *Epoch
	var key uint32
	late := len(b) == 0
	if !late {
		e, key, late = c.keyFor(Status(b[0]).Epoch(), j.at.time)
	}
	switch {
	case !c.members.has(sender) || c.left.has(sender) || late:
		j.failed(c, sender, can.HeartbeatWrong)
		return
	case key == 0:
		j.failed(c, sender, can.KeyEpochUnknown)
		return
	}
	if key == c.curKey && !j.o.FD {
		c.tried++
	}
	h, ok := j.open(e, sender, b)
	if !ok {
		j.failed(c, sender, can.HeartbeatWrong)
		return
	}
	j.accept(c, h, key)
}

// open checks a heartbeat of 5 bytes, or one of CANcrypt FD.
func (j *Judge) open(e *Epoch, sender uint8, b []byte) (Heard, bool) {
	if len(b) == 5 {
		return j.suite.OpenHeartbeat(e, sender, [5]byte(b))
	}
	h, ok := j.suite.OpenFDHeartbeat(e, j.at.word, j.o.Methods.Signature(), [fdHeartbeatLen]byte(b))
	return h, ok && h.Address == sender
}

func (j *Judge) failed(c *candidate, sender uint8, v can.Verdict) {
	c.vouchers[sender].hear(j.at.time, false, 0)
	if j.leads(c) {
		j.beats[sender].wrong++
	}
	j.count(c, BadHeartbeat, sender)
	j.say(c, j.at, v)
}

// accept takes a right heartbeat.
func (j *Judge) accept(c *candidate, h Heard, key uint32) {
	a := h.Address
	if key == c.curKey && c.cycle.open && c.cycle.heard.has(a) {
		j.count(c, Injection, a)
		j.failed(c, a, can.HeartbeatWrong)
		return
	}
	if c.vouchers[a].heard == 0 { // of many that are guessed some are right
		j.bits += 8
	}
	j.right(c, key, 1<<a)
	c.alive.add(a)
	c.vouchers[a].hear(j.at.time, true, h.Status)
	if c.lost.has(a) {
		c.lost &^= 1 << a
		j.report(c, MemberBack, a)
	}
	c.missed[a] = 0
	if j.leads(c) {
		j.beats[a].right++
		j.beats[a].last = j.at.time
	}
	j.say(c, j.at, c.mark(can.HeartbeatOK))
	switch {
	case key != c.curKey:
		j.doubtAfter(c, h)
	case c.joining: // an open cycle was dropped and none is opened
	default:
		j.contribute(c, h)
	}
}

// mark is the verdict of something right: code 14 under a start key seen before.
func (g *group) mark(v can.Verdict) can.Verdict {
	if g.replayedSession {
		return can.ReplayedSession
	}
	return v
}

// contribute opens or continues the cycle. In its last moments a member may
// have counted the heartbeat or not.
func (j *Judge) contribute(c *candidate, h Heard) {
	t := j.at.time
	if !c.cycle.open {
		c.cycle = cycle{open: true, start: t}
		c.deadline(t + cycleTime)
	} else if end := c.cycle.start + cycleTime; t > end-doubtTime {
		j.fork(c, end, func(*candidate) {})
	}
	c.cycle.heard.add(h.Address)
	c.cycle.parts[h.Address] = h
	if len(j.candidates) == 1 {
		j.trail.mark(&c.group)
	}
	if c.expected()&^c.cycle.heard == 0 {
		j.close(c, t)
	}
}

// doubtAfter: a heartbeat with the previous key just after a deadline may have
// been counted by the members.
func (j *Judge) doubtAfter(c *candidate, h Heard) {
	t := j.at.time
	if c.last.heard == 0 || c.last.heard.has(h.Address) || t > c.last.start+cycleTime+doubtTime || c.updated != c.last.start+cycleTime {
		return
	}
	j.fork(c, t, func(n *candidate) {
		n.last.heard.add(h.Address)
		n.last.parts[h.Address] = h
		n.cycle = cycle{}
		n.replace(j.update(&n.prev, n.last.contributors()), n.updated)
	})
}

// update is the epoch after a cycle with its additional inputs.
func (j *Judge) update(e *Epoch, from []Heard) Epoch {
	next := e.Updated(from)
	if j.o.Methods.Extra() {
		next.Mask = ExtraMask(next.Perm, HeartbeatExtra(nil, from))
	}
	return next
}

// close ends a cycle: key update, members lost and left, and whether the
// candidate has won.
func (j *Judge) close(c *candidate, at int64) {
	done, proven := c.cycle, c.proven
	c.cycle = cycle{}
	if done.heard.count() >= 2 {
		c.last = done
		c.renew(j.update(&c.cur, done.contributors()), at)
	}
	for a := range uint8(16) {
		if c.members.has(a) && !c.left.has(a) {
			j.vouch(c, a, proven)
			j.membership(c, a, done.heard.has(a) && done.parts[a].Status&Leaving != 0)
		}
	}
	c.alive, c.named = 0, 0
	if c.decided > 0 && done.start > c.decided && done.heard.count() >= 2 {
		c.won, c.wonAt = true, at
	}
}

// membership counts the cycle that closed for a member.
func (j *Judge) membership(c *candidate, a uint8, leaving bool) {
	if c.named.has(a) && !c.alive.has(a) {
		if c.unauthentic[a]++; c.unauthentic[a] == 2 {
			j.report(c, MemberUnauthentic, a)
		}
	} else {
		c.unauthentic[a] = 0
	}
	switch {
	case leaving:
		c.left.add(a)
		j.report(c, MemberLeft, a)
	case c.alive.has(a) || c.lost.has(a):
	default:
		if c.missed[a]++; c.missed[a] == 2 {
			c.lost.add(a)
			c.vouchers[a].established, c.vouchers[a].streak = false, 0
			j.report(c, MemberLost, a)
		}
	}
}

// group handles a GROUP frame: it may start the group anew, or be forged.
func (j *Judge) group(sender uint8, m Group) {
	t := j.at.time
	h := Heard{Address: sender, Random: m.Nonce}
	if !j.members.has(sender) {
		j.event(StrangeAddress, sender, j.at.word, t)
		return
	}
	if j.o.NoKey {
		return
	}
	if m.KeyID != j.o.KeyID || int64(m.Event)*100*millisecond != j.o.Event {
		j.event(GroupIgnored, sender, j.at.word, t)
		return
	}
	inside := false
	for _, c := range j.candidates {
		if c.joining {
			c.nonces.heard.add(sender)
			c.nonces.parts[sender] = h
			inside = true
		}
	}
	if inside {
		return
	}
	if j.started && t < j.opened+restartTime {
		j.event(GroupIgnored, sender, j.at.word, t)
		return
	}
	j.started, j.opened = true, t
	j.event(Join, sender, j.at.word, t)
	j.follow(h, t)
}

// follow makes the leader follow a start; a second candidate goes on as if no
// GROUP frame had come.
func (j *Judge) follow(h Heard, t int64) {
	c := j.candidates[0]
	j.trail.forget()
	if c.curKey != 0 {
		j.fork(c, t+windowTime, func(*candidate) {})
		for _, other := range j.candidates {
			other.decided = max(other.decided, t+windowTime)
		}
	}
	c.joining, c.windowEnd, c.cycle = true, t+windowTime, cycle{}
	c.nonces = cycle{}
	c.nonces.heard.add(h.Address)
	c.nonces.parts[h.Address] = h
	c.deadline(c.windowEnd)
}

// begin is the window's end: Dyn0, or a start that failed.
func (j *Judge) begin(c *candidate, at int64) {
	c.joining = false
	if c.nonces.heard.count() < 2 {
		j.started = false // a start that failed does not keep members from another one
		for i := range j.candidates {
			if j.candidates[i] == c && len(j.candidates) > 1 {
				j.drop(i)
				return
			}
		}
		return
	}
	for a := range c.vouchers {
		j.unvouch(c, uint8(a), c.vouchers[a].silent(c.proven))
		c.vouchers[a] = voucher{heartbeat: at}
	}
	from := c.nonces.contributors()
	dyn := GroupStart(j.o.Key, j.o.KeyID, from)
	c.replace(Epoch{Perm: j.o.Key, Dyn: dyn}, at)
	c.starts++
	c.prevKey, c.before = 0, tally{}
	c.members, c.lost, c.left = c.nonces.heard, 0, 0
	c.missed, c.unauthentic, c.alive, c.named = [16]uint8{}, [16]uint8{}, 0, 0
	c.last = cycle{}
	c.tag = StartTag(j.o.Key, j.o.KeyID, dyn)
	j.rightAt, j.names = at, 0
	j.divided = false
	j.report(c, GroupKey, 0)
	if c.replayedSession = j.o.Seen != nil && j.o.Seen(c.tag); c.replayedSession {
		j.report(c, SessionReplayed, 0)
	}
}
