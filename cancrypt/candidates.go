package cancrypt

import (
	"cmp"
	"maps"
	"slices"

	"canseal/can"
)

// room makes room for one more candidate.
func (j *Judge) room() {
	for len(j.candidates) >= maxCandidates {
		j.drop(1) // the oldest that does not lead
	}
}

// fork makes a candidate that differs from c in what change does. The first of
// the two leads when c did. Both can win after decided.
func (j *Judge) fork(c *candidate, decided int64, change func(n *candidate)) *candidate {
	j.room()
	n := &candidate{group: c.group, said: map[ref]can.Verdict{}}
	if len(c.said)*(len(j.candidates)+1) <= maxSaid {
		maps.Copy(n.said, c.said)
	}
	if c.said == nil {
		c.said = map[ref]can.Verdict{}
	}
	c.decided, n.decided = max(c.decided, decided), max(n.decided, decided)
	c.won = false
	change(n)
	j.candidates = append(j.candidates, n)
	return n
}

// drop removes a candidate.
func (j *Judge) drop(i int) {
	j.candidates = append(j.candidates[:i:i], j.candidates[i+1:]...)
	j.agree()
}

// say is a candidate's verdict on a frame.
func (j *Judge) say(c *candidate, at ref, v can.Verdict) {
	if len(j.candidates) == 1 {
		j.settle(at, v)
		return
	}
	if len(c.said)*len(j.candidates) < maxSaid {
		c.said[at] = v
		j.compare(at, v)
	}
}

// compare gives a verdict on which all candidates agree.
func (j *Judge) compare(at ref, v can.Verdict) {
	if !j.agreed(at, v) {
		return
	}
	for _, c := range j.candidates {
		delete(c.said, at)
	}
	j.settle(at, v)
}

// agree goes through the verdicts that are open after a candidate is gone.
func (j *Judge) agree() {
	lead := j.candidates[0]
	open := slices.SortedFunc(maps.Keys(lead.said), func(a, b ref) int { return cmp.Compare(a.n, b.n) })
	for _, at := range open {
		j.compare(at, lead.said[at])
	}
	if len(j.candidates) == 1 {
		lead.said, lead.decided = nil, 0
	}
}

func (j *Judge) agreed(at ref, v can.Verdict) bool {
	for _, c := range j.candidates {
		if w, ok := c.said[at]; !ok || w != v {
			return false
		}
	}
	return true
}

// decide ends doubts: the candidate that won stays, two are a split.
func (j *Judge) decide() {
	if len(j.candidates) == 1 {
		j.candidates[0].won = false
		return
	}
	var winners []*candidate
	first := int64(never)
	for _, c := range j.candidates {
		if c.won {
			winners = append(winners, c)
			first = min(first, c.wonAt)
		}
	}
	switch {
	case len(winners) == 0 || j.rival(first):
	case len(winners) == 1:
		j.candidates = winners
		winners[0].won = false
		j.agree()
	default:
		j.split()
	}
}

// rival reports whether another candidate may yet win in the cycle in which
// one won at a time: half of the members may be authentic under each.
func (j *Judge) rival(first int64) bool {
	for _, c := range j.candidates {
		if !c.won && c.cycle.open && c.cycle.start > c.decided && c.cycle.start <= first {
			return true
		}
	}
	return false
}

// split: the members disagree for ever; no key until the next start.
func (j *Judge) split() {
	j.event(GroupSplit, 0, 0, j.at.time)
	j.divided = true
	lead := j.candidates[0]
	for _, c := range j.candidates {
		for at := range c.said {
			lead.said[at] = can.NotJudged
		}
	}
	lead.curKey, lead.prevKey, lead.won = 0, 0, false
	lead.cycle = cycle{}
	j.candidates = j.candidates[:1]
	j.agree()
	j.release(noProof)
}

