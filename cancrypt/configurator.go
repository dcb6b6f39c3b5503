package cancrypt

import (
	"fmt"

	"canseal/can"
)

// ConfiguratorOptions are the configuration of a configurator for one device.
type ConfiguratorOptions struct {
	PairOptions
	KeyID uint8 // slot whose key the pairing is based on; 0: a key is generated
	Slots *Slots

	// Serial is the serial number that the device must say it has; zero: any.
	Serial [8]byte

	// Preset is forced on the device instead of random bits (P1.7); nil: the
	// generated bits are the key.
	Preset *Key
}

// Configurator is the configurator's side of a pairing with one device (5.8). It
// is not safe for concurrent use. What it is told to do it does one after the
// other, with updates of the key between.
type Configurator struct {
	pairing
	c ConfiguratorOptions

	asked request
	todo  []wish
	burst int   // bits to be generated without a pause
	fresh bool  // the last 128 bits are a burst
	hold  int64 // until when the ACK of an agreed bit is awaited, 0: no bit
	pause int64 // no bit cycle before
	due   int64 // the next update of the key

	added uint8 // slot of the own keys that the request at hand has filled
}

// request is a message that wants an answer (P1.9).
type request struct {
	message  Control // nil: nothing is asked
	secured  bool
	tries    int
	deadline int64
}

// wish is something to be done once paired.
type wish struct {
	code Code // SAVEKEY, ERASEKEY or UNPAIR
	id   uint8
}

// NewConfigurator checks the configuration.
func NewConfigurator(o ConfiguratorOptions) (*Configurator, error) {
	switch {
	case o.Slots == nil:
		return nil, wrong("configurator", "key slots", "none")
	case o.KeyID != 0 && !o.Slots.Has(o.KeyID):
		return nil, fmt.Errorf("pair on slot %d: %w", o.KeyID, ErrNoKey)
	}
	p, err := newPairing(o.PairOptions, true)
	if err != nil {
		return nil, err
	}
	return &Configurator{pairing: p, c: o}, nil
}

// configuratorRows is the configurator's half of 5.8: what answers are taken in
// which state. What has no row is ignored.
var configuratorRows = map[pairMessage]func(*Configurator, Control){
	{PairAsking, CodeIdentify, false}:  (*Configurator).identified,
	{PairAsking, CodeXIdentify, false}: (*Configurator).itemIdentified,
	{PairAsking, CodePair, false}:      (*Configurator).answered,
	{PairNonce, CodeAck, false}:        (*Configurator).acknowledged,
	{PairProve, CodeConfirm, false}:    (*Configurator).confirmed,
	{PairPaired, CodeAck, false}:       (*Configurator).acknowledged,
	{PairPaired, CodeAck, true}:        (*Configurator).granted,
}

// Frame takes a frame of the bus; frames come in the order of their stamps. Its
// own ones may come back when they are on the bus, with Dir can.Tx.
func (c *Configurator) Frame(e *can.Event, out *PairOut) {
	c.advance(e.Time, e.Time-1, out)
	if in, ok := c.receive(e); ok {
		c.control(in)
	}
	c.proceed()
}

func (c *Configurator) control(in incoming) {
	switch m := in.message.(type) {
	case Abort:
		c.aborted(m.Reason)
	case Unpair:
		if c.state != PairIdle {
			c.end(m.Reason, true)
		}
	default:
		if act := configuratorRows[pairMessage{c.state, m.Code(), in.secured}]; act != nil {
			act(c, m)
		}
	}
}

// Tick lets time pass up to now, in ns as the stamps of frames.
func (c *Configurator) Tick(now int64, out *PairOut) {
	c.advance(now, now, out)
	c.proceed()
}

// Next returns when Tick is due at the latest, the largest int64 for never.
func (c *Configurator) Next() int64 {
	if c.state == PairIdle {
		return never
	}
	at := c.deadline()
	if c.asked.message != nil {
		at = min(at, c.asked.deadline)
	}
	if c.hold != 0 {
		at = min(at, c.hold)
	}
	switch {
	case c.busy():
	case c.state == PairPaired && c.burst == 0 && len(c.todo) == 0:
		at = min(at, max(c.due, c.pause, c.now+1))
	case c.pause > c.now:
		at = min(at, c.pause)
	}
	return at
}

// Pair begins a pairing.
func (c *Configurator) Pair(now int64, out *PairOut) error {
	c.advance(now, now, out)
	if c.state != PairIdle {
		return fmt.Errorf("pair: %v already", c.state)
	}
	perm, _ := c.c.Slots.Key(c.c.KeyID)
	c.begin(c.c.KeyID, perm, PairAsking)
	c.o.Random(c.nonces[0][:])
	c.ask(IdentifyRequest{})
	return nil
}

// Save lets the device keep the fresh key in a slot; where there is none, 128
// bits are generated for it. The own slots keep it first, and give it up if the
// device refuses; if it does not answer, nobody knows whether it has the key.
func (c *Configurator) Save(now int64, id uint8, out *PairOut) error {
	return c.wish(now, out, wish{CodeSaveKey, id})
}

// Erase lets the device empty a slot, then empties the own one.
func (c *Configurator) Erase(now int64, id uint8, out *PairOut) error {
	return c.wish(now, out, wish{CodeEraseKey, id})
}

