package cancrypt

import (
	"errors"
	"fmt"

	"canseal/can"
)

// MemberOptions are the configuration of an active member. Nothing of it is
// ever taken from the bus.
type MemberOptions struct {
	Table   *Table
	Members []uint8 // addresses of the group, 1-15, with FD 1-254, its own one included
	Address uint8
	KeyID   uint8
	Key     Key     // permanent group key
	Methods Methods // with additional inputs: "heartbeats"
	Control Word    // control ID of address 0, low nibble free; 170h is usual
	Event   int64   // event time in ns, a multiple of 100 ms
	Inhibit int64   // inhibit time in ns, less than Event

	// HeartbeatOnly are identities that are not in the table, and who sends
	// them; Deliver says when they are delivered, by default AfterOne.
	HeartbeatOnly map[Word]uint8
	Deliver       map[Word]Policy

	AllowMethod0 bool // else a table with signature method 0 is refused
	CleanCycles  int  // event times without manipulation after which a silent member joins again; 0: 3, negative: only the operator ends it
	SilentOnHint bool // a suspected collision silences as a certain one does

	// GroupOnce lets the member send one GROUP frame in its life and no other:
	// as soon as listed frames came for 2 s of which none could be judged. It
	// follows starts of others. With Visit it only listens before that start, and
	// leaves in the first cycle after it: the node of a box that merely judges.
	// Spent says that the one frame was sent already, before this program started.
	GroupOnce bool
	Visit     bool
	Spent     bool

	// FD says that the group speaks CANcrypt FD (P1.15). Messages are then FD
	// frames of 0-56 bytes, of any length; BRS is how they and heartbeats are sent.
	// A member above address 15 is passive: it sends no heartbeat and starts no
	// group.
	FD  bool
	BRS bool

	// Paired reports that the device of this member is in a pairing, which its
	// heartbeats then say; nil: never.
	Paired func() bool

	// Random fills b with random bytes that nobody can predict, as crypto/rand
	// does.
	Random func(b []byte)
}

// Policy says when a heartbeat-only message is delivered (P1.8).
type Policy uint8

const (
	AfterOne  Policy = iota // once a heartbeat of its sender vouches for it
	AfterTwo                // once the cycle after that one vouches too
	Untrusted               // at once, as can.Pending
)

// Outgoing is a frame to be sent at once, in the order given.
type Outgoing struct {
	Frame can.Frame
	Until int64 // worthless when it is not handed to the controller by then; 0: never
}

// Delivery is a message for the application, in plain text and with its true
// length. Only what this package calls authentic is delivered: see Member.
type Delivery struct {
	Time    int64 // of its frame
	Sender  uint8
	Verdict can.Verdict // Authentic, ChecksumOK, Vouched, VouchedTwice, or Pending by Untrusted
	Frame   can.Frame
}

// MemberOut is what a member does. The slices are borrowed: Reset and use it
// again.
type MemberOut struct {
	Frames    []Outgoing
	Delivered []Delivery
	Events    []SecurityEvent
}

// Reset empties it and keeps its memory.
func (o *MemberOut) Reset() {
	o.Frames, o.Delivered, o.Events = o.Frames[:0], o.Delivered[:0], o.Events[:0]
}

var (
	// ErrNotGrouped refuses a secured message outside of GROUPED and SILENT.
	ErrNotGrouped = errors.New("not grouped")
	// ErrExhausted refuses a secured message when all sequence numbers of an
	// epoch are used: the next cycle brings new ones.
	ErrExhausted = errors.New("no sequence number left in this epoch")
	// ErrNotOwn refuses a message that the member does not produce.
	ErrNotOwn = errors.New("not a message of this member")
)

// Member takes part in a group on one classical bus: it sends heartbeats and
// secured messages, verifies those of others, and delivers what is authentic
// (5.5-5.9). It is pure: what it sends and finds is in MemberOut. It is not safe
// for concurrent use.
type Member struct {
	o          MemberOptions
	suite      *Suite
	configured addresses
	passive    [256]bool // configured members above 15
	listing    listing
	own        map[Word]bool // what only this member sends
	group
	state, origin State
	running       bool
	now           int64
	late          int64 // when what is at hand is really done: the time that a call brought
	at            int64 // time of what is at hand
	word          Word  // its identity, 0 for a deadline
	out           *MemberOut
	timers        [timerCount]int64

	sent    int64 // own last heartbeat was handed over
	closed  int64 // last cycle closed, or Dyn0
	seq     int32 // of the next own sequence
	leaving bool

	wanted     trigger // why a start is asked for, 0: none is
	startAfter int64   // own GROUP frames not before
	limit      int64   // GROUP frames of others are ignored before
	asked      int64   // own last GROUP frame was handed over
	once       bool    // the one start of GroupOnce is done
	unjudged   int64   // since when listed frames came and none was right, 0: none came
	refused    int64   // last ABORT 6

	counters [counters]uint16
	alarms   addresses // counters whose ALERT is due
	alerted  int64
	airborne underway
	messages [MaxMessages]Message
	parts    [maxDevices]Heard
	queues   [16][]queued // heartbeat-only messages that wait, by sender
	random   [8]byte
	buffer   [can.MaxData]byte
}

// NewMember checks the configuration. The member is OFF.
func NewMember(o MemberOptions) (*Member, error) {
	suite, err := NewSuite(o.Methods)
	if err != nil {
		return nil, err
	}
	m := &Member{o: o, suite: suite, own: map[Word]bool{}, once: o.GroupOnce && o.Spent}
	if err := m.check(); err != nil {
		return nil, err
	}
	m.listing = newListing(o.Table, o.Control, o.FD)
	if m.active() {
		m.own[o.Control+Word(o.Address)] = true
	}
	for _, r := range o.Table.Records() {
		if r.Producer == o.Address && r.Scope == 0 {
			m.own[r.Word] = true
		}
	}
	for w, a := range o.HeartbeatOnly {
		if a == o.Address {
			m.own[w] = true
		}
	}
	m.reset()
	return m, nil
}

