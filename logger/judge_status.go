package logger

import (
	"fmt"
	"strconv"
	"time"

	"canseal/can"
	"canseal/mdf"
)

// CryptStatus is one entry of the section cancrypt: how a bus is judged.
type CryptStatus struct {
	Bus          uint8             `json:"bus"`
	Role         string            `json:"role"`
	State        string            `json:"state"`
	Reason       string            `json:"reason,omitempty"` // why listed frames are not judged
	Since        string            `json:"since"`            // of State, RFC 3339
	FirstVerdict *float64          `json:"first_verdict_s,omitempty"`
	Key          int               `json:"key"`       // slot
	TableCRC     string            `json:"table_crc"` // 4 hex digits
	Members      []MemberStatus    `json:"members"`
	Verdicts     map[string]uint64 `json:"verdicts"` // by code
	Events       map[string]uint64 `json:"events"`   // by text of the kind
}

// MemberStatus is what is known of a member.
type MemberStatus struct {
	Address    uint8  `json:"address"`
	State      string `json:"state"` // unknown, present, lost, left
	Heartbeats uint64 `json:"heartbeats"`
	Failures   uint64 `json:"failures"`
	Last       string `json:"last,omitempty"` // right heartbeat, RFC 3339
}

// cryptStatus is made anew each second; what it returns is never changed.
func (r *recorder) cryptStatus() (all []CryptStatus) {
	r.judges.each(func(j *judge) { all = append(all, j.status(r)) })
	return all
}

func (j *judge) status(r *recorder) CryptStatus {
	c := j.describe()
	s := CryptStatus{
		Bus: j.bus, Role: c.Role, State: j.state.State.String(), Reason: j.state.Reason, Since: rfc3339(j.since), Key: c.Key,
		TableCRC: fmt.Sprintf("%04X", c.TableCRC), Members: []MemberStatus{}, Verdicts: map[string]uint64{}, Events: map[string]uint64{},
	}
	if j.o.Options.NoKey && j.o.Reason != "" {
		s.Reason = j.o.Reason
	}
	if j.judged != 0 {
		first := float64((j.judged-j.first)/int64(time.Millisecond)) / 1000
		s.FirstVerdict = &first
	}
	for _, m := range j.state.Members {
		member := MemberStatus{Address: m.Address, State: m.State, Heartbeats: m.Heartbeats, Failures: m.Failed}
		if m.Last != 0 {
			member.Last = rfc3339(r.time.recorded(m.Last))
		}
		s.Members = append(s.Members, member)
	}
	for code, n := range j.verdicts {
		if n > 0 && can.Verdict(code) != can.NotChecked {
			s.Verdicts[strconv.Itoa(code)] = n
		}
	}
	for kind, n := range j.events {
		if n > 0 {
			s.Events[mdf.SecurityKind(kind).String()] = n
		}
	}
	return s
}

func rfc3339(ns int64) string {
	if ns == 0 {
		return ""
	}
	return moment(ns).Format(time.RFC3339)
}
