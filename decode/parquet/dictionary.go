package parquet

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"

	"canseal/decode/table"
)

// Columns of few different values are most columns beside the signals. The
// library would look each value up in a table; here the codes are known.

// mostCodes is what fits in a byte.
const mostCodes = 256

// distinct fills m.codes with indices into the values that there are, unless
// there are too many.
func (m *Memory) distinct(ints []int64) (dictionary []int64, few bool) {
	m.codes = grow(m.codes, len(ints))
	code := 0
	for i, v := range ints {
		if len(dictionary) == 0 || dictionary[code] != v {
			for code = 0; code < len(dictionary) && dictionary[code] != v; code++ {
			}
			if code == len(dictionary) {
				if code == mostCodes {
					return nil, false
				}
				dictionary = append(dictionary, v)
			}
		}
		m.codes[i] = uint8(code)
	}
	return dictionary, true
}

// ints8 writes a column as codes.
func ints8(w file.ColumnChunkWriter, codes []uint8, dictionary []int64) error {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(dictionary, nil)
	if s, is := w.PageStatistics().(*metadata.Int64Statistics); is {
		s.Update(dictionary, 0)
	}
	return coded(w, codes, b.NewArray())
}

// texts8 writes a column of texts as codes. Only texts that occur come into the
// dictionary, in the order in which they do.
func (m *Memory) texts8(w file.ColumnChunkWriter, v *table.Values) error {
	var known [mostCodes]int // code in the file, plus 1
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	var words []parquet.ByteArray
	m.codes = grow(m.codes, len(v.Codes))
	for i, code := range v.Codes {
		if known[code] == 0 {
			word := clean(v.Texts[code])
			b.Append(word)
			words = append(words, parquet.ByteArray(word))
			known[code] = len(words)
		}
		m.codes[i] = uint8(known[code] - 1)
	}
	if s, is := w.PageStatistics().(*metadata.ByteArrayStatistics); is {
		s.Update(words, 0)
	}
	return coded(w, m.codes, b.NewArray())
}

// coded writes codes and the dictionary that they stand for.
func coded(w file.ColumnChunkWriter, codes []uint8, dictionary arrow.Array) error {
	defer dictionary.Release()
	encoder, is := w.CurrentEncoder().(interface{ PutDictionary(arrow.Array) error })
	if !is {
		return fmt.Errorf("no dictionary in %T", w.CurrentEncoder())
	}
	if err := encoder.PutDictionary(dictionary); err != nil {
		return err
	}
	indices := array.NewUint8Data(array.NewData(arrow.PrimitiveTypes.Uint8, len(codes),
		[]*memory.Buffer{nil, memory.NewBufferBytes(codes)}, nil, 0, 0))
	defer indices.Release()
	return w.WriteDictIndices(indices, nil, nil)
}
