package mdf

import "strconv"

// ClockSource tells who set the clock.
type ClockSource uint8

const (
	SourceUnknown ClockSource = iota
	SourceHardware
	SourceKernel // kernel synchronised
	SourceCAN
	SourceHand
	SourceRestored // saved time: plausible, counts as unsynchronised
)

// ClockSources lists the texts of the codes in order.
var ClockSources = []string{"unknown", "hardware clock", "kernel synchronised", "CAN message", "set by hand", "restored"}

func (s ClockSource) String() string { return text(ClockSources, uint8(s)) }

// Scope tells which frames a VerdictChange is about.
type Scope uint8

const (
	ScopeSender     Scope = iota // identifiers that Sender records give to the sender
	ScopeIdentifier              // frames with ID
)

// Scopes lists the texts of the codes in order.
var Scopes = []string{"sender", "identifier"}

func (s Scope) String() string { return text(Scopes, uint8(s)) }

// SecurityKind is a kind of security event: of CANcrypt, and from 27 on of links
// to remote probes.
type SecurityKind uint8

const (
	LonePreamble SecurityKind = 1 + iota
	LoneMessage
	SignatureFailure
	ReplayedCounter
	KeyOutOfStep
	HeartbeatFailure
	OwnIdentifier
	BitCycleAnomaly
	GroupNotFollowed
	ReplayedSession
	MemberLost
	MemberBack
	MemberLeft
	HeardUnauthentic
	GroupSplit
	OutOfStep
	InStep
	Collision
	CollisionSuspected
	AlertHeard
	Join
	GroupKey
	UnderGuessing
	UnknownParticipant
	InjectedLocally
	KeySlotChanged
	ProbeLate  // frames of a remote probe that may be older than its limit
	ProbeStale // a remote probe that answers nothing
)

// SecurityKinds lists the texts of the codes in order; there is no code 0.
var SecurityKinds = []string{
	1: "preamble without message", 2: "message without preamble", 3: "signature failure", 4: "replayed counter",
	5: "key out of step", 6: "heartbeat failure", 7: "own identifier received", 8: "bit-cycle anomaly",
	9: "GROUP not followed", 10: "replayed session", 11: "member lost", 12: "member back", 13: "member left",
	14: "heard but not authentic", 15: "group split", 16: "out of step", 17: "in step", 18: "collision",
	19: "collision suspected", 20: "ALERT heard", 21: "JOIN", 22: "group key", 23: "under guessing",
	24: "unknown participant", 25: "injected by another program of this machine", 26: "key slot changed",
	27: "frames of a probe late", 28: "probe stale",
}

func (k SecurityKind) String() string { return text(SecurityKinds, uint8(k)) }

// ErrorTypes lists the texts of the error types of CAN_ErrorFrame in order.
var ErrorTypes = []string{"other", "bit", "form", "stuffing", "CRC", "acknowledge"}

// StateKinds lists the texts of can.State.Kind in order; there is no code 0.
var StateKinds = []string{1: "link", 2: "controller", 3: "recording", 4: "settings", 5: "card", 6: "CANcrypt", 7: "mark"}

func text(texts []string, code uint8) string {
	if int(code) < len(texts) && texts[code] != "" {
		return texts[code]
	}
	return "reserved " + strconv.Itoa(int(code))
}
