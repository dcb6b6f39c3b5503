package cancrypt

import "canseal/can"

// JudgeState is how a judge stands to its group.
type JudgeState struct {
	State   can.State // CryptJoining, CryptInStep or CryptOutOfStep
	Reason  string    // why listed frames are not judged; empty: they are
	Replay  bool      // the start key was seen before
	Members []MemberState
}

// MemberState is what a judge knows of a configured member.
type MemberState struct {
	Address            uint8
	State              string // "unknown", "present", "lost" or "left"
	Heartbeats, Failed uint64 // in its name, right and not, since the judge began
	Last               int64  // stamp of the last right heartbeat, 0: none
}

// State tells how the judge stands to its group now.
func (j *Judge) State() JudgeState {
	lead := &j.candidates[0].group
	s := JudgeState{State: can.CryptOutOfStep, Replay: lead.replayedSession}
	switch {
	case j.o.NoKey:
		s.Reason = "no key"
	case lead.joining && lead.curKey == 0:
		s.State, s.Reason = can.CryptJoining, "the group is starting"
	case j.divided:
		s.Reason = "the group is split until its next start"
	case lead.curKey == 0:
		s.Reason = "no start of the group was heard"
	case !j.inStep:
		s.Reason = "a heartbeat of the group was missed"
	default:
		s.State = can.CryptInStep
	}
	for a := range uint8(16) {
		if j.members.has(a) {
			s.Members = append(s.Members, j.member(lead, a))
		}
	}
	return s
}

func (j *Judge) member(g *group, a uint8) MemberState {
	m := MemberState{Address: a, State: "unknown", Heartbeats: j.beats[a].right, Failed: j.beats[a].wrong, Last: j.beats[a].last}
	switch {
	case g.curKey == 0 || !g.members.has(a):
	case g.left.has(a):
		m.State = "left"
	case g.lost.has(a):
		m.State = "lost"
	default:
		m.State = "present"
	}
	return m
}

// beats counts heartbeats in a member's name under the leader's key.
type beats struct {
	right, wrong uint64
	last         int64
}

// Ciphertext reports whether some data bytes of a frame are encrypted, as the
// table has it; in the FD profile as the frame's record says.
func (j *Judge) Ciphertext(f *can.Frame) bool {
	if f.Flags&(can.Remote|can.Error) != 0 {
		return false
	}
	w := WordOf(f)
	if r := j.o.Table.Find(w); r != nil {
		if f.Is(can.FD) {
			return j.o.FD && j.sealed(f)
		}
		if j.o.FD && r.Scope == 0 {
			return false
		}
		return r.Cipher == AESPair || r.Count > 0 && f.Len > r.First
	}
	if w&^15 != j.o.Control || f.Len != 8 || f.Is(can.FD) || j.o.FD {
		return false
	}
	sender := uint8(w & 15)
	head := readPreamble((*[8]byte)(f.Data[:8]))
	k := j.listing.kind(sender, &head)
	return k == pairHead || k == otherHead
}

func (j *Judge) sealed(f *can.Frame) bool {
	_, r, found, err := ParseFD(f.Payload())
	return found && err == nil && r.Encrypted
}
