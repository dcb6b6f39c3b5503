package simulate

import (
	"maps"
	"slices"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// Kind names what a frame is part of: Honest or an attack.
type Kind string

// Attacks. The first ones come from a node without keys, anywhere on the bus;
// those on the way need a place between a device and the bus.
const (
	Inject    Kind = "inject"    // a listed frame of somebody else, without a preamble
	Guess     Kind = "guess"     // preamble and frame with a guessed signature
	Announce  Kind = "announce"  // a forged preamble, and no message
	Replay    Kind = "replay"    // a recorded sequence once more
	Beat      Kind = "heartbeat" // a forged heartbeat
	Regroup   Kind = "group"     // a forged GROUP
	AbortAll  Kind = "abort"     // a forged ABORT to the group
	FalseCall Kind = "alert"     // a forged ALERT
	Flood     Kind = "flood"     // frames of the highest priority

	Tamper Kind = "tamper" // on the way: a bit of the data is turned
	Drop   Kind = "drop"   // on the way: preamble or message is held back for ever
	Delay  Kind = "delay"  // on the way: a message is held back
)

// KindInfo is what is known about a kind of attack.
type KindInfo struct {
	Rate  float64       // usual attacks a second
	OnWay bool          // needs a place between a device and the bus
	Own   []can.Verdict // what a judge in step says of its frames
	Text  string        // for people
}

// Kinds are the attacks.
var Kinds = map[Kind]KindInfo{
	Inject:    {5, false, []can.Verdict{can.MessageWithoutPreamble}, "a listed message without a preamble"},
	Guess:     {5, false, []can.Verdict{can.SignatureWrong}, "preamble and message with a guessed signature"},
	Announce:  {5, false, []can.Verdict{can.PreambleWithoutMessage}, "a forged preamble without a message"},
	Replay:    {5, false, []can.Verdict{can.Replayed}, "a recorded sequence once more"},
	Beat:      {1, false, []can.Verdict{can.HeartbeatWrong}, "a forged heartbeat"},
	Regroup:   {0.1, false, []can.Verdict{can.NotListed}, "a forged GROUP frame"},
	AbortAll:  {1, false, []can.Verdict{can.NotListed}, "a forged ABORT"},
	FalseCall: {1, false, []can.Verdict{can.NotListed}, "a forged ALERT"},
	Flood:     {1000, false, []can.Verdict{can.NotListed}, "frames of the highest priority"},
	Tamper:    {2, true, []can.Verdict{can.SignatureWrong}, "a bit of a message turned on its way"},
	Drop:      {2, true, []can.Verdict{can.PreambleWithoutMessage, can.MessageWithoutPreamble}, "preamble or message taken off on its way"},
	Delay:     {2, true, []can.Verdict{can.PreambleWithoutMessage, can.MessageWithoutPreamble}, "a message held back on its way"},
}

// KindNames lists the attacks.
func KindNames() (names []string) {
	for _, k := range slices.Sorted(maps.Keys(Kinds)) {
		names = append(names, string(k))
	}
	return names
}

// usualDelay is beyond the 10 ms that a message may come behind its preamble.
const usualDelay = 15 * time.Millisecond

// Attack is one attack, repeated.
type Attack struct {
	Kind   Kind
	Rate   float64       // a second
	Target cancrypt.Word // listed identifier; 0: each in turn
	Device uint8         // address in whose name; 0: each in turn
	From   time.Duration // after the start
	For    time.Duration // 0: to the end
	Delay  time.Duration // of Delay
}

// clock says when an attack is due.
type attackClock struct {
	a     Attack
	start int64
	due   int64
}

func newAttackClock(a Attack, start int64) attackClock {
	return attackClock{a, start, start + int64(a.From)}
}

// next returns never behind the attack's end.
func (c *attackClock) next() int64 {
	if c.a.For > 0 && c.due > c.start+int64(c.a.From+c.a.For) {
		return never
	}
	return c.due
}

// advance moves to the next attack, half to one and a half periods away. What
// could not be done in time is not made up for.
func (c *attackClock) advance(now int64, random float64) {
	c.due = max(c.due, now-int64(20*time.Millisecond)) + int64((0.5+random)*1e9/c.a.Rate)
}

// targets are the records that an attack may use in turn: those of the group,
// with pads.
func (a *Attack) targets(s *scene) (list []*cancrypt.Record) {
	records := s.table.Records()
	for i := range records {
		r := &records[i]
		wanted := a.Target == 0 || a.Target == r.Word
		if wanted && r.Scope == 0 && (a.Device == 0 || a.Device == r.Producer) {
			list = append(list, r)
		}
	}
	return list
}
