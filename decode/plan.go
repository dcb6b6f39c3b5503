package decode

import (
	"fmt"
	"path"

	"canseal/can"
	"canseal/decode/dbc"
	"canseal/decode/j1939"
)

// Order says which message decodes a frame that several fit.
type Order uint8

const (
	ExactFirst Order = iota // the same identifier, then the same J1939 parameter group
	GroupFirst              // the other way round
)

// Rule assigns a DBC file.
type Rule struct {
	Device string // pattern of device identities, as path.Match reads it; "": all
	Bus    uint8  // 0: all
	File   *dbc.File
}

// PlanOptions are the choices of a Plan.
type PlanOptions struct {
	Order Order
	Keep  func(*dbc.Message) bool // which messages are wanted; nil: all
}

// Plan knows the message of each identifier of one device. It is safe for
// concurrent use; it and its messages never change.
type Plan struct {
	order Order
	buses [256]*index // 0: buses that no rule names
}

// index finds the messages of one bus.
type index struct {
	exact  map[uint32]*Message   // by identifier, bit 31: extended
	groups map[uint32][]*Message // by PGN
}

// NewPlan collects what the rules assign to a device. Of several files that
// fit a frame the first rule wins. The error is a bad pattern.
func NewPlan(device string, rules []Rule, o PlanOptions) (*Plan, error) {
	p := &Plan{order: o.Order}
	var mine []Rule
	p.buses[0] = newIndex()
	for _, r := range rules {
		fits, err := path.Match(r.Device, device)
		if err != nil {
			return nil, fmt.Errorf("pattern of devices %q: %w", r.Device, err)
		}
		if fits || r.Device == "" {
			mine = append(mine, r)
			p.buses[r.Bus] = newIndex()
		}
	}
	for _, r := range mine {
		p.addFile(r, o.Keep)
	}
	return p, nil
}

func newIndex() *index {
	return &index{exact: map[uint32]*Message{}, groups: map[uint32][]*Message{}}
}

func (p *Plan) addFile(r Rule, keep func(*dbc.Message) bool) {
	for _, m := range r.File.Messages {
		if keep != nil && !keep(m) {
			continue
		}
		ready := compile(r.File, m)
		for bus, x := range p.buses {
			if x != nil && (r.Bus == 0 || int(r.Bus) == bus) {
				x.add(ready)
			}
		}
	}
}

// extendedBit marks 29-bit identifiers among keys.
const extendedBit = 1 << 31

func (x *index) add(m *Message) {
	key := m.ID
	if m.Extended {
		key |= extendedBit
	}
	if x.exact[key] == nil {
		x.exact[key] = m
	}
	if m.isGroup() {
		pgn := j1939.PGN(m.ID)
		x.groups[pgn] = append(x.groups[pgn], m)
	}
}

// isGroup reports whether a message stands for its parameter group, whoever
// sends it: the file marks it as J1939, or names the address of nobody.
func (m *Message) isGroup() bool {
	return m.J1939 || m.Extended && j1939.Source(m.ID) == j1939.Null
}

// Message returns the message that decodes frames of this identifier on a
// bus, nil if there is none. Of flags only Extended counts.
func (p *Plan) Message(bus uint8, id uint32, flags can.Flags) *Message {
	x := p.buses[bus]
	if x == nil {
		x = p.buses[0]
	}
	if flags&can.Extended == 0 {
		return x.exact[id]
	}
	exact, group := x.exact[id|extendedBit], x.group(id)
	if group != nil && (exact == nil || p.order == GroupFirst) {
		return group
	}
	return exact
}

// group finds the message of the parameter group. Of several, that of the same
// source and destination is first, then one of the same source, then one for
// any source. Priorities do not matter.
func (x *index) group(id uint32) (best *Message) {
	least := 4
	for _, m := range x.groups[j1939.PGN(id)] {
		distance := 3
		switch {
		case (m.ID^id)&0x3ffffff == 0:
			distance = 0
		case j1939.Source(m.ID) == j1939.Source(id):
			distance = 1
		case j1939.Source(m.ID) == j1939.Null:
			distance = 2
		}
		if distance < least {
			least, best = distance, m
		}
	}
	return best
}
