package table

import (
	"canseal/can"
	"canseal/mdf"
)

// Names of the tables of side records.
const (
	SecurityName = "canseal_security"
	SendersName  = "canseal_senders"
	StatesName   = "canseal_states"
	PlainName    = "canseal_plain"
	ClocksName   = "canseal_clocks"
	RawName      = "canseal_raw"
)

// Sides are all tables that stand beside the messages of a session.
type Sides struct {
	unknown, gaps, verdicts, security, senders, states, plain, clocks, raw *Side
}

// NewSides makes them, without rows.
func NewSides() *Sides {
	return &Sides{
		unknown: NewUnknown(), gaps: NewGaps(), verdicts: NewVerdicts(),
		security: newSide(SecurityName,
			Column{Name: "kind", Type: Text}, Column{Name: "sender", Type: Int, Few: true, Comment: "0: unknown"},
			Column{Name: "id", Type: Int, Few: true}, Column{Name: "extended", Type: Bool},
			Column{Name: "count", Type: Unsigned, Comment: "occurrences since the row before of bus, sender and kind"}, Column{Name: "clock", Type: Text},
		),
		senders: newSide(SendersName,
			Column{Name: "id", Type: Int, Few: true}, Column{Name: "extended", Type: Bool}, Column{Name: "sender", Type: Int, Few: true},
			Column{Name: "secured", Type: Bool}, Column{Name: "heartbeat_only", Type: Bool}, Column{Name: "clock", Type: Text},
		),
		states: newSide(StatesName,
			Column{Name: "kind", Type: Text}, Column{Name: "state", Type: Text},
			Column{Name: "tx_errors", Type: Int, Few: true}, Column{Name: "rx_errors", Type: Int, Few: true},
			Column{Name: "id", Type: Int, Few: true, Comment: "of the frame that caused it"}, Column{Name: "extended", Type: Bool},
			Column{Name: "left_out", Type: Int, Comment: "frames left out since the row before of this kind"}, Column{Name: "clock", Type: Text},
		),
		plain: newSide(PlainName,
			Column{Name: "id", Type: Int, Few: true}, Column{Name: "extended", Type: Bool}, Column{Name: "sender", Type: Int, Few: true},
			Column{Name: "data", Type: Bytes, Comment: "plaintext of the encrypted frame of this time"}, Column{Name: "clock", Type: Text},
		),
		clocks: newSide(ClocksName,
			Column{Name: "boot_ns", Type: Int, Unit: "ns", Comment: "since the machine began"},
			Column{Name: "wall_ns", Type: Int, Unit: "ns", Comment: "the machine's clock, since 1970"},
			Column{Name: "synchronised", Type: Bool}, Column{Name: "error_us", Type: Int, Nullable: true, Unit: "µs"},
			Column{Name: "source", Type: Text}, Column{Name: "step", Type: Bool}, Column{Name: "below_floor", Type: Bool}, Column{Name: "clock", Type: Text},
		),
		raw: newSide(RawName,
			Column{Name: "record", Type: Text, Comment: "name of the group of the file"}, Column{Name: "data", Type: Bytes}, Column{Name: "clock", Type: Text},
		),
	}
}

// All lists the tables, in a fixed order.
func (s *Sides) All() []*Side {
	return []*Side{s.unknown, s.gaps, s.verdicts, s.security, s.senders, s.states, s.plain, s.clocks, s.raw}
}

// Frame adds a frame that no DBC file knows. Like Record and Raw it returns the
// table that got a row.
func (s *Sides) Frame(e *can.Event, encrypted bool, clock string) *Side {
	s.unknown.AddFrame(e, encrypted, clock)
	return s.unknown
}

// Record adds a side record; nil: it has no table.
func (s *Sides) Record(rec mdf.Record, clock string) *Side {
	switch r := rec.(type) {
	case mdf.Gap:
		s.gaps.AddGap(r, clock)
		return s.gaps
	case mdf.VerdictChange:
		s.verdicts.AddVerdict(r, clock)
		return s.verdicts
	case mdf.Security:
		s.security.add(r.Time, r.Bus, r.Kind.String(), int64(r.Sender), int64(r.ID), r.Extended, int64(r.Count), clock)
		return s.security
	case mdf.Sender:
		s.senders.add(r.Time, r.Bus, int64(r.ID), r.Extended, int64(r.Sender), r.Secured, r.HeartbeatOnly, clock)
		return s.senders
	case mdf.State:
		s.states.add(r.Time, r.Bus, kind(r.State), r.State.String(), int64(r.TxErrors), int64(r.RxErrors), int64(r.ID), r.Extended, int64(r.Count), clock)
		return s.states
	case mdf.Plain:
		s.plain.add(r.Time, r.Bus, int64(r.ID), r.Extended, int64(r.Sender), append([]byte(nil), r.Data[:min(int(r.Len), len(r.Data))]...), clock)
		return s.plain
	case mdf.Clock:
		s.clocks.AddClock(r, clock)
		return s.clocks
	}
	return nil
}

func kind(s can.State) string {
	if k := int(s.Kind()); k < len(mdf.StateKinds) {
		return mdf.StateKinds[k]
	}
	return ""
}

// AddClock adds a clock anchor.
func (s *Side) AddClock(c mdf.Clock, clock string) {
	var unsure any
	if c.Error != mdf.UnknownError {
		unsure = int64(c.Error)
	}
	s.add(c.Time, 0, c.Boot, c.Wall, c.Synchronised, unsure, c.Source.String(), c.Step, c.BelowFloor, clock)
}

// Raw adds a record that holds no CAN frame.
func (s *Sides) Raw(time int64, group string, data []byte, clock string) *Side {
	s.raw.add(time, 0, group, append([]byte(nil), data...), clock)
	s.raw.note(group)
	return s.raw
}
