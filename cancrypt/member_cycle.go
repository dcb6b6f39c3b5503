package cancrypt

// beating reports whether the member sends heartbeats.
func (m *Member) beating() bool {
	return m.takesPart() && !m.joining && (m.state == StateSync || m.state == StateGrouped) && m.members.has(m.o.Address)
}

// beat sends the own heartbeat. It enters the cycle when it is on the bus. One
// that opens a cycle is as good when this program runs late.
func (m *Member) beat() {
	if !m.beating() {
		return
	}
	at := max(m.at, m.late)
	until := at + cycleTime
	if m.cycle.open {
		until = m.cycle.start + cycleTime
	}
	status := Authenticated
	if m.leaving {
		status |= Leaving
	}
	if m.o.Paired != nil && m.o.Paired() {
		status |= Paired
	}
	random := m.random[:3]
	m.o.Random(random)
	m.sendHeartbeat(status, [3]byte(random), until)
	m.sent = at
	if at < m.at+cycleTime {
		at = m.at // a little late does not shift the rhythm
	}
	m.set(timeBeat, at+m.o.Event)
}

// beatEarly plans a heartbeat for the moment from which everybody can answer.
func (m *Member) beatEarly() {
	if m.beating() {
		at := max(m.now, m.sent+m.o.Inhibit, m.closed+m.o.Inhibit)
		m.set(timeBeat, min(m.timers[timeBeat], at))
	}
}

// answer sends the own heartbeat in a cycle that another member opened, if the
// inhibit time allows it soon enough.
func (m *Member) answer() {
	on := m.sent > m.closed && m.at < m.sent+cycleTime // on its way
	if on || !m.beating() || m.cycle.heard.has(m.o.Address) {
		return
	}
	due := max(m.at, m.sent+m.o.Inhibit)
	switch {
	case due == m.at:
		m.beat()
	case due <= m.cycle.start+promptTime:
		m.set(timeBeat, due)
	}
}

// heartbeat takes a heartbeat (P1.8), the own one when it is on the bus: 5 bytes,
// of CANcrypt FD 16, none for one that cannot be right.
func (m *Member) heartbeat(sender uint8, b []byte) {
	if !m.configured.has(sender) {
		m.event(StrangeAddress, sender)
		return
	}
	if m.curKey == 0 {
		return
	}
	m.named.add(sender)
	if len(b) > 0 && m.members.has(sender) && !m.left.has(sender) {
		e, key, _ := m.keyFor(Status(b[0]).Epoch(), m.at)
		if h, ok := m.openHeartbeat(e, sender, b); ok {
			m.accept(h, key)
			return
		}
	}
	m.wrongHeartbeat(sender)
}

func (m *Member) openHeartbeat(e *Epoch, sender uint8, b []byte) (h Heard, ok bool) {
	switch {
	case e == nil:
		return h, false
	case len(b) == 5:
		return m.suite.OpenHeartbeat(e, sender, [5]byte(b))
	}
	h, ok = m.suite.OpenFDHeartbeat(e, m.word, m.o.Methods.Signature(), [fdHeartbeatLen]byte(b))
	return h, ok && h.Address == sender
}

func (m *Member) wrongHeartbeat(sender uint8) {
	m.vouchers[sender].hear(m.at, false, 0)
	m.count(BadHeartbeat, sender)
}

// accept takes a right heartbeat.
func (m *Member) accept(h Heard, key uint32) {
	a := h.Address
	if key == m.curKey && m.cycle.open && m.cycle.heard.has(a) {
		m.event(EventKind(Injection), a)
		m.wrongHeartbeat(a)
		return
	}
	m.alive.add(a)
	m.vouchers[a].hear(m.at, true, h.Status)
	m.missed[a] = 0
	if m.lost.has(a) {
		m.lost &^= 1 << a
		m.event(MemberBack, a)
	}
	if a != m.o.Address {
		m.right()
		m.set(timeUnanswered, m.at+2*m.o.Event)
		if m.wanted == unanswered {
			m.wanted = 0
		}
	}
	if key == m.curKey && !m.joining {
		m.contribute(h)
	}
}

// right notes that something was right under a held key.
func (m *Member) right() { m.unjudged = 0 }

// contribute opens or continues the cycle.
func (m *Member) contribute(h Heard) {
	if !m.cycle.open {
		m.cycle = cycle{open: true, start: m.at}
		m.deadline(m.at + cycleTime)
	}
	m.cycle.heard.add(h.Address)
	m.cycle.parts[h.Address] = h
	m.answer()
	if m.expected()&^m.cycle.heard == 0 {
		m.close(m.at)
	}
}

// close ends a cycle: key update, members lost and left.
func (m *Member) close(at int64) {
	done := m.cycle.heard
	from := m.cycle.appendTo(m.parts[:0])
	m.cycle.open, m.cycle.heard, m.closed = false, 0, at
	if len(from) >= 2 {
		m.renew(m.update(from), at)
		m.seq = 0
		m.enter(keyUpdated)
		m.backInStep()
	}
	for a := range uint8(16) {
		if m.members.has(a) && !m.left.has(a) {
			m.vouch(a)
			m.membership(a, done.has(a) && m.cycle.parts[a].Status&Leaving != 0)
		}
		m.disagreement(a)
	}
	m.alive, m.named = 0, 0
	if m.left.has(m.o.Address) {
		m.off()
	} else if m.lost.has(m.o.Address) {
		m.beatEarly() // the others do not wait for this member
	}
}

// backInStep: a passive member that waits for a start was right all the same.
func (m *Member) backInStep() {
	if !m.active() && m.state == StateJoin && !m.joining {
		m.state = m.origin
	}
}

// update is the epoch after a cycle with its additional inputs.
func (m *Member) update(from []Heard) Epoch {
	next := m.cur.Updated(from)
	if m.o.Methods.Extra() {
		next.Mask = ExtraMask(next.Perm, HeartbeatExtra(nil, from))
	}
	return next
}

// membership counts the cycle that closed for a member.
func (m *Member) membership(a uint8, leaving bool) {
	switch {
	case leaving:
		m.left.add(a)
		m.event(MemberLeft, a)
	case m.alive.has(a) || m.lost.has(a):
	default:
		if m.missed[a]++; m.missed[a] == 2 {
			m.lost.add(a)
			m.vouchers[a].established, m.vouchers[a].streak = false, 0
			m.event(MemberLost, a)
		}
	}
}

// disagreement counts the cycles in which a configured member was heard, but
// not right: after two of them the keys differ, and the group starts anew.
func (m *Member) disagreement(a uint8) {
	if a == m.o.Address || !m.named.has(a) || m.alive.has(a) {
		m.unauthentic[a] = 0
		return
	}
	if m.unauthentic[a]++; m.unauthentic[a] == 2 {
		m.event(MemberUnauthentic, a)
		m.want(unauthentic)
	}
}