// Unpair ends the pairing when everything wished for is done.
func (c *Configurator) Unpair(now int64, out *PairOut) error {
	return c.wish(now, out, wish{code: CodeUnpair})
}

// Send sends a message of the table that the configurator produces in pairings.
func (c *Configurator) Send(now int64, w Word, data []byte, out *PairOut) error {
	c.advance(now, now, out)
	return c.sendMessage(w, data)
}

// Abort ends the pairing at once.
func (c *Configurator) Abort(now int64, out *PairOut) {
	c.advance(now, now, out)
	if c.state != PairIdle {
		c.abort(AbortUser)
	}
}

func (c *Configurator) wish(now int64, out *PairOut, w wish) error {
	c.advance(now, now, out)
	if c.state != PairPaired {
		return fmt.Errorf("%v: %w: %v", w.code, ErrNotPaired, c.state)
	}
	c.todo = append(c.todo, w)
	c.proceed()
	return nil
}

// busy reports that something is under way which must end first.
func (c *Configurator) busy() bool {
	return c.asked.message != nil || c.cycle.open || c.hold != 0
}

// proceed begins what is next, when nothing is under way.
func (c *Configurator) proceed() {
	for c.state != PairIdle && !c.busy() && c.now >= c.pause {
		switch {
		case c.state == PairNonce && c.burst == 0:
			c.prove()
		case c.state == PairNonce, c.state == PairPaired && c.wantsBit():
			c.send(Bit{Index: c.roll.index, Direct: c.o.Methods.Direct()})
			c.openCycle()
		case c.state == PairPaired && len(c.todo) > 0:
			c.fulfil(c.todo[0])
		default:
			return
		}
	}
}

// wantsBit reports whether the next thing to do is a bit cycle. An update of the
// key does not come between a key that was generated and its SAVEKEY.
func (c *Configurator) wantsBit() bool {
	saving := len(c.todo) > 0 && c.todo[0].code == CodeSaveKey
	return c.burst > 0 || c.now >= c.due && !(saving && c.savable())
}

// savable reports whether the last 128 bits are the key that is wanted.
func (c *Configurator) savable() bool {
	return c.roll.count == keyBits && (c.fresh || c.c.Preset == nil)
}

func (c *Configurator) fulfil(w wish) {
	if w.code == CodeSaveKey && !c.savable() {
		c.burst = keyBits
		return
	}
	c.todo = c.todo[1:]
	switch w.code {
	case CodeSaveKey:
		c.requestSave(w.id)
	case CodeEraseKey:
		c.request(EraseKey{w.id}, true)
	case CodeUnpair:
		c.send(Unpair{AbortUser})
		c.end(AbortUser, false)
	}
}

func (c *Configurator) requestSave(id uint8) {
	had := c.c.Slots.Has(id)
	if err := c.c.Slots.Put(id, c.roll.bits); err != nil {
		c.event(PairEvent{Kind: PairRefused, KeyID: id, Err: err})
		return
	}
	if !had {
		c.added = id
	}
	c.request(SaveKey{id}, true)
}

func (c *Configurator) ask(m Control) { c.request(m, false) }

func (c *Configurator) request(m Control, secured bool) {
	c.asked = request{message: m, secured: secured, tries: answerTries}
	c.again()
}

// again sends the request at hand, a secured one under a new number.
func (c *Configurator) again() {
	a := &c.asked
	if a.tries == 0 {
		c.abort(AbortTimeout)
		return
	}
	a.tries--
	a.deadline = c.now + answerTime
	if !a.secured {
		c.send(a.message)
	} else if c.sendControl(a.message) != nil {
		c.abort(AbortTimeout)
	}
}

func (c *Configurator) advance(now, until int64, out *PairOut) {
	c.now, c.out = max(c.now, now), out
	c.tidy()
	for {
		at := c.deadline()
		switch {
		case c.asked.message != nil && c.asked.deadline <= min(until, at):
			c.again()
		case c.hold != 0 && c.hold <= min(until, at):
			c.hold = 0 // the device did not accept: the same index once more
			c.missed()
		case at <= until && at < never:
			if closed, result := c.elapsed(at); closed {
				c.cycleClosed(result)
			}
		default:
			c.tidy()
			return
		}
		c.tidy()
	}
}

// missed counts an agreed bit that the device did not acknowledge.
func (c *Configurator) missed() {
	if c.discards >= mostDiscards {
		c.abort(AbortTimeout)
	}
}

// cycleClosed holds an agreed bit until the device's ACK. When nothing was seen a
// delayed claim may be late: it must not fall into the next window.
func (c *Configurator) cycleClosed(result outcome) {
	switch {
	case c.state == PairIdle:
	case result == agreed:
		c.hold = c.now + answerTime
	case c.cycle.seen == 0 && c.o.Methods.Direct(): // two equal claims at once are one on the wire
		c.pause = c.now + bitWindow
	case c.cycle.seen == 0:
		c.pause = c.now + silencePause
	}
}

// tidy forgets what belongs to a pairing that has ended.
func (c *Configurator) tidy() {
	if c.state == PairIdle {
		c.asked, c.todo, c.burst, c.fresh, c.hold, c.pause, c.added = request{}, nil, 0, false, 0, 0, 0
	}
}
