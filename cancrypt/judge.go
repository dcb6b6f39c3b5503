package cancrypt

import (
	"fmt"

	"canseal/can"
)

// EventKind numbers security events (5.4). 1-8 are the error counters.
type EventKind uint8

const (
	GroupIgnored    EventKind = 9 + iota // GROUP frame not followed
	SessionReplayed                      // a start key seen before
	MemberLost
	MemberBack
	MemberLeft
	MemberUnauthentic // heard in two cycles in a row, none of it right
	GroupSplit
	OutOfStep
	InStep

	AlertHeard EventKind = 11 + iota
	Join
	GroupKey
	UnderGuessing
	StrangeAddress  // heartbeat or GROUP of an address outside the member list
	InjectedLocally // with Injection: another program of this machine sent it
)

// SecurityEvent is something that an operator may want to know. The judge
// reports each; who shows them limits their rate.
type SecurityEvent struct {
	Time   int64 // of the frame that caused it, or of the deadline
	Kind   EventKind
	Sender uint8
	Word   Word // identity of the frame, 0 for a deadline
}

// Late is a verdict of a frame that was pending, named by its number, stamp and
// identity, or of all heartbeat-only frames of a sender in an interval.
type Late struct {
	N       uint64 // of the call of Frame that brought the frame, from 1; 0: an interval
	Time    int64
	From    int64 // of an interval, to Time
	Word    Word
	Sender  uint8
	Verdict can.Verdict
}

// Plain is what a right message says when it is decrypted.
type Plain struct {
	N      uint64 // as Late.N
	Word   Word
	Sender uint8
	Len    uint8
	Data   [can.MaxData]byte
}

// Out is what the judge says besides the verdict of the frame at hand. The
// slices are borrowed: Reset and use it again.
type Out struct {
	Late   []Late
	Events []SecurityEvent
	Proven [][8]byte // tags of start keys to remember for ever, see JudgeOptions.Seen
	Plain  []Plain   // only with JudgeOptions.Plaintext
}

// Reset empties it and keeps its memory.
func (o *Out) Reset() {
	o.Late, o.Events, o.Proven, o.Plain = o.Late[:0], o.Events[:0], o.Proven[:0], o.Plain[:0]
}

// JudgeOptions are a judge's configuration. Nothing of it is ever taken from
// the bus.
type JudgeOptions struct {
	Table   *Table
	Members []uint8 // addresses, 1-15
	KeyID   uint8
	Key     Key     // permanent group key
	Methods Methods // with additional inputs: "heartbeats"
	Control Word    // control ID of address 0, low nibble free; 170h is usual
	Event   int64   // event time in ns, a multiple of 100 ms

	// NoKey says that the key is not there: no start is followed, and what needs
	// a key is not judged.
	NoKey bool
	// Address is that of this machine's own member, 0 for an observer. Its control
	// ID, and what the table and HeartbeatOnly say that it sends, may come from this
	// program alone (can.Tx): any other frame that bears them is injected.
	Address uint8
	// Repair keeps what Judge.Repair needs: up to 4 MB.
	Repair bool
	// Plaintext asks for Out.Plain.
	Plaintext bool
	// FD says that the group speaks CANcrypt FD (P1.15).
	FD bool

	// HeartbeatOnly are identities that are not in the table, and who sends them.
	HeartbeatOnly map[Word]uint8

	// Seen reports whether a start key's tag was remembered by an earlier
	// session; nil: nothing is known.
	Seen func(tag [8]byte) bool
}

const (
	maxCandidates = 16
	maxPending    = 1 << 16 // verdicts that wait for a proof; more stay pending
	maxSaid       = 1 << 17 // verdicts on which candidates may differ, shared by these; more stay pending
)

// Judge follows one group on one bus without sending and gives each frame its
// verdict (5.1-5.5). It is not safe for concurrent use.
type Judge struct {
	o       JudgeOptions
	suite   *Suite
	members addresses
	passive [256]bool // members that only listen and send, FD
	listing listing

	candidates []*candidate // the first leads
	n          uint64
	now        int64
	begun      bool
	lossUntil  int64

	opened  int64 // when the last window opened
	started bool  // a window was opened ever
	inStep  bool
	rightAt int64
	names   addresses // in whose names frames came since
	held    []saying  // 13, 9 and 18 that wait until a key is right
	warned  []warning // events that wait with them
	trail   *trail    // nil: no repair
	bits    int       // of what was right: 8 for a heartbeat, 16 for a signature
	divided bool      // a split: no key until the next start
	beats   [16]beats // by address
	at      ref       // the frame at hand
	verdict can.Verdict
	out     *Out
}

