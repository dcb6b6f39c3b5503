package cancrypt

import (
	"crypto/subtle"
	"errors"
	"fmt"
)

// ErrNoKey says that a slot is empty.
var ErrNoKey = errors.New("the slot is empty")

// identified compares what the device says of itself with the configuration:
// both sides must be alike.
func (c *Configurator) identified(m Control) {
	a, ok := m.(Identify)
	if _, asked := c.asked.message.(IdentifyRequest); !asked || !ok {
		return
	}
	c.event(PairEvent{Kind: PairIdentified, Identity: a})
	switch {
	case a.Version != 1 || a.Methods != c.o.Methods:
		c.end(AbortMismatch, false)
	case c.o.Table != nil && a.TableCRC != uint8(c.o.Table.CRC()):
		c.end(AbortTable, false)
	case c.o.Methods.Serial():
		c.ask(XIdentifyRequest{0})
	default:
		c.askPair()
	}
}

// itemIdentified takes a half of the serial number. A wrong one makes the proofs
// fail.
func (c *Configurator) itemIdentified(m Control) {
	a, ok := m.(XIdentify)
	if asked, is := c.asked.message.(XIdentifyRequest); !is || !ok || a.Item != asked.Item {
		return
	}
	copy(c.serial[4*a.Item:], a.Value[:])
	if a.Item == 0 {
		c.ask(XIdentifyRequest{1})
		return
	}
	if c.c.Serial != [8]byte{} && c.c.Serial != c.serial {
		c.end(AbortMismatch, false)
		return
	}
	c.askPair()
}

func (c *Configurator) askPair() {
	c.ask(Pair{KeyID: c.keyID, Serial: c.o.Methods.Serial(), Nonce: c.nonces[0], Period: uint8(c.o.Period / periodStep)})
}

func (c *Configurator) answered(m Control) {
	a := m.(Pair)
	asked, ok := c.asked.message.(Pair)
	if !ok || !a.Answer {
		return
	}
	if a.KeyID != asked.KeyID || a.Serial != asked.Serial || a.Period != asked.Period {
		c.abort(AbortMismatch)
		return
	}
	c.asked = request{}
	c.nonces[1], c.alive = a.Nonce, c.now
	c.event(PairEvent{Kind: PairStarted, KeyID: c.keyID})
	if c.state = PairNonce; c.keyID == 0 {
		c.burst = keyBits
	}
}

// prove computes the start keys and shows that this side has them.
func (c *Configurator) prove() {
	c.start()
	c.state = PairProve
	c.ask(Confirm{c.proof(0)})
}

func (c *Configurator) confirmed(m Control) {
	want, got := c.proof(c.o.Device), m.(Confirm).Proof
	c.asked = request{}
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		c.abort(AbortProofFailed)
		return
	}
	c.state, c.alive, c.due = PairPaired, c.now, c.now+c.o.Period
	c.event(PairEvent{Kind: PairDone, KeyID: c.keyID})
}

// acknowledged takes the ACKs that are not secured: of an agreed bit, and of a
// FLIP.
func (c *Configurator) acknowledged(m Control) {
	a := m.(Ack)
	switch flip, ok := c.asked.message.(Flip); {
	case a.Acknowledged == CodeBit && c.hold != 0 && a.Info == c.roll.index:
		c.hold = 0
		c.commit()
	case a.Acknowledged == CodeFlip && ok && a.Info == flip.Index:
		c.asked = request{}
		c.flip(flip.Flip)
	}
}

// commit makes the agreed bit count and, for a preset key, publishes how it
// differs from the bit that is wanted.
func (c *Configurator) commit() {
	index, one := c.roll.index, c.cycle.mine == 1
	c.take(one)
	c.undo, c.fresh = false, c.burst == 1
	if c.state == PairPaired && c.now >= c.due {
		c.due = c.now + c.o.Period
	}
	if c.burst == 0 {
		return
	}
	if n := keyBits - c.burst; c.c.Preset != nil {
		wanted := c.c.Preset[n/8]>>(n%8)&1 == 1
		c.ask(Flip{Index: index, Flip: one != wanted})
	}
	c.burst--
}

// granted takes the ACK of what the device has saved or erased.
func (c *Configurator) granted(m Control) {
	a := m.(Ack)
	switch asked := c.asked.message.(type) {
	case SaveKey:
		if a.Acknowledged == CodeSaveKey && a.Info == asked.KeyID {
			c.asked, c.added, c.roll.count = request{}, 0, 0
			c.event(PairEvent{Kind: PairSaved, KeyID: asked.KeyID})
		}
	case EraseKey:
		if a.Acknowledged == CodeEraseKey && a.Info == asked.KeyID {
			c.asked = request{}
			c.event(PairEvent{Kind: PairErased, KeyID: asked.KeyID, Err: c.c.Slots.Erase(asked.KeyID)})
		}
	}
}

// aborted takes the device's ABORT. That it is busy means anything only while a
// pairing is asked for: else it is the answer to somebody else.
func (c *Configurator) aborted(r AbortReason) {
	if _, asking := c.asked.message.(Pair); c.state == PairIdle || r == AbortBusy && !asking {
		return
	}
	if c.added != 0 && r == AbortNotAllowed {
		if err := c.c.Slots.Erase(c.added); err != nil {
			c.event(PairEvent{Kind: PairRefused, KeyID: c.added, Err: fmt.Errorf("give up the refused key: %w", err)})
		}
	}
	c.end(r, true)
	c.tidy()
}
