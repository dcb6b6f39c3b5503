package cancrypt

// takesPart reports whether the member sends heartbeats and GROUP frames: not
// while it merely listens.
func (m *Member) takesPart() bool { return m.running && m.active() && (!m.o.Visit || m.once) }

// want asks for a new start of the group, if the table of states has it. It is
// sent when the last one is 5 s ago. A passive member can but wait for it.
func (m *Member) want(why trigger) {
	if !m.active() && m.running && !m.joining {
		m.enter(why)
		return
	}
	if _, ok := m.state.follows(why); !ok || !m.takesPart() || m.leaving || m.joining {
		return
	}
	if m.o.GroupOnce && (m.once || why != askedFor) {
		return
	}
	m.wanted = why
	m.set(timeStart, max(m.now, m.startAfter))
}

// start sends the GROUP frame that was asked for.
func (m *Member) start() {
	if m.wanted == 0 || m.joining {
		return
	}
	if m.at < m.startAfter {
		m.set(timeStart, m.startAfter)
		return
	}
	if m.state == StateJoin && m.o.GroupOnce { // the frame never got on the bus
		m.fail()
		return
	}
	if m.state != StateJoin && !m.enter(m.wanted) {
		m.wanted = 0
		return
	}
	m.once = m.o.GroupOnce
	m.startAfter = m.at + restartTime
	m.sendGroup()
	m.set(timeStart, m.at+restartTime) // for a frame that never gets on the bus
}

func (m *Member) sendGroup() {
	m.asked = m.at
	nonce := m.random[:4]
	m.o.Random(nonce)
	m.control(Group{m.o.KeyID, [4]byte(nonce), uint8(m.o.Event / (100 * millisecond))}, m.at+restartTime)
}

// groupFrame handles a GROUP frame, the own one included.
func (m *Member) groupFrame(sender uint8, g Group) {
	switch {
	case !m.configured.has(sender):
		m.event(StrangeAddress, sender)
	case g.KeyID != m.o.KeyID:
		m.event(GroupIgnored, sender)
	case int64(g.Event)*100*millisecond != m.o.Event:
		m.event(GroupIgnored, sender)
		m.refuse()
	case m.joining:
		m.nonce(sender, g)
		m.wait()
	case m.at < m.limit || !m.enter(groupHeard):
		m.event(GroupIgnored, sender)
		m.wait()
	default:
		m.open(sender, g)
		m.wait()
	}
}

// wait puts off the own next GROUP frame until every member takes one again that
// may have counted its 5 s from the frame at hand. Members that booted one by one,
// and know different nonces, would else ignore each other's next start for ever.
// Forged frames put it off once, by 5 s.
func (m *Member) wait() {
	m.startAfter = max(m.startAfter, min(m.at+restartTime+m.stagger(), m.limit+restartTime))
}

// stagger is a random time, so that members do not ask all at once.
func (m *Member) stagger() int64 {
	m.o.Random(m.random[:1])
	return int64(m.random[0]) * staggerTime / 256
}

// refuse answers a GROUP frame of another event time.
func (m *Member) refuse() {
	if m.takesPart() && m.at >= m.refused+restartTime {
		m.refused = m.at
		m.control(Abort{AbortMismatch}, 0)
	}
}

func (m *Member) nonce(sender uint8, g Group) {
	m.nonces.heard.add(sender)
	m.nonces.parts[sender] = Heard{Address: sender, Random: g.Nonce}
}

// open opens the window of a start: every member answers with its nonce.
func (m *Member) open(sender uint8, g Group) {
	m.joining, m.windowEnd = true, m.at+windowTime
	m.limit = m.at + restartTime // of others
	m.cycle, m.nonces = cycle{}, cycle{}
	m.nonce(sender, g)
	m.timers[timeBeat], m.timers[timeStart] = never, never
	m.deadline(m.windowEnd)
	m.event(Join, sender)
	if sender != m.o.Address && m.takesPart() && m.at >= m.asked+promptTime {
		m.sendGroup()
	}
}

// begin is the window's end: Dyn0, or a start that failed. A failed start does
// not keep the member from following another one at once; two members that
// boot some seconds apart would else ignore each other for ever.
func (m *Member) begin(at int64) {
	m.joining = false
	from := m.nonces.appendTo(m.parts[:0])
	if len(from) < 2 || m.takesPart() && !m.nonces.heard.has(m.o.Address) {
		m.fail()
		return
	}
	for a := range m.vouchers {
		m.forget(uint8(a))
		m.vouchers[a] = voucher{heartbeat: at}
	}
	m.replace(Epoch{Perm: m.o.Key, Dyn: GroupStart(m.o.Key, m.o.KeyID, from)}, at)
	m.prevKey, m.prev, m.before = 0, Epoch{}, tally{}
	m.members, m.lost, m.left = m.nonces.heard, 0, 0
	m.missed, m.unauthentic, m.alive, m.named = [16]uint8{}, [16]uint8{}, 0, 0
	m.sent, m.closed, m.seq, m.wanted = longAgo, at, 0, 0
	m.timers[timeClean] = never
	m.event(GroupKey, 0)
	m.enter(windowFull)
	m.set(timeUnanswered, at+2*m.o.Event)
	m.firstBeat(at)
}

// fail goes back to the state before a start, with its key, and tries again.
func (m *Member) fail() {
	m.limit = longAgo
	m.enter(windowPoor)
	if m.beating() {
		m.set(timeBeat, m.at+m.o.Event)
	}
	switch {
	case m.wanted != 0:
		m.want(m.wanted)
	case m.state == StateOff:
		m.want(askedFor)
	default:
		m.want(unauthentic)
	}
}

// firstBeat plans the first heartbeat of a new group: the lowest address sends
// it, the others if nobody does.
func (m *Member) firstBeat(at int64) {
	due := at + m.o.Event
	if m.active() && m.members&(1<<m.o.Address-1) == 0 {
		m.o.Random(m.random[:4])
		due = at + firstTime + int64(m.random[0])*firstSpread/256
	}
	if m.o.Visit && m.once {
		m.leaving = true
		m.set(timeLeave, at+2*m.o.Event)
	}
	m.set(timeBeat, due)
}

// lonely: no authentic heartbeat of another member for two event times.
func (m *Member) lonely() {
	m.event(OutOfStep, 0)
	m.want(unanswered)
	m.set(timeUnanswered, m.at+2*m.o.Event)
}

// boot asks for the one start of a boot, once listed frames came for a while
// and none of them, nor a heartbeat, was right.
func (m *Member) boot() {
	if !m.o.GroupOnce || m.once || m.joining {
		return
	}
	if m.unjudged == 0 {
		m.unjudged = m.at
	}
	if m.at < m.unjudged+onceTime {
		return
	}
	if m.o.Visit {
		m.once, m.state, m.wanted = true, StateOff, askedFor
		m.set(timeStart, max(m.now, m.startAfter))
		return
	}
	m.want(askedFor)
}

// off ends the member's part: no key is held.
func (m *Member) off() {
	m.enter(hasLeft)
	m.reset()
}
