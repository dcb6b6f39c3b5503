package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"canseal/decode/table"
)

// Arrow writes one Arrow IPC file (Feather version 2). Its times have all
// their nanoseconds, so that the column that Parquet needs beside is left out.
type Arrow struct {
	sink    *sink
	file    *ipc.FileWriter
	schema  *arrow.Schema
	columns []int // of the table
	types   []table.Type
	memory  *ArrowMemory
}

// ArrowMemory is where columns are made; the writers of one goroutine share
// one.
type ArrowMemory struct{ values []table.Values }

// NewArrow begins a file in w, which stays open when the Arrow is closed.
func NewArrow(w io.Writer, s *table.Schema, m *ArrowMemory) (*Arrow, error) {
	a := &Arrow{sink: &sink{w: w}, memory: m}
	var kept []table.Column
	for i, c := range s.Columns {
		if !c.Exact {
			a.columns, a.types, kept = append(a.columns, i), append(a.types, c.Type), append(kept, c)
		}
	}
	var err error
	if a.schema, err = arrowSchema(kept, s.Properties, arrow.FixedWidthTypes.Timestamp_ns); err != nil {
		return nil, err
	}
	a.file, err = ipc.NewFileWriter(a.sink, ipc.WithSchema(a.schema))
	if err != nil {
		return nil, fmt.Errorf("begin an Arrow file: %w", err)
	}
	return a, nil
}

// Write writes a record batch.
func (a *Arrow) Write(rows table.Rows) error {
	for len(a.memory.values) < len(a.columns) {
		a.memory.values = append(a.memory.values, table.Values{})
	}
	var arrays []arrow.Array
	for i, column := range a.columns {
		v := &a.memory.values[i]
		rows.Fill(column, v)
		arrays = append(arrays, arrowArray(a.types[i], a.schema.Field(i).Type, v, rows.N))
	}
	record := array.NewRecord(a.schema, arrays, int64(rows.N))
	defer record.Release()
	for _, column := range arrays {
		column.Release() // the record holds it
	}
	return errors.Join(a.file.Write(record), a.sink.err)
}

// Close writes the end of the file.
func (a *Arrow) Close() error { return errors.Join(a.file.Close(), a.sink.err) }

func arrowArray(t table.Type, as arrow.DataType, v *table.Values, n int) arrow.Array {
	switch t {
	case table.Float:
		return numbers(as, arrow.Float64Traits.CastToBytes(v.Floats), v.Null, n)
	case table.Text:
		return texts(v, n)
	case table.Bytes:
		return blobs(v)
	case table.Bool:
		return booleans(v)
	}
	return numbers(as, arrow.Int64Traits.CastToBytes(v.Ints), v.Null, n)
}

// numbers borrows the values.
func numbers(as arrow.DataType, values []byte, null []bool, n int) arrow.Array {
	validity, nulls := bitmap(null)
	data := array.NewData(as, n, []*memory.Buffer{validity, memory.NewBufferBytes(values)}, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// bitmap has a bit for each value that is not null; nil: none is.
func bitmap(null []bool) (*memory.Buffer, int) {
	if null == nil {
		return nil, 0
	}
	bits, nulls := make([]byte, (len(null)+7)/8), 0
	for i, is := range null {
		if is {
			nulls++
		} else {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return memory.NewBufferBytes(bits), nulls
}

func texts(v *table.Values, n int) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	words := make([]string, len(v.Texts))
	for i, text := range v.Texts {
		words[i] = clean(text)
	}
	for i := range n {
		if v.Null != nil && v.Null[i] {
			b.AppendNull()
		} else {
			b.Append(words[v.Codes[i]])
		}
	}
	return b.NewArray()
}

func blobs(v *table.Values) arrow.Array {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	defer b.Release()
	for i, blob := range v.Blobs {
		if v.Null != nil && v.Null[i] {
			b.AppendNull()
		} else {
			b.Append(blob)
		}
	}
	return b.NewArray()
}

func booleans(v *table.Values) arrow.Array {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer b.Release()
	for i, x := range v.Ints {
		if v.Null != nil && v.Null[i] {
			b.AppendNull()
		} else {
			b.Append(x != 0)
		}
	}
	return b.NewArray()
}