// needsKey reports whether a verdict claims something about a key.
func needsKey(v can.Verdict) bool {
	const set = 1<<can.Vouched | 1<<can.VouchedTwice | 1<<can.Unvouched | 1<<can.Authentic | 1<<can.ChecksumOK | 1<<can.AuthenticUnderGuessing | 1<<can.SignatureWrong | 1<<can.Replayed |
		1<<can.KeyEpochUnknown | 1<<can.ReplayedSession | 1<<can.HeartbeatOK | 1<<can.HeartbeatWrong | 1<<can.SenderLostOrLeft
	return set>>v&1 != 0
}

// unsure reports whether a verdict accuses and may be the judge's own fault: if
// it missed a heartbeat, its key is wrong.
func (j *Judge) unsure(v can.Verdict) bool {
	switch v {
	case can.KeyEpochUnknown:
		return true
	case can.SignatureWrong, can.HeartbeatWrong:
		return !j.candidates[0].proven && j.keyed()
	}
	return false
}

// settle gives a verdict, or holds it back until the key is known to be right.
func (j *Judge) settle(at ref, v can.Verdict) {
	switch {
	case !j.inStep && needsKey(v):
		v = can.NotJudged
	case j.unsure(v):
		if len(j.held) == 0 {
			j.candidates[0].since = 0 // of the evidence, what came before says nothing about 13
		}
		if len(j.held) < maxPending {
			j.held = append(j.held, saying{at, v, j.candidates[0].starts})
		}
		return
	}
	j.give(at, v)
}

func (j *Judge) give(at ref, v can.Verdict) {
	if at == j.at {
		j.verdict = v
		return
	}
	n := at.n
	if at.from != 0 {
		n = 0
	}
	j.out.Late = append(j.out.Late, Late{n, at.time, at.from, at.word, at.sender, v})
}

// proof is what is known of the leader's key when verdicts that wait are given.
type proof uint8

const (
	noProof proof = iota // not judged
	proven               // the key is right: 9 and 18 stand
	current              // and nothing was missed since: 13 stands too
)

// release gives what is held back, as far as the proof goes. What waited under
// the keys of another start is not judged.
func (j *Judge) release(p proof) {
	starts, left := j.candidates[0].starts, j.held[:0]
	for _, h := range j.held {
		switch {
		case p == proven && h.verdict == can.KeyEpochUnknown && h.starts == starts:
			left = append(left, h)
			continue
		case p == noProof || h.starts < starts:
			h.verdict = can.NotJudged
		}
		j.give(h.at, h.verdict)
	}
	j.held = left
	j.warn(p)
}

// warn gives the events that waited with the verdicts.
func (j *Judge) warn(p proof) {
	left := j.warned[:0]
	for _, w := range j.warned {
		switch {
		case p == noProof || !j.leads(w.by):
		case p == proven && w.verdict == can.KeyEpochUnknown:
			left = append(left, w)
		default:
			j.out.Events = append(j.out.Events, w.e)
		}
	}
	j.warned = left
}

// right notes that something was right under a key, by whom. One heartbeat may be
// so by chance, once in 256; two members, or a signature, prove the key, unless
// somebody guesses: then more of them.
func (j *Judge) right(c *candidate, key uint32, by addresses) {
	j.rightAt, j.names = j.at.time, 0
	if by == everybody {
		j.bits += 16
	}
	if !j.inStep {
		j.inStep = true
		j.event(InStep, 0, j.at.word, j.at.time)
	}
	if key != c.curKey {
		return
	}
	if c.proof |= by; c.proves(c.proof) {
		j.prove(c)
	}
	c.since |= by
	switch {
	case len(j.held)+len(j.warned) == 0 || !j.leads(c):
	case c.proves(c.since):
		j.release(current)
	case c.proven:
		j.release(proven)
	}
}

// prove marks a candidate's key as proven.
func (j *Judge) prove(c *candidate) {
	if c.proven {
		return
	}
	c.proven = true
	if c.tag != [8]byte{} && !c.replayedSession {
		j.out.Proven = append(j.out.Proven, c.tag)
		c.tag = [8]byte{}
	}
}
