package table

import (
	"path"
	"strconv"
	"strings"

	"canseal/can"
	"canseal/decode"
	"canseal/decode/dbc"
)

// Choice says which columns of a message are wanted, and how.
type Choice struct {
	Raw     bool     // raw values instead of physical ones
	Texts   bool     // beside each signal with value descriptions a column with those
	Signals []string // patterns of SIGNAL or MESSAGE.SIGNAL, as path.Match reads them; none: all
}

// Message makes rows of the batches of one message on one bus.
type Message struct {
	schema Schema
	bus    uint8
	picked []int // signals, by column
	named  []int // signals whose texts are columns behind those
	raw    bool

	ints    []int64
	states  []decode.State
	missing []uint16
}

// The columns before the signals.
const (
	columnTime = iota
	columnExact
	columnBus
	columnID
	columnVerdict
	columnClock
	columnMissing
	fixedColumns
)

// NewMessage prepares the table of a message.
func NewMessage(m *decode.Message, bus uint8, c Choice) *Message {
	t := &Message{bus: bus, raw: c.Raw, schema: Schema{Name: m.Name, Columns: []Column{
		{Name: "t", Type: Time, Comment: "time, UTC"},
		{Name: "t_ns", Type: Int, Exact: true, Unit: "ns", Comment: "time since 1970, UTC"},
		{Name: "bus", Type: Int, Few: true, Comment: "number of the bus, from 1"},
		{Name: "id", Type: Int, Few: true, Comment: "identifier of the frame"},
		{Name: "verdict", Type: Text, Comment: "of its authentication"},
		{Name: "clock", Type: Text, Comment: "how far the time can be trusted"},
		{Name: "missing", Type: Text, Nullable: true, Comment: "why signals are null"},
	}}}
	for i := range m.Signals {
		s := &m.Signals[i]
		if wanted(m.Name, s.Name, c.Signals) {
			t.picked = append(t.picked, i)
			t.schema.Columns = append(t.schema.Columns, t.column(s))
		}
	}
	if c.Texts {
		t.addTexts(m)
	}
	unique(t.schema.Columns)
	t.schema.Properties = properties(m, bus, c.Raw)
	return t
}

