package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/klauspost/compress/s2"

	"canseal/decode/table"
)

// Writer writes one file.
type Writer struct {
	sink    *sink
	schema  *table.Schema
	facts   *metadata.FileMetaDataBuilder // nil: none since they were packed
	packed  [][]byte                      // facts about the row groups before
	columns []table.Column
	groups  int16
	memory  *Memory
	err     error // the first one; the file is of no use then
}

// Memory is where pages are made; the Writers of one goroutine share one.
type Memory struct {
	pager  file.PageWriter
	values table.Values
	group  bytes.Buffer
	page   []byte // the page, as it is before compression
	small  []byte // and behind it
	words  []byte // the dictionary
	levels []uint8
	ints   []int64
	floats []float64
	codes  []uint16 // of the values that are not null

	dictionary []int64             // what codes of numbers stand for, before scaling
	blobsOf    []parquet.ByteArray // what codes of texts stand for
	known      []uint16            // codes by raw value, plus 1; all 0 between columns
	knownText  []uint16            // codes in the file by those of texts, plus 1
}

// magic stands at both ends of a file.
const magic = "PAR1"

// NewWriter begins a file in w, which stays open when the Writer is closed.
func NewWriter(w io.Writer, s *table.Schema, m *Memory) (*Writer, error) {
	p := &Writer{sink: &sink{w: w}, schema: s, columns: s.Columns, memory: m}
	if err := p.unpack(); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(p.sink, magic); err != nil {
		return nil, err
	}
	return p, nil
}

// properties are what the library notes about the columns.
func properties(columns []table.Column) []parquet.WriterProperty {
	all := []parquet.WriterProperty{
		parquet.WithCreatedBy("canseal"), parquet.WithCompression(compress.Codecs.Snappy), parquet.WithVersion(parquet.V2_LATEST),
	}
	for i := range columns {
		if exact(&columns[i]) {
			all = append(all, parquet.WithEncodingPath(parquet.ColumnPath{clean(columns[i].Name)}, parquet.Encodings.DeltaBinaryPacked))
		}
	}
	return all
}

// exact tells whether a column holds times.
func exact(c *table.Column) bool { return c.Type == table.Time || c.Type == table.Nanos || c.Exact }

// Write writes a row group.
func (p *Writer) Write(rows table.Rows) error {
	if rows.N == 0 || p.err != nil {
		return p.err
	}
	if p.err = p.unpack(); p.err != nil {
		return p.err
	}
	begin := p.sink.at
	p.sink.hold(&p.memory.group)
	group := p.facts.AppendRowGroup()
	for i := range p.columns {
		if err := p.column(group, i, rows); err != nil {
			p.err = fmt.Errorf("column %s: %w", p.columns[i].Name, err)
			return p.err
		}
	}
	group.SetNumRows(rows.N)
	p.err = errors.Join(group.Finish(p.sink.at-begin, p.groups), p.sink.release())
	p.groups++
	return p.err
}

// Close writes the end of the file.
func (p *Writer) Close() error {
	if p.err != nil {
		return p.err
	}
	facts, err := p.all()
	if err != nil {
		return err
	}
	p.err = errors.New("closed")
	n, err := facts.WriteTo(p.sink, nil)
	if err != nil {
		return err
	}
	p.sink.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...))
	return p.sink.err
}

// column writes the chunk of a column: its dictionary, if it has one, and a
// page with all values.
func (p *Writer) column(group *metadata.RowGroupMetaDataBuilder, i int, rows table.Rows) error {
	m, at := p.memory, group.NextColumnChunk()
	if err := m.begin(p.sink, at, p.groups, int16(i)); err != nil {
		return err
	}
	c := m.chunk(&p.columns[i], i, rows)
	if c.words > 0 {
		page := file.NewDictionaryPage(memory.NewBufferBytes(m.words), int32(c.words), parquet.Encodings.Plain)
		defer page.Release()
		if _, err := m.pager.WriteDictionaryPage(page); err != nil {
			return err
		}
	}
	m.small = s2.EncodeSnappy(m.small[:cap(m.small)], m.page)
	page := file.NewDataPageV1WithStats(memory.NewBufferBytes(m.small), int32(rows.N), c.encoding, parquet.Encodings.RLE, parquet.Encodings.RLE,
		int32(len(m.page)), c.facts)
	defer page.Release()
	if _, err := m.pager.WriteDataPage(page); err != nil {
		return err
	}
	at.SetStats(c.facts)
	return m.pager.Close(c.words > 0, false)
}

// begin makes the library ready for the pages of a column.
func (m *Memory) begin(to *sink, at *metadata.ColumnChunkMetaDataBuilder, group, column int16) (err error) {
	if m.pager != nil {
		return m.pager.Reset(to, compress.Codecs.Snappy, 0, at, group, column, nil, nil)
	}
	m.pager, err = file.NewPageWriter(to, compress.Codecs.Snappy, 0, at, group, column, memory.DefaultAllocator, false, nil, nil)
	return err
}