// saying is a verdict on a frame that waits for a proof.
type saying struct {
	at      ref
	verdict can.Verdict
	starts  uint32 // of the leader: its key had this start
}

// candidate is a group state with what it said while others differed.
type candidate struct {
	group
	said map[ref]can.Verdict
}

// NewJudge checks the configuration.
func NewJudge(o JudgeOptions) (*Judge, error) {
	suite, err := NewSuite(o.Methods)
	if err != nil {
		return nil, err
	}
	if o.Table == nil || o.Control&15 != 0 || !o.Control.Valid() || o.Event <= 0 || o.Event%(100*millisecond) != 0 || o.Event > 255*100*millisecond {
		return nil, wrong("judge", "a table, a control ID with a free nibble and an event time of 0.1-25.5 s", fmt.Sprint(uint32(o.Control), o.Event))
	}
	j := &Judge{o: o, suite: suite, inStep: true, candidates: []*candidate{{group: group{next: never, patience: o.Event * 3 / 2}}}}
	if o.FD && o.Methods.Signature() == CRCXor {
		return nil, wrong("judge", "signature 1 or 2 with CANcrypt FD", o.Methods.Signature())
	}
	if o.Repair {
		j.trail = &trail{}
	}
	for _, a := range o.Members {
		if a < 1 || a > maxDevices && !o.FD || a == 255 {
			return nil, wrong("judge", "members 1-15, with CANcrypt FD 1-254", a)
		}
		j.passive[a] = a > maxDevices
		j.members.add(a) // of those up to 15
	}
	for w, a := range o.HeartbeatOnly {
		if o.Table.Find(w) != nil || w&^15 == o.Control || !w.Valid() || !j.members.has(a&15) || a > maxDevices {
			return nil, wrong("judge", "heartbeat-only identifiers of members that are not listed", w)
		}
	}
	j.listing = newListing(o.Table, o.Control, o.FD)
	return j, nil
}

// Frame judges a captured frame; frames come in the order of their stamps, with
// Time on a clock that is never set. can.Pending means that Out names the frame
// later, or never.
func (j *Judge) Frame(e *can.Event, out *Out) can.Verdict {
	j.out = out
	j.n++
	j.advance(e.Time)
	if e.Frame.Is(can.Error) {
		return can.NotChecked
	}
	if w := WordOf(&e.Frame); e.Dir != can.Tx && j.owns(w) {
		j.injected(e, w)
		return can.Injected
	}
	return j.frame(e)
}

// owns reports whether an identity is one that this machine's member sends.
func (j *Judge) owns(w Word) bool {
	own := j.o.Address
	if own == 0 {
		return false
	}
	if r := j.o.Table.Find(w); r != nil {
		return r.Producer == own
	}
	return w == j.o.Control+Word(own) && own <= maxDevices || j.o.HeartbeatOnly[w] == own
}

// injected judges a frame that bears an own identifier and is not ours. The
// group takes it as it takes any frame, so the state follows it too.
func (j *Judge) injected(e *can.Event, w Word) {
	j.frame(e)
	j.event(EventKind(Injection), j.o.Address, w, e.Time)
	if e.Dir == can.OtherTx {
		j.event(InjectedLocally, j.o.Address, w, e.Time)
	}
	for _, c := range j.candidates {
		if j.o.Address <= maxDevices {
			c.vouchers[j.o.Address].heard = 2
		}
	}
}

// frame judges a frame that is no error message.
func (j *Judge) frame(e *can.Event) can.Verdict {
	f := &e.Frame
	w := WordOf(f)
	control := w&^15 == j.o.Control
	record := j.o.Table.Find(w)
	producer, only := j.o.HeartbeatOnly[w]
	if f.Is(can.Remote) || !control && record == nil && !only {
		return can.NotListed
	}
	j.at, j.verdict = ref{time: e.Time, n: j.n, word: w}, can.Pending
	j.trail.note(e, j.n)
	switch {
	case j.o.FD && !only:
		j.frameFD(record, f)
	case f.Is(can.FD) && record != nil:
		j.each(func(c *candidate) { j.structure(c, j.at, NoPreamble, record.Producer, can.MessageWithoutPreamble) })
	case f.Is(can.FD):
		return can.NotListed
	case only:
		j.each(func(c *candidate) { j.unsecured(c, producer) })
	case !control:
		j.each(func(c *candidate) { j.data(c, record, f) })
	case f.Len == 5:
		j.names.add(uint8(w & 15))
		j.each(func(c *candidate) { j.heartbeat(c, uint8(w&15), f.Data[:5]) })
	case f.Len == 8:
		j.each(func(c *candidate) { j.preamble(c, uint8(w&15), (*[8]byte)(f.Data[:8])) })
	default:
		j.control(uint8(w&15), f)
	}
	j.decide()
	return j.verdict
}

