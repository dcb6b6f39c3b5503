package table

import (
	"strconv"
	"strings"

	"canseal/decode/dbc"
)

// Type is what the values of a column are.
type Type uint8

const (
	Time     Type = iota // Ints: ns since 1970 UTC
	Int                  // Ints
	Unsigned             // Ints: the bits of 64-bit numbers without sign
	Float                // Floats
	Text                 // Codes and Texts
	Bytes                // Blobs
	Bool                 // Ints: 0 or 1
	Nanos                // as Time, for files that are to have nanoseconds (InNanos)
)

// Column describes one column.
type Column struct {
	Name     string // unique within its table, also without regard to case
	Type     Type
	Nullable bool
	Exact    bool // Int: the nanoseconds of column t, for formats that lack them there
	Few      bool // not many different values
	Unit     string
	Comment  string
	Choices  []dbc.Choice // descriptions of raw values
}

// Schema describes a table.
type Schema struct {
	Name       string
	Columns    []Column
	Properties [][2]string // facts about the whole: name, value
}

// Values are the values of one column, as its Type says.
type Values struct {
	Ints   []int64
	Floats []float64
	Codes  []uint16 // indices into Texts
	Texts  []string
	Blobs  [][]byte
	Null   []bool // nil: none is

	Scale func(raw int64) float64 // of Steps

	nulls []bool // memory of Null
}

// null makes room for n marks.
func (v *Values) null(n int) {
	v.nulls = grow(v.nulls, n)
	v.Null = v.nulls
}

// Slice returns the values of the rows from begin to end-1.
func (v *Values) Slice(begin, end int) Values {
	return Values{
		Ints: part(v.Ints, begin, end), Floats: part(v.Floats, begin, end), Blobs: part(v.Blobs, begin, end),
		Codes: part(v.Codes, begin, end), Texts: v.Texts, Null: part(v.Null, begin, end),
	}
}

// part slices a column that may be of another type, and then has no values or
// old ones.
func part[T any](column []T, begin, end int) []T {
	if len(column) < end {
		return nil
	}
	return column[begin:end]
}

// Slice returns the rows from begin to end-1.
func (r Rows) Slice(begin, end int) Rows {
	if begin == 0 && end == r.N {
		return r
	}
	cut := func(v *Values) {
		nulls, scale := v.nulls, v.Scale
		*v = v.Slice(begin, end)
		v.nulls, v.Scale = nulls, scale
	}
	part := Rows{N: end - begin, Fill: func(column int, v *Values) { r.Fill(column, v); cut(v) }}
	if r.Short != nil {
		part.Short = func(column int, v *Values) Way {
			way := r.Short(column, v)
			if way == Steps {
				cut(v)
			}
			return way
		}
	}
	return part
}

// Way says what Rows.Short made of a column.
type Way uint8

const (
	Full  Way = iota // nothing: it is for Fill
	Same             // all rows have the same value, or are null: v holds one row
	Steps            // Ints of at most 16 bits, which tell the values apart; Values.Scale makes Floats of them
)

// Rows are some rows of a table. They are borrowed: valid until the function
// that got them returns.
type Rows struct {
	N    int
	Fill func(column int, v *Values) // makes the values of a column in the memory of v

	// Short is a shorter way than Fill, where a column has one. Nil: none has.
	Short func(column int, v *Values) Way
}

// Writer writes one table into a file.
type Writer interface {
	Write(Rows) error
	Close() error // finishes the file; what is below stays open
}

// unique gives columns names that differ also without regard to case: one whose
// name is taken gets the next number for that name, from "_2".
func unique(columns []Column) {
	latest := map[string]int{} // the number given last, by taken names in lower case
	for i := range columns {
		lower, end := strings.ToLower(columns[i].Name), ""
		for latest[lower+end] > 0 {
			latest[lower]++
			end = "_" + strconv.Itoa(latest[lower])
		}
		latest[lower+end] = 1
		columns[i].Name += end
	}
}

// constant fills Codes with one text.
func (v *Values) constant(n int, text string) {
	v.Codes = grow(v.Codes, n)
	clear(v.Codes)
	v.Texts = append(v.Texts[:0], text)
	v.Null = nil
}

// grow returns dst with n elements, of any value.
func grow[T any](dst []T, n int) []T {
	if cap(dst) < n {
		return make([]T, n)
	}
	return dst[:n]
}
