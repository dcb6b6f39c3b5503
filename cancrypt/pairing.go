package cancrypt

import (
	"fmt"
	"io"
	"log/slog"

	"canseal/can"
)

// Times and limits of pairings (P1.9, P1.12, 5.8), in ns.
const (
	answerTime   = 100 * millisecond    // to the answer of a request
	answerTries  = 3                    // of a request
	bitWindow    = 25 * millisecond     // of a bit cycle, from its BIT
	claimSpread  = 20 * millisecond     // in which a delayed claim is sent
	claimLate    = 24 * millisecond     // from which a claim is not sent any more
	silencePause = 100 * millisecond    // after a bit cycle in which nothing was seen
	bitAgain     = 5 * millisecond      // a BIT sooner after another one is the same
	guessPause   = 10_000 * millisecond // after three failed proofs

	keyBits        = 128
	periodStep     = 100 * millisecond
	mostPeriods    = 3  // without progress, then a pairing ends
	mostProofs     = 3  // failed, then guessPause
	mostWrong      = 3  // signatures in a row, then a pairing ends: the keys differ
	mostDiscards   = 64 // in a row
	mostAnomalies  = 3
	alertThreshold = 8
	alertPause     = 1000 * millisecond
)

// PairOptions are what the two sides of a pairing were configured with alike.
type PairOptions struct {
	Device  uint8   // the device's address, 1-15; it is the context of the pairing
	Control Word    // control ID of address 0, low nibble free; 170h is usual
	Claims  [2]Word // claim "0" and claim "1" of bit cycles; 010h and 011h are usual
	Methods Methods // made by ForPairing
	Period  int64   // of key updates in ns, a multiple of 100 ms, at most 25.5 s

	// Table is the message table. Its records of scope 1 are the messages of
	// pairings; AES pairs among them are not taken part in. nil: none.
	Table *Table

	// Random fills its argument with random bytes of the operating system.
	Random func([]byte)
}

// Period returns bits 11..10 in ns, 0 for a period of its own.
func (m Methods) Period() int64 {
	return [...]int64{500 * millisecond, 1000 * millisecond, 2000 * millisecond, 0}[m>>10&3]
}

// ForPairing sets what the word says of pairings: the update period in ns,
// direct or delayed bit cycles, and whether the serial number counts.
func (m Methods) ForPairing(period int64, direct, serial bool) Methods {
	m &^= 3<<10 | 3<<12 | 1<<14
	for m.Period() != 0 && m.Period() != period {
		m += 1 << 10
	}
	return m | Methods(bit(direct, 1))<<12 | Methods(bit(serial, 1))<<14
}

func (o *PairOptions) check() error {
	switch {
	case o.Device < 1 || o.Device > maxDevices:
		return wrong("pairing", "a device of 1-15", o.Device)
	case o.Control&15 != 0 || !o.Control.Valid():
		return wrong("pairing", "a control ID with a free low nibble", uint32(o.Control))
	case !o.Claims[0].Valid() || !o.Claims[1].Valid() || o.Claims[0] == o.Claims[1] || o.Claims[0]&^15 == o.Control || o.Claims[1]&^15 == o.Control:
		return wrong("pairing", "two claim IDs beside the control IDs", o.Claims)
	case o.Period <= 0 || o.Period%periodStep != 0 || o.Period > 255*periodStep:
		return wrong("pairing", "an update period of 0.1-25.5 s in steps of 0.1 s", o.Period)
	case o.Methods.Period() != 0 && o.Methods.Period() != o.Period:
		return wrong("pairing", "the period of its methods word", o.Period)
	case o.Random == nil:
		return wrong("pairing", "a source of random bytes", "none")
	}
	return nil
}

// PairState is where a side of a pairing stands (5.8).
type PairState uint8

const (
	PairIdle   PairState = iota
	PairAsking           // configurator: IDENTIFY or PAIR is not answered yet
	PairNonce            // the key is generated, bit by bit
	PairProve            // the proofs are outstanding
	PairPaired
)

func (s PairState) String() string {
	return [...]string{"idle", "asking", "generating", "proving", "paired"}[s]
}

// PairEventKind says what a PairEvent reports.
type PairEventKind uint8

const (
	PairIdentified PairEventKind = iota // the device answered: Identity
	PairStarted                         // nonces are exchanged, on KeyID
	PairBit                             // a bit was accepted; Bits are fresh
	PairDone                            // both proved that they hold the keys
	PairSaved                           // the device keeps the fresh key as KeyID
	PairErased                          // the device erased KeyID
	PairRefused                         // a wish came to nothing: Err
	PairEnded                           // for Reason, by the other side if Peer
	PairCounted                         // Counter was raised
)

func (k PairEventKind) String() string {
	return [...]string{"identified", "started", "bit", "paired", "saved", "erased", "refused", "ended", "counted"}[k]
}

// PairEvent is something that happened in a pairing.
type PairEvent struct {
	Time     int64
	Kind     PairEventKind
	KeyID    uint8
	Bits     int // fresh bits, at most 128
	Cycles   int // bit cycles of this pairing so far
	Reason   AbortReason
	Peer     bool
	Counter  Counter
	Identity Identify
	Err      error
}

// PairMessage is an authentic message of the other side.
type PairMessage struct {
	Word Word
	Len  uint8
	Data [8]byte // decrypted
}

// PairOut is what a side of a pairing wants. The frames are sent in their order
// and at once; slices are borrowed: Reset and use it again.
type PairOut struct {
	Frames   []can.Frame
	Events   []PairEvent
	Messages []PairMessage
}

// Reset empties it and keeps its memory.
func (o *PairOut) Reset() {
	o.Frames, o.Events, o.Messages = o.Frames[:0], o.Events[:0], o.Messages[:0]
}

