package cancrypt

import (
	"strconv"

	"canseal/can"
)

// Events of an active member beside the judge's (5.4).
const (
	Collision          EventKind = 18 // in the data field of an own listed frame
	CollisionSuspected EventKind = 19 // an error without a place during one
)

// tampered: somebody uses an own identifier, or destroys own frames.
func (m *Member) tampered(kind EventKind) {
	if kind == EventKind(Injection) {
		m.count(Injection, m.o.Address)
	} else {
		m.event(kind, m.o.Address)
	}
	m.enter(manipulation)
	if m.state == StateSilent && m.o.CleanCycles >= 0 {
		cycles := m.o.CleanCycles
		if cycles == 0 {
			cycles = 3
		}
		m.set(timeClean, m.at+int64(cycles)*m.o.Event)
	}
}

// Bits and places of the kernel's error messages (linux/can/error.h).
const (
	errorProtocol = 1 << 3             // class: Data[2] and Data[3] tell more
	errorBits     = 1<<0 | 1<<3 | 1<<4 // Data[2]: a bit error, of a dominant or of a recessive bit
	placeUnknown  = 0x00               // Data[3]
	placeData     = 0x0A               // Data[3]: the data field
)

// errorFrame looks for a collision: a bit error while an own listed frame is
// under way (5.9).
func (m *Member) errorFrame(f *can.Frame) {
	if f.ID&errorProtocol == 0 || f.Len < 4 || f.Data[2]&errorBits == 0 || !m.airborne.listed(m.o.Table, m.at) {
		return
	}
	switch {
	case f.Data[3] == placeData, f.Data[3] == placeUnknown && m.o.SilentOnHint:
		m.tampered(Collision)
	case f.Data[3] == placeUnknown:
		m.event(CollisionSuspected, m.o.Address)
	}
}

// underway are own frames handed to the controller and not yet confirmed, the
// oldest first.
type underway struct {
	frames [64]struct {
		word Word
		at   int64
	}
	first, n int
}

func (u *underway) handed(w Word, at int64) {
	if u.n == len(u.frames) {
		u.drop()
	}
	slot := &u.frames[(u.first+u.n)%len(u.frames)]
	slot.word, slot.at = w, at
	u.n++
}

func (u *underway) drop() { u.first, u.n = (u.first+1)%len(u.frames), u.n-1 }

// landed takes out a frame that is on the bus, and those before it: they go out
// in order.
func (u *underway) landed(w Word) {
	for i := range u.n {
		if u.frames[(u.first+i)%len(u.frames)].word == w {
			for range i + 1 {
				u.drop()
			}
			return
		}
	}
}

// listed reports whether a frame of the table is under way.
func (u *underway) listed(t *Table, now int64) bool {
	for u.n > 0 && u.frames[u.first].at < now-flightTime {
		u.drop()
	}
	for i := range u.n {
		if t.Find(u.frames[(u.first+i)%len(u.frames)].word) != nil {
			return true
		}
	}
	return false
}

// count raises an error counter. At its threshold, and at each multiple, the
// others are told.
func (m *Member) count(c Counter, sender uint8) {
	m.event(EventKind(c), sender)
	if m.counters[c] == 0xFFFF {
		return
	}
	m.counters[c]++
	threshold := uint16(alertThreshold)
	if c == Injection {
		threshold = 1
	}
	if m.counters[c]%threshold == 0 {
		m.alarms.add(uint8(c))
		if m.takesPart() && m.timers[timeAlert] == never {
			m.set(timeAlert, max(m.now, m.alerted+alertPause))
		}
	}
}

// alert sends one ALERT that is due, the highest counter first.
func (m *Member) alert() {
	for c := BitAnomaly; c > 0; c-- {
		if !m.alarms.has(uint8(c)) {
			continue
		}
		m.alarms &^= 1 << c
		m.alerted = m.at
		m.control(Alert{c, m.counters[c]}, m.at+alertPause)
		if m.alarms != 0 {
			m.set(timeAlert, m.at+alertPause)
		}
		return
	}
}

// Counters returns the error counters by their number, 1-8 (P1.13).
func (m *Member) Counters() [9]uint16 { return m.counters }

var counterNames = [counters]string{
	"none", "preamble without message", "message without preamble", "signature failure", "replayed counter", "key out of step",
	"heartbeat failure", "own identifier received", "bit-cycle anomaly",
}

func (c Counter) String() string {
	if int(c) < len(counterNames) {
		return counterNames[c]
	}
	return "counter " + strconv.Itoa(int(c))
}

// MemberStatus is what a member knows of its group.
type MemberStatus struct {
	State    State
	Epoch    uint16  // key updates since the start
	Members  []uint8 // of the grouping, in ascending order
	Lost     []uint8 // of these, missed in two cycles in a row
	Left     []uint8 // of these, gone in order
	Counters [9]uint16
}

// Status returns a copy of what the member knows.
func (m *Member) Status() MemberStatus {
	return MemberStatus{m.state, m.cur.Number, m.members.list(), m.lost.list(), m.left.list(), m.counters}
}

func (s addresses) list() (out []uint8) {
	for a := range uint8(16) {
		if s.has(a) {
			out = append(out, a)
		}
	}
	return out
}
