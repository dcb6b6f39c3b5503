package text

import (
	"encoding/hex"
	"io"
	"math"
	"strconv"
	"strings"

	"canseal/decode/table"
)

// CSV writes a table. Between calls it holds no rows, so that very many may be
// open.
type CSV struct {
	w       io.Writer
	columns []table.Column
	head    bool // the names of the columns are written
	memory  *Memory
}

// Memory is where columns and lines are made; the tables that one goroutine
// writes share one.
type Memory struct {
	values []table.Values
	lines  []byte
	clock  stamp
}

// enough is how many bytes are written at once.
const enough = 1 << 15

// NewCSV begins a file. The columns that other formats need for exact times are
// left out.
func NewCSV(w io.Writer, s *table.Schema, m *Memory) *CSV {
	return &CSV{w: w, columns: s.Columns, memory: m}
}

// names makes the line with the names of the columns.
func (c *CSV) names(dst []byte) []byte {
	for i, column := range c.columns {
		if column.Exact {
			continue
		}
		name := column.Name
		if column.Unit != "" {
			name += " [" + column.Unit + "]"
		}
		dst = appendText(appendComma(dst, i), name)
	}
	return append(dst, '\n')
}

func appendComma(dst []byte, column int) []byte {
	if column > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// Write adds rows.
func (c *CSV) Write(rows table.Rows) error {
	m := c.memory
	for len(m.values) < len(c.columns) {
		m.values = append(m.values, table.Values{})
	}
	for i := range c.columns {
		rows.Fill(i, &m.values[i])
	}
	m.lines = m.lines[:0]
	if !c.head {
		m.lines, c.head = c.names(m.lines), true
	}
	for row := range rows.N {
		if m.lines = c.row(m.lines, row); len(m.lines) < enough {
			continue
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.flush()
}

// flush writes the lines.
func (c *CSV) flush() error {
	if len(c.memory.lines) == 0 {
		return nil
	}
	_, err := c.w.Write(c.memory.lines)
	c.memory.lines = c.memory.lines[:0]
	return err
}

func (c *CSV) row(dst []byte, row int) []byte {
	for i := range c.columns {
		if c.columns[i].Exact {
			continue
		}
		dst = appendComma(dst, i)
		if v := &c.memory.values[i]; v.Null == nil || !v.Null[row] {
			dst = c.value(dst, c.columns[i].Type, v, row)
		}
	}
	return append(dst, '\n')
}

func (c *CSV) value(dst []byte, t table.Type, v *table.Values, row int) []byte {
	switch t {
	case table.Time:
		return c.memory.clock.append(dst, v.Ints[row])
	case table.Unsigned:
		return strconv.AppendUint(dst, uint64(v.Ints[row]), 10)
	case table.Float:
		return appendFloat(dst, v.Floats[row])
	case table.Text:
		return appendText(dst, v.Texts[v.Codes[row]])
	case table.Bytes:
		return hex.AppendEncode(dst, v.Blobs[row])
	default:
		return strconv.AppendInt(dst, v.Ints[row], 10)
	}
}

// appendFloat prints the shortest text that reads back exactly, whole numbers
// without a point or exponent.
func appendFloat(dst []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n > -1e15 && n < 1e15 && (n != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, n, 10)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendText prints a text that neither breaks the file nor is a formula.
func appendText(dst []byte, s string) []byte {
	if s != "" && (s[0] < ' ' || strings.IndexByte("=+-@", s[0]) >= 0) {
		s = "'" + s
	}
	if !strings.ContainsAny(s, "\",\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}

// Close ends the file; one without rows has the names of the columns.
func (c *CSV) Close() error {
	if c.head {
		return nil
	}
	return c.Write(table.Rows{Fill: func(int, *table.Values) {}})
}
