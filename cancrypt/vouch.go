package cancrypt

import "canseal/can"

// voucher is what a sender's heartbeats say about its heartbeat-only frames
// (5.6). The span of a cycle runs from the close before it to its own close.
type voucher struct {
	from, to       int64 // stamps of the pending frames, to 0: none
	vouched, until int64 // of those that the cycle before vouched for, until 0: none
	heartbeat      int64 // last right heartbeat, or Dyn0
	first          int64 // first heartbeat in the span
	heard          uint8 // heartbeats in the span, wrong ones included, at most 2
	good           bool  // the first was right and says "authenticated"
	wrong          bool  // the last one was
	cut            bool  // frames were lost in the span: a heartbeat may be missing
	streak         uint8 // faultless cycles in a row
	established    bool
}

// heartbeat notes one in the sender's name.
func (v *voucher) hear(at int64, right bool, s Status) {
	if right {
		v.heartbeat = at
	}
	v.wrong = !right
	if v.heard == 0 {
		v.first, v.good = at, right && s&Authenticated != 0
	}
	v.heard = min(v.heard+1, 2)
}

// silent is the verdict of frames that no heartbeat vouched for: where one may
// have been lost, or came and was wrong under a key that nothing has proven, the
// fault may be the judge's.
func (v *voucher) silent(proven bool) can.Verdict {
	if v.cut || v.wrong && !proven {
		return can.NotJudged
	}
	return can.Unvouched
}

// faultless ends the span and reports whether it vouches.
func (v *voucher) faultless() bool {
	ok := v.heard == 1 && v.good
	v.heard, v.cut = 0, false
	if !ok {
		v.streak = 0
		return false
	}
	if v.streak = min(v.streak+1, 3); v.streak == 3 {
		v.established = true
	}
	return true
}

// unsecured judges a frame of a heartbeat-only identifier under one candidate.
func (j *Judge) unsecured(c *candidate, sender uint8) {
	v, t := &c.vouchers[sender], j.at.time
	switch {
	case c.curKey == 0 || !j.inStep:
		j.say(c, j.at, can.NotJudged)
	case t > v.heartbeat+c.patience:
		j.say(c, j.at, v.silent(c.proven))
	default:
		if v.to == 0 {
			v.from = t
			c.deadline(v.heartbeat + c.patience)
		}
		v.to = t
	}
}

// interval gives a verdict on the pending frames of a sender up to a time.
func (j *Judge) interval(c *candidate, sender uint8, from, to int64, v can.Verdict) {
	j.say(c, ref{time: to, from: from, sender: sender, n: j.n}, v)
}

// unvouch ends what is pending of a sender.
func (j *Judge) unvouch(c *candidate, sender uint8, verdict can.Verdict) {
	v := &c.vouchers[sender]
	if v.to != 0 {
		j.interval(c, sender, v.from, v.to, verdict)
	}
	v.to, v.until = 0, 0
}

// vouch judges a sender's pending frames at the close of a cycle, whose key was
// proven or not.
func (j *Judge) vouch(c *candidate, sender uint8, proven bool) {
	v := &c.vouchers[sender]
	silent := v.silent(proven)
	if !v.faultless() {
		j.unvouch(c, sender, silent)
		return
	}
	if !v.established {
		return
	}
	if v.until != 0 && !c.replayedSession {
		j.interval(c, sender, v.vouched, v.until, can.VouchedTwice)
	}
	v.until = 0
	if v.to == 0 || v.from > v.first {
		return
	}
	v.vouched, v.until = v.from, min(v.to, v.first)
	j.interval(c, sender, v.vouched, v.until, c.mark(can.Vouched))
	if v.from = v.first + 1; v.to <= v.first {
		v.to = 0
	}
}
