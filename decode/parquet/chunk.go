package parquet

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/metadata"

	"canseal/decode/table"
)

// chunk tells about the chunk of a column, which stands in Memory.page and
// Memory.words.
type chunk struct {
	encoding parquet.Encoding
	words    int // of the dictionary; 0: none
	facts    metadata.EncodedStatistics
}

// mostWords is how many different values a column of few values may have.
const mostWords = 256

// chunk makes the chunk of a column. Values that are null are left out, and
// have the level 0.
func (m *Memory) chunk(c *table.Column, column int, rows table.Rows) (out chunk) {
	v := &m.values
	m.page, m.words = m.page[:0], m.words[:0]
	way := table.Full
	if rows.Short != nil {
		way = rows.Short(column, v)
	}
	if way == table.Same {
		return m.same(c, v, rows.N)
	}
	if way == table.Steps && m.steps(v, rows.N) {
		out = m.coded(c, v, rows.N)
	} else {
		rows.Fill(column, v)
		out = m.filled(c, v, rows.N)
	}
	if c.Nullable {
		out.facts.SetNullCount(nulls(v.Null))
	}
	return out
}

// same makes a chunk of one value in all rows, or of nulls: a dictionary of one
// word, and two runs.
func (m *Memory) same(c *table.Column, v *table.Values, n int) (out chunk) {
	isNull := v.Null != nil && v.Null[0]
	switch {
	case c.Type == table.Text:
		m.texts(v, 1)
		m.words, out.facts = appendBlobs(m.words, m.blobsOf), textFacts(m.blobsOf)
	case !isNull:
		m.words, out.facts = appendInts(m.words, v.Ints), intFacts(v.Ints, c.Type == table.Unsigned)
	}
	if c.Nullable {
		m.page = appendLevelRun(m.page, isNull, n)
		out.facts.SetNullCount(0)
	}
	out.encoding = parquet.Encodings.Plain
	if isNull {
		out.facts.SetNullCount(int64(n))
		return out
	}
	out.encoding, out.words = parquet.Encodings.RLEDict, 1
	m.page = appendRun(append(m.page, 1), 0, n, 1)
	return out
}

func nulls(null []bool) (n int64) {
	for _, is := range null {
		if is {
			n++
		}
	}
	return n
}

// filled makes a chunk of values as they are.
func (m *Memory) filled(c *table.Column, v *table.Values, n int) (out chunk) {
	switch {
	case c.Type == table.Text:
		m.texts(v, n)
		return m.codedTexts(c, v, n)
	case c.Few && m.few(v):
		return m.coded(c, v, n)
	}
	m.level(c, v, n)
	out.encoding = parquet.Encodings.Plain
	switch c.Type {
	case table.Float:
		m.floats = present(v.Floats, v.Null, m.floats)
		m.page = appendFloats(m.page, m.floats)
		out.facts = floatFacts(m.floats)
	case table.Bytes:
		m.page = m.blobs(v)
	case table.Bool:
		m.page = m.bools(v)
	default:
		m.ints = present(v.Ints, v.Null, m.ints)
		if c.Type == table.Time {
			micros(m.ints)
		}
		out.facts = intFacts(m.ints, c.Type == table.Unsigned)
		if exact(c) {
			out.encoding = parquet.Encodings.DeltaBinaryPacked
			m.page = appendDelta(m.page, m.ints)
		} else {
			m.page = appendInts(m.page, m.ints)
		}
	}
	return out
}

// level begins a page with its levels.
func (m *Memory) level(c *table.Column, v *table.Values, n int) {
	if c.Nullable {
		m.levels = grow(m.levels, n)
		m.page = appendLevels(m.page, v.Null, n, m.levels)
	}
}

// steps gives codes to raw values of at most 16 bits, unless a dictionary of
// them would not be worth it.
func (m *Memory) steps(v *table.Values, n int) bool {
	if m.known == nil {
		m.known = make([]uint16, 1<<16)
	}
	most := min(max(n/4, 16), math.MaxUint16-1)
	m.codes, m.dictionary = grow(m.codes, n)[:0], m.dictionary[:0]
	for i, raw := range v.Ints {
		if v.Null != nil && v.Null[i] {
			continue
		}
		code := m.known[uint16(raw)]
		if code == 0 {
			m.dictionary = append(m.dictionary, raw)
			code = uint16(len(m.dictionary))
			m.known[uint16(raw)] = code
			if len(m.dictionary) > most {
				break
			}
		}
		m.codes = append(m.codes, code-1)
	}
	for _, raw := range m.dictionary {
		m.known[uint16(raw)] = 0
	}
	return len(m.dictionary) <= most
}

// few gives codes to the values of a column of few different ones, unless
// there are too many.
func (m *Memory) few(v *table.Values) bool {
	m.codes, m.dictionary = grow(m.codes, len(v.Ints))[:0], m.dictionary[:0]
	code := 0
	for i, x := range v.Ints {
		if v.Null != nil && v.Null[i] {
			continue
		}
		if len(m.dictionary) == 0 || m.dictionary[code] != x {
			for code = 0; code < len(m.dictionary) && m.dictionary[code] != x; code++ {
			}
			if code == mostWords {
				return false
			}
			if code == len(m.dictionary) {
				m.dictionary = append(m.dictionary, x)
			}
		}
		m.codes = append(m.codes, uint16(code))
	}
	v.Scale = nil
	return true
}