// Lost tells that frames of the bus are missing from e.From (0: nobody knows)
// to e.Time: what is cut by it is not judged, and nobody is blamed for a
// heartbeat that may be among them.
func (j *Judge) Lost(e *can.Event, out *Out) {
	j.out = out
	if e.From == 0 || e.From > e.Time {
		j.advance(e.Time)
	} else {
		j.advance(e.From)
	}
	j.lossUntil = max(j.lossUntil, e.Time+sequenceTime)
	for _, c := range j.candidates {
		for i := range c.sequences {
			c.sequences[i].cut = c.sequences[i].active
		}
		for a := range c.vouchers {
			c.vouchers[a].cut = true
		}
	}
}

// Tick lets time pass on a quiet bus: deadlines before now are processed.
func (j *Judge) Tick(now int64, out *Out) {
	j.out = out
	j.advance(now)
}

// advance processes the deadlines that end before a frame that ends at t.
func (j *Judge) advance(t int64) {
	if !j.begun {
		j.begun, j.lossUntil = true, t+sequenceTime
	}
	j.now = max(j.now, t)
	j.at = ref{time: t} // what is settled now is late, also of the frame before
	for {
		at := int64(never)
		for _, c := range j.candidates {
			at = min(at, c.next)
		}
		if at >= t {
			break
		}
		j.expire(at)
		j.decide()
	}
	if j.inStep && j.names.count() >= 2 && j.keyed() && t > j.rightAt+2*j.o.Event {
		j.inStep = false
		j.event(OutOfStep, 0, 0, t)
		j.release(noProof)
	}
}

func (j *Judge) keyed() bool { return j.candidates[0].curKey != 0 }

func (j *Judge) expire(at int64) {
	j.at, j.verdict = ref{time: at}, can.Pending
	var list [maxCandidates]*candidate
	for _, c := range list[:copy(list[:], j.candidates)] {
		if c.next > at {
			continue
		}
		if c.earliest() > at { // an old bound
			continue
		}
		for i := range c.sequences {
			if s := &c.sequences[i]; s.active && s.deadline == at {
				j.end(c, s, NoMessage, can.PreambleWithoutMessage)
			}
		}
		for a := range c.vouchers {
			if v := &c.vouchers[a]; v.to != 0 && v.heartbeat+c.patience == at {
				j.unvouch(c, uint8(a), v.silent(c.proven))
			}
		}
		if c.cycle.open && c.cycle.start+cycleTime == at {
			j.close(c, at)
		}
		if c.joining && c.windowEnd == at {
			j.begin(c, at)
		}
		c.earliest()
	}
}

// each lets every candidate judge the frame at hand. Candidates made meanwhile
// have judged it already.
func (j *Judge) each(judge func(c *candidate)) {
	if len(j.candidates) == 1 {
		judge(j.candidates[0])
		return
	}
	var list [maxCandidates]*candidate
	for _, c := range list[:copy(list[:], j.candidates)] {
		judge(c)
	}
}

// control handles a control message: GROUP, ALERT, or the message of a secured
// sequence in a pairing.
func (j *Judge) control(sender uint8, f *can.Frame) {
	j.verdict = can.NotListed
	if f.Len > 0 {
		own := Record{Word: j.at.word, Producer: sender, Scope: 1}
		for _, c := range j.candidates {
			s := &c.sequences[slot(sender, f.Data[0]&15)]
			if s.active && s.context != 0 && s.got == 0 && s.head.Word == own.Word {
				j.verdict = can.Pending
				j.progress(c, s, s.data(j.at, &own, f), nil)
			}
		}
	}
	if j.verdict == can.Pending {
		return
	}
	switch context, m, err := ParseControl(f.Payload()); m := m.(type) {
	case Alert:
		j.event(AlertHeard, sender, j.at.word, j.at.time)
	case Group:
		if err == nil && context == 0 {
			j.group(sender, m)
		}
	}
}
