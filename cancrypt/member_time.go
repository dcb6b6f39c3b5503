package cancrypt

// Times of an active member (P1.8, 5.7), in ns.
const (
	promptTime  = 20 * millisecond  // from a cycle's first heartbeat to the answer
	firstTime   = 10 * millisecond  // from Dyn0 to the first heartbeat of the group, and
	firstSpread = 20 * millisecond  // up to so much more
	listenTime  = 300 * millisecond // before the first GROUP frame of a boot: who boots meanwhile hears it
	staggerTime = 120 * millisecond
	onceTime    = 2000 * millisecond // of listed frames that nobody can judge, before the one GROUP of a boot
	flightTime  = 1000 * millisecond // after which a frame handed over is not awaited any more

	longAgo = -1 << 62
)

// timer is something that a member does by the clock. The deadlines of cycles,
// windows and sequences are the group's.
type timer uint8

const (
	timeBeat       timer = iota // send a heartbeat
	timeUnanswered              // nobody else's heartbeat came
	timeClean                   // no manipulation came
	timeStart                   // send a GROUP frame
	timeAlert
	timeLeave // give up waiting for the last cycle
	timerCount
)

var timerActions = [timerCount]func(m *Member){
	timeBeat:       (*Member).beat,
	timeUnanswered: (*Member).lonely,
	timeClean:      func(m *Member) { m.want(staysClean) },
	timeStart:      (*Member).start,
	timeAlert:      (*Member).alert,
	timeLeave:      (*Member).off,
}

// set sets a timer.
func (m *Member) set(t timer, at int64) {
	m.timers[t] = at
	m.deadline(at)
}

// earliest finds the next deadline anew.
func (m *Member) earliest() int64 {
	m.group.earliest()
	for _, at := range m.timers {
		m.deadline(at)
	}
	return m.next
}

// advance processes the deadlines that end before t. Time does not go back.
func (m *Member) advance(t int64) {
	m.late = t
	for m.next < t {
		at := m.earliest()
		if at >= t {
			break
		}
		m.at, m.word, m.now = at, 0, max(m.now, at)
		m.expire(at)
	}
	m.now = max(m.now, t)
	m.at, m.word = m.now, 0
}

// expire processes what is due at a time, the earliest of all.
func (m *Member) expire(at int64) {
	for i := range m.sequences {
		if s := &m.sequences[i]; s.active && s.deadline <= at {
			s.active = false
			m.count(NoMessage, s.sender)
		}
	}
	for a := range m.vouchers {
		if v := &m.vouchers[a]; v.to != 0 && v.heartbeat+m.patience <= at {
			m.forget(uint8(a))
		}
	}
	if m.cycle.open && m.cycle.start+cycleTime <= at {
		m.close(at)
	}
	if m.joining && m.windowEnd <= at {
		m.begin(at)
	}
	for t, due := range m.timers {
		if due <= at {
			m.timers[t] = never
			timerActions[t](m)
		}
	}
}
