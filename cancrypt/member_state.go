package cancrypt

import "strconv"

// State is a member's state (5.7), numbered as in IDENTIFY. OFF is also the
// state of a member that was started and found nobody: it tries again.
type State uint8

const (
	StateOff State = iota
	StateJoin
	StateSync
	StateGrouped
	StateSilent
)

var stateNames = []string{"OFF", "JOIN", "SYNC", "GROUPED", "SILENT"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// trigger is what can change a member's state.
type trigger uint8

const (
	askedFor     trigger = iota + 1 // by its owner, or one GROUP per boot
	unanswered                      // 2 event times without an authentic heartbeat of another member
	unauthentic                     // a configured member is heard for 2 cycles in a row, but not right
	byOperator                      // a new start is asked for
	staysClean                      // no manipulation seen for some event times
	groupHeard                      // a GROUP frame of a configured member, the own one included
	windowFull                      // 500 ms later, at least two members heard
	windowPoor                      // 500 ms later, fewer
	keyUpdated                      // a cycle closed with an update
	manipulation                    // an own identifier received, or a collision
	hasLeft                         // the last cycle is over
)

// stateBefore stands in the table for the state before JOIN.
const stateBefore State = 0xFF

// transitions is the table of 5.7: from any of the states, by a trigger, to.
// What has no row changes nothing.
var transitions = []struct {
	from []State
	on   trigger
	to   State
}{
	{[]State{StateOff}, askedFor, StateJoin},
	{[]State{StateSync, StateGrouped}, unanswered, StateJoin},
	{[]State{StateSync, StateGrouped}, unauthentic, StateJoin},
	{[]State{StateSync, StateGrouped, StateSilent}, byOperator, StateJoin},
	{[]State{StateSilent}, staysClean, StateJoin},
	{[]State{StateOff, StateJoin, StateSync, StateGrouped, StateSilent}, groupHeard, StateJoin},
	{[]State{StateJoin}, windowFull, StateSync},
	{[]State{StateJoin}, windowPoor, stateBefore},
	{[]State{StateSync}, keyUpdated, StateGrouped},
	{[]State{StateGrouped}, manipulation, StateSilent},
	{[]State{StateOff, StateJoin, StateSync, StateGrouped, StateSilent}, hasLeft, StateOff},
}

// follows returns the state after a trigger; false: there is no such row.
func (s State) follows(on trigger) (to State, ok bool) {
	for _, row := range transitions {
		if row.on != on {
			continue
		}
		for _, from := range row.from {
			if from == s {
				return row.to, true
			}
		}
	}
	return s, false
}

// enter changes the state by the table and reports whether there was a row.
func (m *Member) enter(on trigger) bool {
	to, ok := m.state.follows(on)
	switch {
	case !ok:
		return false
	case to == stateBefore:
		to = m.origin
	case to == StateJoin && m.state != StateJoin:
		m.origin = m.state
	}
	m.state = to
	return true
}
