package main

import (
	"encoding/json"
	"fmt"
	"time"

	"canseal/cancrypt"
)

// pairLine is a line of --json.
type pairLine struct {
	Time   string `json:"time"`
	What   string `json:"what"`
	Slot   uint8  `json:"slot,omitempty"`
	Bits   int    `json:"bits,omitempty"`
	Cycles int    `json:"cycles,omitempty"`
	Text   string `json:"text"`
}

// tell shows what happens in a pairing.
func (p *pairing) tell(e cancrypt.PairEvent) {
	text := pairText(&e)
	switch {
	case text == "" && e.Kind == cancrypt.PairBit && !p.asJSON && isTerminal(p.errs):
		fmt.Fprintf(p.errs, "\r%d of 128 bits\x1b[K", e.Bits)
		if e.Bits == 128 {
			fmt.Fprint(p.errs, "\r\x1b[K")
		}
	case text != "":
		p.line(pairLine{Time: stamp(time.Unix(0, e.Time)), What: e.Kind.String(), Slot: e.KeyID, Bits: e.Bits, Cycles: e.Cycles, Text: text})
	}
}

// say shows what this program has found out itself.
func (p *pairing) say(what string, slot uint8, text string) {
	p.line(pairLine{Time: stamp(time.Now()), What: what, Slot: slot, Text: text})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (p *pairing) line(l pairLine) {
	if !p.asJSON {
		fmt.Fprintln(p.out, l.Text)
		return
	}
	_ = json.NewEncoder(p.out).Encode(l)
}

// pairText is an event in words, "" for what nobody wants to read.
func pairText(e *cancrypt.PairEvent) string {
	switch e.Kind {
	case cancrypt.PairIdentified:
		return fmt.Sprintf("identified: methods %04x, slots in use %s, table checksum ..%02x", uint16(e.Identity.Methods), slotList(e.Identity.Stored), e.Identity.TableCRC)
	case cancrypt.PairStarted:
		if e.KeyID == 0 {
			return "started without a key: generating one, about 6.5 s"
		}
		return fmt.Sprintf("started on slot %d", e.KeyID)
	case cancrypt.PairDone:
		if e.KeyID == 0 {
			return fmt.Sprintf("paired on a generated key, after %d bit cycles", e.Cycles)
		}
		return fmt.Sprintf("paired on slot %d", e.KeyID)
	case cancrypt.PairSaved:
		return fmt.Sprintf("slot %d: saved", e.KeyID)
	case cancrypt.PairErased:
		return fmt.Sprintf("slot %d: erased", e.KeyID)
	case cancrypt.PairCounted:
		return fmt.Sprintf("noticed: %v", e.Counter)
	case cancrypt.PairEnded:
		return fmt.Sprintf("ended: %v", e.Reason)
	}
	return ""
}

func slotList(stored uint8) string {
	list := ""
	for id := uint8(1); id <= cancrypt.MaxSlots; id++ {
		if stored>>id&1 == 1 {
			list += fmt.Sprintf(" %d", id)
		}
	}
	if list == "" {
		return "none"
	}
	return list[1:]
}