// coded makes a chunk of m.codes and m.dictionary.
func (m *Memory) coded(c *table.Column, v *table.Values, n int) (out chunk) {
	if c.Type == table.Float {
		m.floats = grow(m.floats, len(m.dictionary))
		for i, raw := range m.dictionary {
			m.floats[i] = v.Scale(raw)
		}
		m.words, out.facts = appendFloats(m.words, m.floats), floatFacts(m.floats)
	} else {
		m.words, out.facts = appendInts(m.words, m.dictionary), intFacts(m.dictionary, c.Type == table.Unsigned)
	}
	return m.code(out, c, v, n, len(m.dictionary))
}

// code makes the page of m.codes.
func (m *Memory) code(out chunk, c *table.Column, v *table.Values, n, words int) chunk {
	m.level(c, v, n)
	out.encoding = parquet.Encodings.Plain // nothing but nulls
	if out.words = words; words > 0 {
		out.encoding = parquet.Encodings.RLEDict
		m.page = appendCodes(m.page, m.codes, words)
	}
	return out
}

// texts gives codes to texts. Only texts that occur come into the dictionary,
// in the order in which they do.
func (m *Memory) texts(v *table.Values, n int) {
	m.knownText = grow(m.knownText, len(v.Texts))
	known := m.knownText
	clear(known)
	m.codes, m.blobsOf = grow(m.codes, n)[:0], m.blobsOf[:0]
	for i, code := range v.Codes {
		if v.Null != nil && v.Null[i] {
			continue
		}
		if known[code] == 0 {
			m.blobsOf = append(m.blobsOf, parquet.ByteArray(clean(v.Texts[code])))
			known[code] = uint16(len(m.blobsOf))
		}
		m.codes = append(m.codes, known[code]-1)
	}
}

// codedTexts makes a chunk of m.codes and m.blobsOf.
func (m *Memory) codedTexts(c *table.Column, v *table.Values, n int) (out chunk) {
	m.words = appendBlobs(m.words, m.blobsOf)
	out.facts = textFacts(m.blobsOf)
	return m.code(out, c, v, n, len(m.blobsOf))
}

func (m *Memory) blobs(v *table.Values) []byte {
	m.blobsOf = m.blobsOf[:0]
	for i, blob := range v.Blobs {
		if v.Null == nil || !v.Null[i] {
			m.blobsOf = append(m.blobsOf, blob)
		}
	}
	return appendBlobs(m.page, m.blobsOf)
}

func (m *Memory) bools(v *table.Values) []byte {
	m.levels = m.levels[:0]
	for i, x := range v.Ints {
		if v.Null == nil || !v.Null[i] {
			m.levels = append(m.levels, uint8(x&1))
		}
	}
	return appendPacked(m.page, m.levels, 1)
}

// present returns the values that are not null; without nulls values itself.
func present[T any](values []T, null []bool, memory []T) []T {
	memory = memory[:0]
	if null == nil {
		return append(memory, values...)
	}
	for i, v := range values {
		if !null[i] {
			memory = append(memory, v)
		}
	}
	return memory
}

// micros cuts times to microseconds, downwards also before 1970.
func micros(ns []int64) {
	for i, t := range ns {
		us := t / 1000
		if t%1000 < 0 {
			us--
		}
		ns[i] = us
	}
}

// intFacts are the least and the greatest value.
func intFacts(values []int64, unsigned bool) (facts metadata.EncodedStatistics) {
	if len(values) == 0 {
		return facts
	}
	flip := int64(0)
	if unsigned {
		flip = math.MinInt64
	}
	least, most := values[0]^flip, values[0]^flip
	for _, v := range values {
		v ^= flip
		least, most = min(least, v), max(most, v)
	}
	facts.Signed = !unsigned
	facts.SetMin(binary.LittleEndian.AppendUint64(nil, uint64(least^flip)))
	facts.SetMax(binary.LittleEndian.AppendUint64(nil, uint64(most^flip)))
	return facts
}

// floatFacts leave out what is no number, and take both zeros for one, as the
// format wants it.
func floatFacts(values []float64) (facts metadata.EncodedStatistics) {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v < least {
			least = v
		}
		if v > most {
			most = v
		}
	}
	if least > most {
		return facts
	}
	if least == 0 {
		least = math.Copysign(0, -1)
	}
	if most == 0 {
		most = 0
	}
	facts.Signed = true
	facts.SetMin(appendFloats(nil, []float64{least}))
	facts.SetMax(appendFloats(nil, []float64{most}))
	return facts
}

// textFacts are the least and the greatest text, unless they are long.
func textFacts(values []parquet.ByteArray) (facts metadata.EncodedStatistics) {
	const long = 64
	if len(values) == 0 {
		return facts
	}
	least, most := string(values[0]), string(values[0])
	for _, v := range values {
		least, most = min(least, string(v)), max(most, string(v))
	}
	if len(least) <= long && len(most) <= long {
		facts.SetMin([]byte(least))
		facts.SetMax([]byte(most))
	}
	return facts
}

// grow returns dst with n elements, of any value.
func grow[T any](dst []T, n int) []T {
	if cap(dst) < n {
		return make([]T, n)
	}
	return dst[:n]
}