func (m *Member) check() error {
	o := &m.o
	if o.Table == nil || o.Control&15 != 0 || !o.Control.Valid() || o.Event <= 0 || o.Event%(100*millisecond) != 0 || o.Event > 255*100*millisecond {
		return wrong("member", "a table, a control ID with a free nibble and an event time of 0.1-25.5 s", fmt.Sprint(uint32(o.Control), o.Event))
	}
	if o.Inhibit <= 0 || o.Inhibit >= o.Event || o.Random == nil {
		return wrong("member", "random bytes and an inhibit time below the event time", o.Inhibit)
	}
	for _, a := range o.Members {
		if a < 1 || a > maxDevices && !o.FD || a == 255 {
			return wrong("member", "members 1-15, with CANcrypt FD 1-254", a)
		}
		m.passive[a] = a > maxDevices
		m.configured.add(a) // of those up to 15
	}
	if !m.configured.has(o.Address) && !m.passive[o.Address] || m.configured.count() < 2 {
		return wrong("member", "an address of the member list, and two active members", o.Address)
	}
	for w, a := range o.HeartbeatOnly {
		if o.Table.Find(w) != nil || w&^15 == o.Control || !w.Valid() || a > maxDevices || !m.configured.has(a) {
			return wrong("member", "heartbeat-only identifiers of members that are not listed", w)
		}
	}
	return m.checkMethods()
}

// checkMethods refuses what is forgeable without a key, unless it is allowed.
func (m *Member) checkMethods() error {
	if m.o.FD && m.o.Methods.Signature() == CRCXor {
		return wrong("member", "signature 1 or 2 with CANcrypt FD", m.o.Methods.Signature())
	}
	if m.o.AllowMethod0 || m.o.FD {
		return nil
	}
	for _, r := range m.o.Table.Records() {
		if r.Cipher == XORPad && r.Signature == CRCXor {
			return wrong("member", "a table without signature method 0, or its permission", r.Word)
		}
	}
	return nil
}

// reset wipes the keys, as far as a program can, and stops everything.
func (m *Member) reset() {
	m.group = group{next: never, patience: m.o.Event * 3 / 2}
	for t := range m.timers {
		m.timers[t] = never
	}
	m.running, m.leaving, m.wanted, m.unjudged = false, false, 0, 0
	m.sent, m.closed, m.limit, m.asked, m.alerted, m.refused = longAgo, longAgo, longAgo, longAgo, longAgo, longAgo
	for a := range m.queues {
		m.queues[a] = nil
	}
}

// Start lets the member join: it listens for 0.3 to 0.4 s and answers the GROUP
// frame of another member, else it sends the first one; with GroupOnce later.
func (m *Member) Start(now int64, out *MemberOut) {
	m.out = out
	m.advance(now)
	if m.running || m.o.Visit && m.once {
		return
	}
	m.running = true
	if !m.o.GroupOnce {
		m.startAfter = max(m.startAfter, now+listenTime+m.stagger())
		m.want(askedFor)
	}
}

// Receive takes an event of the bus; events come in the order of their stamps.
// Its own frames come back to the member when they are on the bus, with Dir
// can.Tx; can.OtherTx is another sender on this machine. Error messages of the
// controller are frames too. Losses and states of links are passed over.
func (m *Member) Receive(e *can.Event, out *MemberOut) {
	m.out = out
	m.advance(e.Time)
	if e.Kind != can.KindFrame || !m.running {
		return
	}
	f := &e.Frame
	m.at, m.word = m.now, WordOf(f)
	switch {
	case f.Is(can.Error):
		m.word = 0
		m.errorFrame(f)
	case e.Dir == can.Tx:
		m.airborne.landed(m.word)
		if m.word&^15 == m.o.Control && m.own[m.word] && !f.Is(can.Remote) {
			m.ownControl(f)
		}
	case m.own[m.word]:
		m.tampered(EventKind(Injection))
	case f.Flags&can.Remote == 0:
		m.frame(f)
	}
}

// Tick lets time pass: deadlines before now are processed. The caller has given
// it all frames that ended before now.
func (m *Member) Tick(now int64, out *MemberOut) {
	m.out = out
	m.advance(now)
}

// Next returns the time at which Tick has something to do.
func (m *Member) Next() int64 {
	if at := m.earliest(); at < never {
		return at + 1
	}
	return never
}

// Vouch starts a heartbeat cycle early, as soon as the inhibit time allows, so
// that messages are authentic sooner.
func (m *Member) Vouch(now int64, out *MemberOut) {
	m.out = out
	m.advance(now)
	m.beatEarly()
}

// Regroup starts the group anew by the operator's wish: what ends SILENT.
func (m *Member) Regroup(now int64, out *MemberOut) {
	m.out = out
	m.advance(now)
	m.want(byOperator)
}

// Leave leaves in order: the member takes part in one more cycle, which says
// so, and is OFF then.
func (m *Member) Leave(now int64, out *MemberOut) {
	m.out = out
	m.advance(now)
	if m.beating() {
		m.leaving = true
		m.beatEarly()
		m.set(timeLeave, now+2*m.o.Event)
		return
	}
	m.off()
}

// State returns the member's state.
func (m *Member) State() State { return m.state }

func (m *Member) event(kind EventKind, sender uint8) {
	m.out.Events = append(m.out.Events, SecurityEvent{Time: m.at, Kind: kind, Sender: sender, Word: m.word})
}