// wanted reports whether one of the patterns fits.
func wanted(message, signal string, patterns []string) bool {
	for _, p := range patterns {
		name := signal
		if strings.Contains(p, ".") {
			name = message + "." + signal
		}
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return len(patterns) == 0
}

func (t *Message) column(s *dbc.Signal) Column {
	c := Column{Name: s.Name, Type: Float, Nullable: true, Unit: s.Unit, Comment: s.Comment, Choices: s.Choices}
	if !t.raw {
		return c
	}
	c.Unit = ""
	switch {
	case s.Kind >= dbc.Float32:
	case s.Kind == dbc.Unsigned && s.Length == 64:
		c.Type = Unsigned
	default:
		c.Type = Int
	}
	return c
}

func properties(m *decode.Message, bus uint8, raw bool) [][2]string {
	id := strings.ToUpper(strconv.FormatUint(uint64(m.ID), 16))
	values := "physical"
	if raw {
		values = "raw"
	}
	return [][2]string{
		{"message", m.Name}, {"message_id", id}, {"extended", strconv.FormatBool(m.Extended)}, {"bus", strconv.Itoa(int(bus))},
		{"dbc", m.File.Name}, {"dbc_sha256", m.File.SHA256}, {"values", values}, {"comment", m.Comment},
	}
}

// Schema describes the table.
func (t *Message) Schema() *Schema { return &t.schema }

// Signals returns how many signals are wanted.
func (t *Message) Signals() int { return len(t.picked) }

// Rows returns the rows of a batch. Clock holds for all of them.
func (t *Message) Rows(b *decode.Batch, clock string) Rows {
	t.explain(b)
	return Rows{
		N:     b.Len(),
		Fill:  func(column int, v *Values) { t.fill(b, clock, column, v) },
		Short: func(column int, v *Values) Way { return t.short(b, clock, column, v) },
	}
}

// short finds out whether all rows have the same value, or few different ones.
func (t *Message) short(b *decode.Batch, clock string, column int, v *Values) Way {
	switch column {
	case columnTime, columnExact:
		return Full
	case columnBus:
		v.Ints, v.Null = append(v.Ints[:0], int64(t.bus)), nil
	case columnID:
		if !same(b.ID) {
			return Full
		}
		v.Ints, v.Null = append(v.Ints[:0], int64(b.ID[0])), nil
	case columnVerdict:
		if !same(b.Verdict) {
			return Full
		}
		v.verdicts(b.Verdict[:1])
	case columnClock:
		v.constant(1, clock)
	case columnMissing:
		if len(t.missing) > 0 {
			return Full
		}
		t.fillMissing(1, v)
	default:
		return t.steps(b, column-fixedColumns, v)
	}
	return Same
}

// same tells whether all values are the first one.
func same[T comparable](values []T) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

// stepBits is how many bits raw values have at most that are Steps.
const stepBits = 16

// steps fills in raw values, where few different ones are to be expected.
func (t *Message) steps(b *decode.Batch, column int, v *Values) Way {
	if column >= len(t.picked) {
		return Full
	}
	signal := t.picked[column]
	if s := &b.Message.Signals[signal]; s.Length > stepBits || s.Kind >= dbc.Float32 {
		return Full
	}
	v.Ints = b.Raw(signal, v.Ints)
	v.Scale = func(raw int64) float64 { return b.Message.Phys(signal, raw) }
	t.fillNulls(b, signal, v)
	return Steps
}

// reasons are the texts of the column "missing"; the first is null.
var reasons = []string{"", decode.Short.String(), decode.Encrypted.String()}

// explain finds out why signals are missing, the gravest reason of each row.
func (t *Message) explain(b *decode.Batch) {
	t.missing = t.missing[:0]
	for _, signal := range t.picked {
		states, all := b.States(signal, t.states)
		t.states = states
		if all {
			continue
		}
		if len(t.missing) == 0 {
			t.missing = grow(t.missing, b.Len())
			clear(t.missing)
		}
		for row, s := range states {
			switch {
			case s == decode.Encrypted:
				t.missing[row] = 2
			case s == decode.Short && t.missing[row] == 0:
				t.missing[row] = 1
			}
		}
	}
}

func (t *Message) fill(b *decode.Batch, clock string, column int, v *Values) {
	n := b.Len()
	switch column {
	case columnTime, columnExact:
		v.Ints, v.Null = append(v.Ints[:0], b.Time...), nil
	case columnBus:
		v.Ints, v.Null = grow(v.Ints, n), nil
		for i := range v.Ints {
			v.Ints[i] = int64(t.bus)
		}
	case columnID:
		v.Ints, v.Null = grow(v.Ints, n), nil
		for i, id := range b.ID {
			v.Ints[i] = int64(id)
		}
	case columnVerdict:
		v.verdicts(b.Verdict)
	case columnClock:
		v.constant(n, clock)
	case columnMissing:
		t.fillMissing(n, v)
	default:
		if column -= fixedColumns; column < len(t.picked) {
			t.fillSignal(b, column, v)
		} else {
			t.fillText(b, t.named[column-len(t.picked)], v)
		}
	}
}

// verdicts fills Codes; codes of later versions get a text of their own.
func (v *Values) verdicts(verdicts []can.Verdict) {
	v.Codes, v.Null = grow(v.Codes, len(verdicts)), nil
	v.Texts = append(v.Texts[:0], can.Verdicts...)
	for i, code := range verdicts {
		for int(code) >= len(v.Texts) {
			v.Texts = append(v.Texts, can.Verdict(len(v.Texts)).String())
		}
		v.Codes[i] = uint16(code)
	}
}

func (t *Message) fillMissing(n int, v *Values) {
	v.constant(n, "")
	v.Texts = append(v.Texts[:0], reasons...)
	if len(t.missing) > 0 {
		copy(v.Codes, t.missing)
	}
	v.null(n)
	for i, code := range v.Codes {
		v.Null[i] = code == 0
	}
}

func (t *Message) fillSignal(b *decode.Batch, column int, v *Values) {
	signal, kind := t.picked[column], t.schema.Columns[fixedColumns+column].Type
	switch {
	case kind != Float:
		v.Ints = b.Raw(signal, v.Ints)
	case t.raw:
		t.ints = b.Raw(signal, t.ints)
		v.Floats = floats(&b.Message.Signals[signal], t.ints, v.Floats)
	default:
		v.Floats = b.Phys(signal, v.Floats)
	}
	t.fillNulls(b, signal, v)
}

func (t *Message) fillNulls(b *decode.Batch, signal int, v *Values) {
	states, all := b.States(signal, t.states)
	t.states = states
	if all {
		v.Null = nil
		return
	}
	v.null(len(states))
	for row, s := range states {
		v.Null[row] = s != decode.Present
	}
}
