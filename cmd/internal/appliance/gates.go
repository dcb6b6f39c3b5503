package appliance

import (
	"canseal/can"
	"canseal/can/socketcan"
	"canseal/config"
	"canseal/logger"
)

func loggerBuses(c *config.Config, keys groupKeys) []logger.Bus {
	out := make([]logger.Bus, len(c.Buses))
	for i := range c.Buses {
		b := &c.Buses[i]
		out[i] = logger.Bus{
			Number: uint8(b.Number), Interface: b.Interface, Role: string(b.Cancrypt.Role),
			Filter: filtersOf(b.Filter), Control: controlOf(b.Control), Judge: judgeOf(b, keys),
		}
	}
	return out
}

// filtersOf keeps nil, which is no list, apart from an empty one.
func filtersOf(list []config.Filter) []logger.Filter {
	if list == nil {
		return nil
	}
	out := make([]logger.Filter, len(list))
	for i, f := range list {
		out[i] = logger.Filter{Rule: ruleOf(f), Every: everyOf(f.Every)}
	}
	return out
}

func ruleOf(f config.Filter) can.Rule {
	m := f.Match
	return can.Rule{
		Extended: m.Extended, First: m.First, Last: m.Last, Mask: m.Mask, Remote: f.Remote, Reject: f.Action == "reject",
	}
}

func everyOf(e *config.Every) (out logger.Every) {
	switch {
	case e == nil:
	case e.Count != nil:
		out.Count = *e.Count
	case e.Time != nil:
		out.Time = *e.Time
	default:
		out.Change = e.Change
	}
	return out
}

func controlOf(c *config.Control) *logger.Control {
	if c == nil {
		return nil
	}
	s := c.Signal
	return &logger.Control{
		Signal: logger.Signal{
			ID: s.Match.First, Extended: s.Match.Extended, Start: s.StartBit, Length: s.Length,
			Motorola: s.ByteOrder == "motorola", Signed: s.Signed, Factor: s.Factor, Offset: s.Offset,
		},
		StartAt: c.StartAt, StopAt: c.StopAt, PreTrigger: c.PreTrigger, MaxPause: c.MaxPause, Authentic: c.Authentic, Pin: c.Pin,
	}
}

// kernelRules is the filter list for the kernel; nil lets everything pass. A
// bus that is judged, or a member's, needs every frame.
func kernelRules(b *config.Bus) []can.Rule {
	if b.Filter == nil || b.Cancrypt.Role != config.RoleOff {
		return nil
	}
	out := make([]can.Rule, len(b.Filter))
	for i, f := range b.Filter {
		out[i] = ruleOf(f)
	}
	return out
}

// needed are the identifiers that the kernel lets pass whatever the list says:
// the control's, and those that this program sends.
func needed(b *config.Bus) (ids []socketcan.ID) {
	if b.Control != nil {
		m := b.Control.Signal.Match
		ids = append(ids, socketcan.ID{Number: m.First, Extended: m.Extended})
	}
	for _, t := range b.Transmit {
		ids = append(ids, socketcan.ID{Number: t.Match.First, Extended: t.Match.Extended})
	}
	return ids
}
