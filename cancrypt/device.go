package cancrypt

import (
	"crypto/subtle"
	"errors"

	"canseal/can"
)

// ErrNotPaired says that both sides have not proved yet that they hold the keys.
var ErrNotPaired = errors.New("not paired")

// DeviceOptions are the configuration of a device that can be paired.
type DeviceOptions struct {
	PairOptions
	Slots  *Slots
	Serial [8]byte // serial number, also where the methods word does not use it

	Vendor, Product, Software [4]byte // for XIDENTIFY

	// Open accepts pairings without a key. That is for commissioning, by a
	// button or a command at the device, in a place that is trusted: whoever
	// pairs so can fill the slots of a blank device.
	Open bool

	// Group returns the state of the device's group member for IDENTIFY: 0 OFF,
	// 1 JOIN, 2 SYNC, 3 GROUPED, 4 SILENT. nil: 0.
	Group func() uint8
}

// Device is the device's side of pairings (5.8), one at a time. It is not safe
// for concurrent use.
type Device struct {
	pairing
	d DeviceOptions

	proved  [4]byte // the proof that was accepted
	done    Control // the last request that was granted, for its repetition
	guesses int     // failed proofs in a row
	closed  int64   // until when no pairing is accepted
}

// NewDevice checks the configuration.
func NewDevice(o DeviceOptions) (*Device, error) {
	if o.Slots == nil {
		return nil, wrong("device", "key slots", "none")
	}
	p, err := newPairing(o.PairOptions, false)
	if err != nil {
		return nil, err
	}
	return &Device{pairing: p, d: o}, nil
}

// pairMessage is a kind of message in a state. A secured one is another kind.
type pairMessage struct {
	in      PairState
	code    Code
	secured bool
}

// deviceRows is the device's half of 5.8. What has no row is ignored.
var deviceRows = map[pairMessage]func(*Device, Control){
	{PairIdle, CodePair, false}: (*Device).pair,

	{PairNonce, CodePair, false}:    (*Device).pairAgain,
	{PairNonce, CodeBit, false}:     (*Device).bit,
	{PairNonce, CodeFlip, false}:    (*Device).flipped,
	{PairNonce, CodeConfirm, false}: (*Device).tooEarly,

	{PairProve, CodePair, false}:    (*Device).pairAgain,
	{PairProve, CodeBit, false}:     (*Device).bit,
	{PairProve, CodeFlip, false}:    (*Device).flipped,
	{PairProve, CodeConfirm, false}: (*Device).confirm,

	{PairPaired, CodePair, false}:     (*Device).busy,
	{PairPaired, CodeBit, false}:      (*Device).bit,
	{PairPaired, CodeFlip, false}:     (*Device).flipped,
	{PairPaired, CodeConfirm, false}:  (*Device).confirmAgain,
	{PairPaired, CodeSaveKey, false}:  (*Device).unsecured,
	{PairPaired, CodeEraseKey, false}: (*Device).unsecured,
	{PairPaired, CodeSaveKey, true}:   (*Device).save,
	{PairPaired, CodeEraseKey, true}:  (*Device).erase,
}

// Frame takes a frame of the bus; frames come in the order of their stamps. Its
// own ones may come back when they are on the bus, with Dir can.Tx.
func (d *Device) Frame(e *can.Event, out *PairOut) {
	d.advance(e.Time, e.Time-1, out)
	in, ok := d.receive(e)
	if !ok {
		return
	}
	switch m := in.message.(type) {
	case IdentifyRequest:
		d.identify()
	case XIdentifyRequest:
		d.identifyItem(m.Item)
	case Abort:
		d.ended(m.Reason)
	case Unpair:
		d.ended(m.Reason)
	default:
		if act := deviceRows[pairMessage{d.state, m.Code(), in.secured}]; act != nil {
			act(d, m)
		}
	}
}

// Tick lets time pass up to now, in ns as the stamps of frames.
func (d *Device) Tick(now int64, out *PairOut) { d.advance(now, now, out) }

// Next returns when Tick is due at the latest, the largest int64 for never.
func (d *Device) Next() int64 { return d.deadline() }

// Send sends a message of the table that this device produces in pairings.
func (d *Device) Send(now int64, w Word, data []byte, out *PairOut) error {
	d.advance(now, now, out)
	return d.sendMessage(w, data)
}

// Leave ends the pairing at the device's wish.
func (d *Device) Leave(now int64, out *PairOut) {
	d.advance(now, now, out)
	if d.state != PairIdle {
		d.send(Unpair{AbortUser})
		d.end(AbortUser, false)
	}
}

func (d *Device) advance(now, until int64, out *PairOut) {
	d.now, d.out = max(d.now, now), out
	for at := d.deadline(); at <= until && at < never; at = d.deadline() {
		if closed, result := d.elapsed(at); closed && result == agreed {
			d.accepted()
		}
	}
}

// accepted commits a bit: with the ACK on the bus both sides have it.
func (d *Device) accepted() {
	index := d.roll.index
	d.take(d.cycle.other == 1)
	d.done = nil
	if d.state == PairNonce && d.roll.count == keyBits {
		d.state = PairProve
	}
	d.send(Ack{CodeBit, index})
}

func (d *Device) identify() {
	state := byte(0)
	if d.d.Group != nil {
		state = d.d.Group() & 15
	}
	a := Identify{Version: 1, Methods: d.o.Methods, Stored: d.d.Slots.Stored(), State: state | bit(d.Paired(), 1<<4)}
	if d.o.Table != nil {
		a.TableCRC = uint8(d.o.Table.CRC())
	}
	d.send(a)
}

