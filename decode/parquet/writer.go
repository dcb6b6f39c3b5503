package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"

	"canseal/decode/table"
)

// Writer writes one file.
type Writer struct {
	sink    *sink
	file    *file.Writer
	columns []table.Column
	memory  *Memory
}

// Memory is where columns are made; the Writers of one goroutine share one.
type Memory struct {
	values table.Values
	levels []int16
	ints   []int64
	floats []float64
	texts  []parquet.ByteArray
	bools  []bool
	codes  []uint8
}

// sink keeps the file open when its Parquet part is finished, and remembers
// the first error, which the library forgets in some places.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

const (
	batch    = 1 << 16 // values that are encoded in one go
	pageSize = 1 << 20 // bytes
)

// NewWriter begins a file in w, which stays open when the Writer is closed.
func NewWriter(w io.Writer, s *table.Schema, m *Memory) (p *Writer, err error) {
	root, err := nodes(s.Columns)
	if err != nil {
		return nil, err
	}
	pairs, err := facts(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, recovered(recover())) }() // a failing write panics there
	registerSnappy()
	out := &sink{w: w}
	return &Writer{sink: out, columns: s.Columns, memory: m, file: file.NewParquetWriter(out, root,
		file.WithWriterProps(parquet.NewWriterProperties(properties(s.Columns)...)), file.WithWriteMetadata(pairs))}, nil
}

func recovered(v any) error {
	if v == nil {
		return nil
	}
	return fmt.Errorf("write Parquet: %v", v)
}

func properties(columns []table.Column) []parquet.WriterProperty {
	all := []parquet.WriterProperty{
		parquet.WithCreatedBy("canseal"), parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false),
		parquet.WithBatchSize(batch), parquet.WithDataPageSize(pageSize), parquet.WithVersion(parquet.V2_LATEST),
	}
	for i := range columns {
		path := parquet.ColumnPath{clean(columns[i].Name)}
		switch c := &columns[i]; {
		case c.Few, c.Type == table.Text, len(c.Choices) > 0 && c.Type != table.Bool:
			all = append(all, parquet.WithDictionaryPath(path, true))
		case c.Type == table.Time, c.Exact:
			all = append(all, parquet.WithEncodingPath(path, parquet.Encodings.DeltaBinaryPacked))
		}
	}
	return all
}

// Write writes a row group.
func (p *Writer) Write(rows table.Rows) (err error) {
	if rows.N == 0 {
		return nil
	}
	defer func() { err = errors.Join(err, recovered(recover()), p.sink.err) }()
	group := p.file.AppendRowGroup()
	for i := range p.columns {
		column, err := group.NextColumn()
		if err != nil {
			return err
		}
		v := &p.memory.values
		rows.Fill(i, v)
		if err := p.memory.column(column, &p.columns[i], v, rows.N); err != nil {
			return fmt.Errorf("column %s: %w", p.columns[i].Name, err)
		}
	}
	return group.Close()
}

// Close writes the end of the file.
func (p *Writer) Close() (err error) {
	defer func() { err = errors.Join(err, recovered(recover()), p.sink.err) }()
	if err := p.file.FlushWithFooter(); err != nil { // Close forgets its error
		return err
	}
	return p.file.Close()
}

// column writes the values of one column: those that are null are left out,
// and have the level 0.
func (m *Memory) column(w file.ColumnChunkWriter, c *table.Column, v *table.Values, n int) (err error) {
	switch {
	case c.Type == table.Text && !c.Nullable:
		return m.texts8(w, v)
	case c.Few && !c.Nullable:
		if dictionary, few := m.distinct(v.Ints); few {
			return ints8(w, m.codes, dictionary)
		}
	}
	levels := m.levelsOf(c, v, n)
	switch w := w.(type) {
	case *file.Int64ColumnChunkWriter:
		ints := v.Ints
		if c.Type == table.Time {
			ints = m.micros(ints)
		}
		_, err = w.WriteBatch(present(ints, v.Null, &m.ints), levels, nil)
	case *file.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(present(v.Floats, v.Null, &m.floats), levels, nil)
	case *file.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(m.bytes(c, v, n), levels, nil)
	case *file.BooleanColumnChunkWriter:
		_, err = w.WriteBatch(m.booleans(v), levels, nil)
	default:
		err = fmt.Errorf("no writer for %T", w)
	}
	return err
}

func (m *Memory) levelsOf(c *table.Column, v *table.Values, n int) []int16 {
	if !c.Nullable {
		return nil
	}
	m.levels = grow(m.levels, n)
	for i := range m.levels {
		m.levels[i] = 1
	}
	for i, null := range v.Null {
		if null {
			m.levels[i] = 0
		}
	}
	return m.levels
}

// present returns the values that are not null.
func present[T any](values []T, null []bool, memory *[]T) []T {
	if null == nil {
		return values
	}
	*memory = (*memory)[:0]
	for i, v := range values {
		if !null[i] {
			*memory = append(*memory, v)
		}
	}
	return *memory
}

// micros cuts times to microseconds, downwards also before 1970.
func (m *Memory) micros(ns []int64) []int64 {
	m.ints = grow(m.ints, len(ns))
	for i, t := range ns {
		us := t / 1000
		if t%1000 < 0 {
			us--
		}
		m.ints[i] = us
	}
	return m.ints
}

// bytes are the texts or blobs that are not null.
func (m *Memory) bytes(c *table.Column, v *table.Values, n int) []parquet.ByteArray {
	m.texts = m.texts[:0]
	if c.Type == table.Bytes {
		for i, blob := range v.Blobs {
			if v.Null == nil || !v.Null[i] {
				m.texts = append(m.texts, blob)
			}
		}
		return m.texts
	}
	words := make([]parquet.ByteArray, len(v.Texts))
	for i, text := range v.Texts {
		words[i] = parquet.ByteArray(clean(text))
	}
	for i := range n {
		if v.Null == nil || !v.Null[i] {
			m.texts = append(m.texts, words[v.Codes[i]])
		}
	}
	return m.texts
}

func (m *Memory) booleans(v *table.Values) []bool {
	m.bools = m.bools[:0]
	for i, x := range v.Ints {
		if v.Null == nil || !v.Null[i] {
			m.bools = append(m.bools, x != 0)
		}
	}
	return m.bools
}

// grow returns dst with n elements, of any value.
func grow[T any](dst []T, n int) []T {
	if cap(dst) < n {
		return make([]T, n)
	}
	return dst[:n]
}