// pairing is what both sides hold of a pairing.
type pairing struct {
	o          PairOptions
	suite      *Suite
	sender     uint8  // own address: 0 or the device's
	own, other Record // the control messages of both sides

	state    PairState
	keyID    uint8
	perm     Key
	serial   [8]byte // zero when it does not count
	nonces   [2][4]byte
	roll     rolling
	before   rolling // as roll was before the last accepted bit
	undo     bool    // the last accepted bit can be taken back
	sequence sequence
	cycle    bitCycle

	alive     int64 // last progress
	wrong     int   // wrong signatures in a row
	discards  int   // in a row
	anomalies int
	cycles    int
	heard     bool // a claim was seen in one of the discarded cycles
	counts    [counters]uint16
	alerted   [counters]int64

	now int64
	out *PairOut
}

// rolling is what an accepted bit changes.
type rolling struct {
	cur, prev Epoch
	grace     int64    // until when prev is good
	last      [2]int32 // last verified numbers under cur and prev, -1 for none
	next      int32    // own next number under cur
	bits      Key      // the last accepted bits, shaped by FLIP
	raw       bool     // the last one, as it was generated
	count     int      // accepted since the last save, at most 128
	index     uint8    // of the next bit
}

func newPairing(o PairOptions, configurator bool) (pairing, error) {
	if err := o.check(); err != nil {
		return pairing{}, err
	}
	suite, err := NewSuite(o.Methods)
	if err != nil {
		return pairing{}, err
	}
	record := func(address uint8) Record {
		return Record{Word: o.Control | Word(address), Producer: address, Scope: 1, Signature: o.Methods.Signature()}
	}
	p := pairing{o: o, suite: suite, sender: o.Device, own: record(o.Device), other: record(0)}
	if configurator {
		p.sender, p.own, p.other = 0, p.other, p.own
	}
	return p, nil
}

// State returns where the pairing stands.
func (p *pairing) State() PairState { return p.state }

// Paired reports whether both sides have proved that they hold the keys. A
// device's heartbeat says so.
func (p *pairing) Paired() bool { return p.state == PairPaired }

func (p *pairing) event(e PairEvent) {
	e.Time, e.Bits, e.Cycles = p.now, p.roll.count, p.cycles
	p.out.Events = append(p.out.Events, e)
}

// send sends a control message that is not secured.
func (p *pairing) send(m Control) {
	p.out.Frames = append(p.out.Frames, frameOf(p.own.Word, AppendControl(nil, p.o.Device, m)))
}

// raise counts an error and sends an ALERT where one is due (P1.13).
func (p *pairing) raise(c Counter) {
	n := &p.counts[c]
	if *n < 0xFFFF {
		*n++
	}
	p.event(PairEvent{Kind: PairCounted, Counter: c})
	threshold := uint16(alertThreshold)
	if c == Injection {
		threshold = 1
	}
	if *n%threshold == 0 && p.now-p.alerted[c] >= alertPause {
		p.alerted[c] = p.now
		p.send(Alert{c, *n})
	}
}

// Counter returns an error counter.
func (p *pairing) Counter(c Counter) uint16 {
	if int(c) >= len(p.counts) {
		return 0
	}
	return p.counts[c]
}

// abort ends the pairing and tells the other side.
func (p *pairing) abort(r AbortReason) {
	p.send(Abort{r})
	p.end(r, false)
}

// end forgets all keys of the pairing; that the memory is overwritten is a best
// effort, copies may remain.
func (p *pairing) end(r AbortReason, peer bool) {
	p.event(PairEvent{Kind: PairEnded, KeyID: p.keyID, Reason: r, Peer: peer})
	p.state, p.keyID = PairIdle, 0
	p.perm, p.serial, p.nonces = Key{}, [8]byte{}, [2][4]byte{}
	p.roll, p.before, p.undo = rolling{}, rolling{}, false
	p.sequence, p.cycle = sequence{}, bitCycle{}
}

// begin starts a pairing on a key, before its nonces are known.
func (p *pairing) begin(keyID uint8, perm Key, state PairState) {
	p.state, p.keyID, p.perm = state, keyID, perm
	p.roll, p.undo, p.alive = rolling{}, false, p.now
	p.wrong, p.discards, p.anomalies, p.cycles, p.heard = 0, 0, 0, 0, false
}

// start computes the start keys from what is known of both sides (P1.7).
func (p *pairing) start() {
	if p.keyID == 0 {
		p.perm = p.roll.bits
	}
	dyn := PairStart(p.perm, p.keyID, p.o.Device, p.nonces[0], p.nonces[1], p.serial)
	p.roll.cur = Epoch{Perm: p.perm, Dyn: dyn}
	p.roll.last = [2]int32{-1, -1}
	p.undo = false
}

func (p *pairing) proof(sender uint8) [4]byte {
	return Proof(p.perm, p.roll.cur.Dyn, p.o.Device, sender)
}

// String says where the pairing stands.
func (p pairing) String() string {
	return fmt.Sprintf("pairing of device %d: %v", p.o.Device, p.state)
}

// Format writes String for every verb.
func (p pairing) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, p.String()) }
func (p pairing) LogValue() slog.Value         { return slog.StringValue(p.String()) }
func (p pairing) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Words are the identities of all frames that a side of the pairing must hear.
func (o *PairOptions) Words() []Word {
	words := []Word{o.Control, o.Control | Word(o.Device), o.Claims[0], o.Claims[1]}
	if o.Table == nil {
		return words
	}
	for _, r := range o.Table.Records() {
		if r.Scope == 1 && (r.Producer == 0 || r.Producer == o.Device) {
			words = append(words, r.Word)
		}
	}
	return words
}