func (d *Device) identifyItem(item uint8) {
	items := [][4]byte{[4]byte(d.d.Serial[:4]), [4]byte(d.d.Serial[4:]), d.d.Vendor, d.d.Product, d.d.Software}
	if int(item) < len(items) {
		d.send(XIdentify{item, items[item]})
	}
}

// pair answers the request for a pairing, or says why there is none.
func (d *Device) pair(c Control) {
	m := c.(Pair)
	if refused, why := d.refuses(m); refused {
		d.send(Abort{why})
		return
	}
	perm, _ := d.d.Slots.Key(m.KeyID)
	state := PairProve
	if m.KeyID == 0 {
		state = PairNonce
	}
	d.begin(m.KeyID, perm, state)
	d.done = nil
	if m.Serial {
		d.serial = d.d.Serial
	}
	d.nonces[0] = m.Nonce
	d.o.Random(d.nonces[1][:])
	d.event(PairEvent{Kind: PairStarted, KeyID: m.KeyID})
	d.answer(m)
}

func (d *Device) answer(m Pair) {
	d.send(Pair{KeyID: m.KeyID, Serial: m.Serial, Answer: true, Nonce: d.nonces[1], Period: m.Period})
}

func (d *Device) refuses(m Pair) (bool, AbortReason) {
	switch {
	case m.Answer:
		return true, AbortMismatch
	case d.now < d.closed:
		return true, AbortBusy
	case m.Serial != d.o.Methods.Serial() || int64(m.Period)*periodStep != d.o.Period:
		return true, AbortMismatch
	case m.KeyID == 0 && !d.d.Open:
		return true, AbortNotAllowed
	case m.KeyID != 0 && !d.d.Slots.Has(m.KeyID):
		return true, AbortNoSuchKey
	}
	return false, 0
}

// pairAgain answers a request whose answer was not heard; another one is told
// that there is one pairing at a time.
func (d *Device) pairAgain(c Control) {
	m := c.(Pair)
	if m.KeyID == d.keyID && m.Nonce == d.nonces[0] && !m.Answer && d.cycles == 0 {
		d.answer(m)
		return
	}
	d.busy(c)
}

func (d *Device) busy(Control) { d.send(Abort{AbortBusy}) }

// bit opens a bit cycle for the next index, or once more for the last one. One
// that comes as the window is about to close says that the configurator's has
// closed already, without a bit.
func (d *Device) bit(c Control) {
	m := c.(Bit)
	switch {
	case m.Direct != d.o.Methods.Direct():
		d.abort(AbortMismatch)
		return
	case d.cycle.open && d.now < d.cycle.end-bitWindow+bitAgain:
		return
	case d.undo && m.Index == d.roll.index-1:
		if d.takeBack(); d.keyID == 0 && d.state == PairProve {
			d.state = PairNonce
		}
	case m.Index != d.roll.index || d.state == PairProve:
		return
	}
	d.openCycle()
}

// flipped applies what the configurator publishes to force a preset key.
func (d *Device) flipped(c Control) {
	m := c.(Flip)
	if d.roll.count == 0 || m.Index != d.roll.index-1 {
		return
	}
	d.flip(m.Flip)
	d.send(Ack{CodeFlip, m.Index})
}

func (d *Device) tooEarly(Control) { d.abort(AbortProofFailed) }

// confirm checks the configurator's proof and answers with the own one.
func (d *Device) confirm(c Control) {
	m := c.(Confirm)
	d.start()
	if want := d.proof(0); subtle.ConstantTimeCompare(want[:], m.Proof[:]) != 1 {
		if d.guesses++; d.guesses >= mostProofs {
			d.guesses, d.closed = 0, d.now+guessPause
		}
		d.abort(AbortProofFailed)
		return
	}
	d.state, d.proved, d.guesses, d.alive = PairPaired, m.Proof, 0, d.now
	d.send(Confirm{d.proofOfStart()})
	d.event(PairEvent{Kind: PairDone, KeyID: d.keyID})
}

// confirmAgain repeats an answer that was not heard.
func (d *Device) confirmAgain(c Control) {
	if m := c.(Confirm); m.Proof == d.proved && d.roll.cur.Number == 0 && d.roll.last[0] < 0 {
		d.send(Confirm{d.proofOfStart()})
	}
}

func (d *Device) proofOfStart() [4]byte { return d.proof(d.sender) }

// unsecured counts a request that only a secured message may make.
func (d *Device) unsecured(Control) { d.raise(NoPreamble) }

// save keeps the fresh key in a slot, if the slot and this pairing's level allow
// it and all bits of it are fresh.
func (d *Device) save(c Control) {
	m := c.(SaveKey)
	if d.done != c {
		if d.roll.count < keyBits || d.d.Slots.save(d.keyID, m.KeyID, d.roll.bits) != nil {
			d.abort(AbortNotAllowed)
			return
		}
		d.roll.count, d.undo = 0, false
		d.granted(c, PairSaved, m.KeyID)
	}
	d.acknowledge(Ack{CodeSaveKey, m.KeyID})
}

func (d *Device) erase(c Control) {
	m := c.(EraseKey)
	if d.done != c {
		if d.d.Slots.erase(d.keyID, m.KeyID) != nil {
			d.abort(AbortNotAllowed)
			return
		}
		d.granted(c, PairErased, m.KeyID)
	}
	d.acknowledge(Ack{CodeEraseKey, m.KeyID})
}

func (d *Device) granted(c Control, kind PairEventKind, id uint8) {
	d.done = c
	d.event(PairEvent{Kind: kind, KeyID: id})
}

func (d *Device) acknowledge(a Ack) {
	if d.sendControl(a) != nil {
		d.abort(AbortTimeout)
	}
}

// ended takes the configurator's ABORT or UNPAIR.
func (d *Device) ended(r AbortReason) {
	if d.state != PairIdle {
		d.end(r, true)
	}
}
