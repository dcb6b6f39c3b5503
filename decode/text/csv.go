package text

import (
	"bufio"
	"encoding/hex"
	"io"
	"math"
	"strconv"
	"strings"

	"canseal/decode/table"
)

// CSV writes a table.
type CSV struct {
	w       *bufio.Writer
	columns []table.Column
	memory  *Memory
	values  []table.Values // of memory
	line    []byte
	clock   stamp
}

// Memory is where columns are made; the tables that one goroutine writes share
// one.
type Memory struct{ values []table.Values }

// NewCSV begins a file with the names of the columns. The columns that other
// formats need for exact times are left out.
func NewCSV(w io.Writer, s *table.Schema, m *Memory) (*CSV, error) {
	c := &CSV{w: bufio.NewWriterSize(w, 1<<15), columns: s.Columns, memory: m}
	for i, column := range s.Columns {
		if column.Exact {
			continue
		}
		name := column.Name
		if column.Unit != "" {
			name += " [" + column.Unit + "]"
		}
		c.line = appendText(appendComma(c.line, i), name)
	}
	c.line = append(c.line, '\n')
	_, err := c.w.Write(c.line)
	return c, err
}

func appendComma(dst []byte, column int) []byte {
	if column > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// Write adds rows.
func (c *CSV) Write(rows table.Rows) error {
	for len(c.memory.values) < len(c.columns) {
		c.memory.values = append(c.memory.values, table.Values{})
	}
	c.values = c.memory.values
	for i := range c.columns {
		rows.Fill(i, &c.values[i])
	}
	for row := range rows.N {
		if err := c.row(row); err != nil {
			return err
		}
	}
	return nil
}

func (c *CSV) row(row int) error {
	c.line = c.line[:0]
	for i := range c.columns {
		if c.columns[i].Exact {
			continue
		}
		c.line = appendComma(c.line, i)
		if v := &c.values[i]; v.Null == nil || !v.Null[row] {
			c.line = c.value(c.line, c.columns[i].Type, v, row)
		}
	}
	c.line = append(c.line, '\n')
	_, err := c.w.Write(c.line)
	return err
}

func (c *CSV) value(dst []byte, t table.Type, v *table.Values, row int) []byte {
	switch t {
	case table.Time:
		return c.clock.append(dst, v.Ints[row])
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

// Close writes what is left.
func (c *CSV) Close() error { return c.w.Flush() }
