package cancrypt

import "canseal/can"

// frameFD judges a frame on a control ID or a listed identifier where the group
// speaks CANcrypt FD (P1.15). Pairings are as on classical CAN.
func (j *Judge) frameFD(record *Record, f *can.Frame) {
	sender := uint8(j.at.word & 15)
	switch fd := f.Is(can.FD); {
	case record != nil && record.Scope == 1 && !fd:
		j.each(func(c *candidate) { j.data(c, record, f) })
	case record != nil && record.Scope == 0 && fd:
		j.each(func(c *candidate) { j.secured(c, record, f) })
	case record != nil:
		j.each(func(c *candidate) { j.structure(c, j.at, NoPreamble, record.Producer, can.MessageWithoutPreamble) })
	case fd && f.Len == fdHeartbeatLen:
		j.names.add(sender)
		j.each(func(c *candidate) { j.heartbeat(c, sender, f.Data[:fdHeartbeatLen]) })
	case fd:
		j.verdict = can.NotListed
	case f.Len == 5: // always wrong here
		j.names.add(sender)
		j.each(func(c *candidate) { j.heartbeat(c, sender, f.Data[:0]) })
	case f.Len == 8:
		j.each(func(c *candidate) { j.preamble(c, sender, (*[8]byte)(f.Data[:8])) })
	default:
		j.control(sender, f)
	}
}

// secured judges an FD frame on a listed identifier under one candidate.
func (j *Judge) secured(c *candidate, r *Record, f *can.Frame) {
	payload := f.Data
	data, rec, found, err := ParseFD(payload[:f.Len])
	switch {
	case !found:
		j.structure(c, j.at, NoPreamble, r.Producer, can.MessageWithoutPreamble)
		return
	case err != nil || r.Producer != 0 && r.Producer != rec.Sender:
		j.wrongSignature(c, rec.Sender, c.curKey)
		j.say(c, j.at, can.SignatureWrong)
		return
	case c.curKey == 0:
		j.say(c, j.at, can.NotJudged)
		return
	}
	j.names.add(rec.Sender)
	e, key, _ := c.keyFor(rec.Epoch, j.at.time)
	t := c.counting(key)
	if t == nil {
		j.count(c, Desync, rec.Sender)
		j.say(c, j.at, can.KeyEpochUnknown)
		return
	}
	if !j.suite.OpenFD(e, j.at.word, j.o.Methods.Signature(), data, &rec) {
		j.wrongSignature(c, rec.Sender, key)
		j.say(c, j.at, can.SignatureWrong)
		return
	}
	j.openedFD(c, t, key, &rec, data)
}

// openedFD takes an FD frame whose signature is right.
func (j *Judge) openedFD(c *candidate, t *tally, key uint32, rec *FDRecord, data []byte) {
	j.right(c, key, everybody)
	if int32(rec.Seq) <= t.last[rec.Sender] {
		j.count(c, ReplayedSeq, rec.Sender)
		j.say(c, j.at, can.Replayed)
		return
	}
	t.last[rec.Sender] = int32(rec.Seq)
	if j.o.Plaintext && rec.Encrypted && j.leads(c) {
		p := Plain{N: j.at.n, Word: j.at.word, Sender: rec.Sender, Len: uint8(len(data))}
		copy(p.Data[:], data)
		j.out.Plain = append(j.out.Plain, p)
	}
	j.say(c, j.at, j.fresh(c, t, rec.Sender, false))
}

// fresh is the verdict of something right and new.
func (j *Judge) fresh(c *candidate, t *tally, sender uint8, weak bool) can.Verdict {
	switch {
	case c.replayedSession:
		return can.ReplayedSession
	case sender <= maxDevices && !c.expected().has(sender), sender > maxDevices && !j.passive[sender]:
		return can.SenderLostOrLeft
	case weak:
		return can.ChecksumOK
	case t.failures[sender] > 8:
		return can.AuthenticUnderGuessing
	}
	return can.Authentic
}
