package table

import (
	"canseal/can"
	"canseal/mdf"
)

// sideRows is how many rows of a side table are held.
const sideRows = 4096

// Side collects rows of a table that stands beside the messages.
type Side struct {
	schema Schema
	rows   [][]any         // by row, one value for each column: int64, string, []byte, bool; nil: null
	words  map[string]bool // texts of files among them
	bytes  int             // of blobs among them
}

// Bounds of the rows that are held, beside their number.
const (
	sideWords = 200     // texts of files
	sideBytes = 4 << 20 // of blobs
)

// Names of the side tables.
const (
	UnknownName  = "canseal_unknown"
	GapsName     = "canseal_gaps"
	VerdictsName = "canseal_verdicts"
)

var times = []Column{
	{Name: "t", Type: Time, Comment: "time, UTC"},
	{Name: "t_ns", Type: Int, Exact: true, Unit: "ns", Comment: "time since 1970, UTC"},
	{Name: "bus", Type: Int, Few: true, Comment: "number of the bus, from 1; 0: all"},
}

func newSide(name string, columns ...Column) *Side {
	return &Side{schema: Schema{Name: name, Columns: append(times[:len(times):len(times)], columns...)}}
}

// NewUnknown makes the table of frames that no DBC file knows.
func NewUnknown() *Side {
	return newSide(UnknownName,
		Column{Name: "id", Type: Int, Few: true}, Column{Name: "extended", Type: Bool}, Column{Name: "remote", Type: Bool},
		Column{Name: "error", Type: Bool}, Column{Name: "fd", Type: Bool}, Column{Name: "dlc", Type: Int, Few: true},
		Column{Name: "data", Type: Bytes}, Column{Name: "encrypted", Type: Bool},
		Column{Name: "verdict", Type: Text}, Column{Name: "clock", Type: Text},
	)
}

// NewGaps makes the table of frames known to be missing.
func NewGaps() *Side {
	return newSide(GapsName,
		Column{Name: "from_ns", Type: Int, Unit: "ns"}, Column{Name: "to_ns", Type: Int, Unit: "ns"},
		Column{Name: "count", Type: Unsigned, Comment: "frames; 0: unknown, at least one"},
		Column{Name: "at_least", Type: Bool}, Column{Name: "reason", Type: Text}, Column{Name: "clock", Type: Text},
	)
}

// NewVerdicts makes the table of verdicts that were settled later.
func NewVerdicts() *Side {
	return newSide(VerdictsName,
		Column{Name: "from_ns", Type: Int, Unit: "ns"}, Column{Name: "to_ns", Type: Int, Unit: "ns"},
		Column{Name: "id", Type: Int, Nullable: true}, Column{Name: "extended", Type: Bool},
		Column{Name: "sender", Type: Int}, Column{Name: "verdict", Type: Text}, Column{Name: "clock", Type: Text},
	)
}

// Schema describes the table.
func (s *Side) Schema() *Schema { return &s.schema }

// Full tells that it is time to take the rows.
func (s *Side) Full() bool {
	return len(s.rows) >= sideRows || len(s.words) >= sideWords || s.bytes >= sideBytes
}

// note remembers a text of a file.
func (s *Side) note(word string) {
	if s.words == nil {
		s.words = map[string]bool{}
	}
	s.words[word] = true
}

// AddFrame adds a frame that no DBC file knows.
func (s *Side) AddFrame(e *can.Event, encrypted bool, clock string) {
	f := &e.Frame
	s.add(e.Time, e.Bus, int64(f.ID), f.Is(can.Extended), f.Is(can.Remote), f.Is(can.Error), f.Is(can.FD), int64(f.DLC),
		append([]byte(nil), f.Payload()...), encrypted, e.Verdict.String(), clock)
}

// AddGap adds a gap.
func (s *Side) AddGap(g mdf.Gap, clock string) {
	s.add(g.Time, g.Bus, g.From, g.To, int64(g.Count), g.AtLeast, g.Reason.String(), clock)
}

// AddVerdict adds a settled verdict.
func (s *Side) AddVerdict(v mdf.VerdictChange, clock string) {
	var id any
	if v.Scope != mdf.ScopeSender {
		id = int64(v.ID)
	}
	s.add(v.Time, v.Bus, v.From, v.To, id, v.Extended, int64(v.Sender), v.Verdict.String(), clock)
}

func (s *Side) add(time int64, bus uint8, values ...any) {
	for _, v := range values {
		if blob, is := v.([]byte); is {
			s.bytes += len(blob)
		}
	}
	s.rows = append(s.rows, append([]any{time, time, int64(bus)}, values...))
}

// Take returns the rows, and forgets them. Times are those of the rows.
func (s *Side) Take() (rows Rows, times []int64) {
	taken := s.rows
	s.rows, s.words, s.bytes = nil, nil, 0
	for _, row := range taken {
		times = append(times, row[0].(int64))
	}
	return Rows{N: len(taken), Fill: func(column int, v *Values) { fillSide(taken, column, v) }}, times
}

func fillSide(rows [][]any, column int, v *Values) {
	v.Ints, v.Blobs, v.Codes, v.Texts, v.Null = v.Ints[:0], v.Blobs[:0], v.Codes[:0], v.Texts[:0], nil
	known := map[string]uint16{}
	for i, row := range rows {
		switch x := row[column].(type) {
		case int64:
			v.Ints = append(v.Ints, x)
		case bool:
			v.Ints = append(v.Ints, map[bool]int64{true: 1}[x])
		case []byte:
			v.Blobs = append(v.Blobs, x)
		case string:
			v.Codes = append(v.Codes, v.code(x, known))
		case nil:
			v.Ints = append(v.Ints, 0)
			v.missing(i, len(rows))
		}
	}
}

// code returns the number of a text; there are never more than sideWords, or
// mostTexts.
func (v *Values) code(text string, known map[string]uint16) uint16 {
	code, ok := known[text]
	if !ok {
		code = uint16(len(v.Texts))
		known[text] = code
		v.Texts = append(v.Texts, text)
	}
	return code
}

func (v *Values) missing(row, rows int) {
	if v.Null == nil {
		v.null(rows)
		clear(v.Null)
	}
	v.Null[row] = true
}
