package cancrypt

import "canseal/can"

func (j *Judge) event(kind EventKind, sender uint8, w Word, at int64) {
	j.out.Events = append(j.out.Events, SecurityEvent{at, kind, sender, w})
}

// leads reports whether events of a candidate are the judge's.
func (j *Judge) leads(c *candidate) bool { return c == j.candidates[0] }

// count raises an error counter. One that may be the judge's own fault waits, as
// its verdict does.
func (j *Judge) count(c *candidate, kind Counter, sender uint8) { j.accuse(c, EventKind(kind), sender) }

func (j *Judge) accuse(c *candidate, kind EventKind, sender uint8) {
	if !j.leads(c) {
		return
	}
	e := SecurityEvent{j.at.time, kind, sender, j.at.word}
	v, accuses := accusation(kind)
	switch {
	case accuses && !j.inStep:
	case accuses && j.unsure(v) && len(j.warned) < maxPending:
		j.warned = append(j.warned, warning{e, v, c})
	default:
		j.out.Events = append(j.out.Events, e)
	}
}

// accusation returns the verdict under a key that an event goes with, if it does.
func accusation(kind EventKind) (v can.Verdict, accuses bool) {
	switch kind {
	case EventKind(BadSignature), UnderGuessing:
		return can.SignatureWrong, true
	case EventKind(Desync):
		return can.KeyEpochUnknown, true
	case EventKind(BadHeartbeat):
		return can.HeartbeatWrong, true
	}
	return 0, false
}

// warning is an event that waits for a proof of its candidate's key.
type warning struct {
	e       SecurityEvent
	verdict can.Verdict
	by      *candidate
}

func (j *Judge) report(c *candidate, kind EventKind, sender uint8) {
	if j.leads(c) {
		j.event(kind, sender, j.at.word, j.at.time)
	}
}
