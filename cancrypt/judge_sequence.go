package cancrypt

import "canseal/can"

// preamble judges a control frame of 8 bytes: preamble, epilog, first half of
// an AES pair, or nothing of that (P1.10).
func (j *Judge) preamble(c *candidate, sender uint8, b *[8]byte) {
	head := readPreamble(b)
	j.names.add(sender)
	switch j.listing.kind(sender, &head) {
	case plainHead:
		s := &c.sequences[slot(sender, head.Context)]
		if head.Epilog {
			j.progress(c, s, s.epilog(j.at, &head, b), b)
			return
		}
		j.arm(c, s, sender, b, head, false)
	case pairHead:
		j.arm(c, &c.sequences[slot(sender, 0)], sender, b, Preamble{Count: 1}, true)
	case otherHead:
		j.say(c, j.at, can.NotJudged)
	default: // never a frame of this sender
		j.wrongSignature(c, sender, c.curKey)
		j.say(c, j.at, can.SignatureWrong)
	}
}

// arm starts a sequence; the one that was pending ends.
func (j *Judge) arm(c *candidate, s *sequence, sender uint8, b *[8]byte, head Preamble, pair bool) {
	if s.active {
		j.end(c, s, NoMessage, can.PreambleWithoutMessage)
	}
	var with selected
	if head.Context == 0 {
		with = c.choose(head.Epoch, j.at.time, pair)
	}
	s.arm(j.at, sender, b, head, with)
	s.pair = pair
	c.deadline(s.deadline)
}

// choose takes the keys that a sequence may be under: the one its epoch bits
// select, for an AES pair the current and the previous one.
func (g *group) choose(epoch uint8, at int64, pair bool) (s selected) {
	if pair {
		epoch = uint8(g.cur.Number)
	}
	for i := range s.key {
		if e, key, _ := g.keyFor(epoch-uint8(i), at); key != 0 && (i == 0 || pair) {
			s.epoch[i], s.key[i] = *e, key
		}
	}
	return s
}

// data judges a listed frame under one candidate.
func (j *Judge) data(c *candidate, r *Record, f *can.Frame) {
	s := &c.sequences[slot(r.Producer, 0)]
	if r.Scope == 1 {
		s = c.awaiting(r)
	}
	j.progress(c, s, s.data(j.at, r, f), nil)
}

// awaiting finds the pairing sequence that a record's message belongs to; the
// configurator has one for each device.
func (g *group) awaiting(r *Record) *sequence {
	if r.Producer != 0 {
		return &g.sequences[slot(r.Producer, r.Producer)]
	}
	for d := range uint8(maxDevices) {
		s := &g.sequences[slot(0, d+1)]
		if s.active && (s.got > 0 && s.got < s.head.Count || s.head.Word == r.Announced()) {
			return s
		}
	}
	return &g.sequences[slot(0, 1)]
}

// progress goes on with a sequence after a frame was offered to it; end is the
// epilog, if the frame is one.
func (j *Judge) progress(c *candidate, s *sequence, p progress, end *[8]byte) {
	switch p {
	case unawaited:
		j.structure(c, j.at, NoPreamble, j.producer(), can.MessageWithoutPreamble)
	case taken:
		c.deadline(s.deadline)
	case tooEarly:
		j.end(c, s, NoMessage, can.PreambleWithoutMessage)
	case unfit:
		j.end(c, s, 0, can.SignatureWrong)
	case completed:
		j.complete(c, s, end)
	}
}

// producer returns the address that the frame at hand claims.
func (j *Judge) producer() uint8 {
	if r := j.o.Table.Find(j.at.word); r != nil {
		return r.Producer
	}
	return uint8(j.at.word & 15)
}

// structure gives a verdict that needs no key, if no frames were lost near.
func (j *Judge) structure(c *candidate, at ref, counter Counter, sender uint8, v can.Verdict) {
	if at.time <= j.lossUntil {
		j.say(c, at, can.NotJudged)
		return
	}
	j.count(c, counter, sender)
	j.say(c, at, v)
}

// end gives all frames of a sequence their verdict.
func (j *Judge) end(c *candidate, s *sequence, counter Counter, v can.Verdict) {
	s.active = false
	lost := s.cut || s.refs[0].time <= j.lossUntil
	switch {
	case lost && (v == can.SignatureWrong || v == can.KeyEpochUnknown || v == can.PreambleWithoutMessage):
		v = can.NotJudged
	case v == can.SignatureWrong:
		j.wrongSignature(c, s.sender, s.with.key[0])
	case counter != 0:
		j.count(c, counter, s.sender)
	}
	for _, at := range s.refs[:s.frames] {
		j.say(c, at, v)
	}
}

// wrongSignature counts a failure for the sender; more than 8 are guessing.
func (j *Judge) wrongSignature(c *candidate, sender uint8, key uint32) {
	j.count(c, BadSignature, sender)
	t := c.counting(key)
	if t == nil {
		t = &c.counts
	}
	if t.failures[sender] < 1<<15 {
		t.failures[sender]++
	}
	if t.failures[sender] == 9 {
		j.accuse(c, UnderGuessing, sender)
	}
}

// complete judges a sequence whose last frame has come.
func (j *Judge) complete(c *candidate, s *sequence, end *[8]byte) {
	keys := s.with.key
	switch {
	case s.unzeroed:
		j.end(c, s, 0, can.SignatureWrong)
		return
	case s.context != 0 || c.curKey == 0:
		j.end(c, s, 0, can.NotJudged)
		return
	}
	var last [2]int32
	var tallies [2]*tally
	for i, key := range keys {
		if tallies[i] = c.counting(key); tallies[i] != nil {
			last[i] = tallies[i].last[s.sender]
		}
	}
	if tallies[0] == nil {
		j.end(c, s, Desync, can.KeyEpochUnknown)
		return
	}
	found, seq, key := j.suite.check(s, last, end)
	if found == bad {
		j.end(c, s, 0, can.SignatureWrong)
		return
	}
	j.verified(c, s, tallies[key], found, seq, key, end)
}

// verified takes a sequence whose signature is right under its key of number
// which.
func (j *Judge) verified(c *candidate, s *sequence, t *tally, found result, seq uint16, which int, end *[8]byte) {
	key := s.with.key[which]
	weak := !s.pair && s.messages[0].Record.Signature == CRCXor
	proof := everybody
	if weak || t.failures[s.sender] > 8 {
		proof = 0
	}
	j.right(c, key, proof)
	if found == replayed {
		j.end(c, s, ReplayedSeq, can.Replayed)
		return
	}
	t.last[s.sender] = int32(seq)
	if j.o.Plaintext && j.leads(c) {
		j.decrypted(s, seq, which, end)
	}
	j.end(c, s, 0, j.fresh(c, t, s.sender, weak))
}

// decrypted gives the plain text of a right sequence.
func (j *Judge) decrypted(s *sequence, seq uint16, which int, end *[8]byte) {
	messages := s.messages
	e, at := &s.with.epoch[which], Place{s.context, s.sender, seq}
	if s.pair {
		messages[0], _ = j.suite.OpenPair(e, at, &messages[0].Record, s.preamble, messages[0].Data)
	} else {
		j.suite.Open(e, at, &s.preamble, messages[:s.got], end)
	}
	for i := range messages[:s.got] {
		if m := &messages[i]; m.Record.Announced() != m.Record.Word {
			p := Plain{N: s.refs[1+i].n, Word: m.Record.Word, Sender: s.sender, Len: m.Len}
			copy(p.Data[:], m.Data[:m.Len])
			j.out.Plain = append(j.out.Plain, p)
		}
	}
}
