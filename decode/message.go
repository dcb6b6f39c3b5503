package decode

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"canseal/decode/dbc"
)

// Message is a message of a DBC file made ready for decoding.
type Message struct {
	*dbc.Message
	File *dbc.File

	words   int // 64-bit words of a payload
	signals []signal
}

// signal says how a dbc.Signal is taken out of the payload, seen as words of
// 64 bits, little-endian. No signal touches more than two of them. After the
// window of a signal, one word, is loaded, one pair of shifts is left:
//
//	Intel      word >> start          the window begins with the signal's word;
//	Motorola   word, bytes reversed   where the signal goes on in the next
//	                                  word, that is shifted in
type signal struct {
	kind        dbc.Kind
	motorola    bool
	straddles   bool
	word        int
	start       uint8 // bit within the word where a straddling signal begins
	left, right uint8
	bytes       int    // of the payload that it needs
	touched     uint64 // the bytes it has bits in, as Frame.Hidden counts them
	scale       float64
	offset      float64

	mux       int         // multiplexer, -1: none
	ranges    []dbc.Range // of its values, sorted, apart from each other
	selection int         // a number for each pair of mux and ranges
}

func compile(f *dbc.File, m *dbc.Message) *Message {
	c := &Message{Message: m, File: f, words: (m.Length + 7) / 8, signals: make([]signal, len(m.Signals))}
	selections := map[string]int{}
	for i := range m.Signals {
		s := compileSignal(&m.Signals[i])
		key := fmt.Sprint(s.mux, s.ranges)
		if _, ok := selections[key]; !ok {
			selections[key] = len(selections)
		}
		s.selection = selections[key]
		c.signals[i] = s
	}
	return c
}

func compileSignal(s *dbc.Signal) signal {
	first := s.First()
	c := signal{
		kind: s.Kind, motorola: s.Motorola, word: first / 64, start: uint8(first % 64),
		right: uint8(64 - s.Length), bytes: s.Bytes(), touched: touched(first/8, s.Bytes()),
		scale: s.Scale, offset: s.Offset, mux: -1,
	}
	c.straddles = first%64+s.Length > 64
	switch {
	case c.straddles && c.motorola:
		c.left = 0
	case c.straddles:
		c.left = c.right
	case c.motorola:
		c.left = c.start
	default:
		c.left = c.right - c.start
	}
	if s.Mux != nil {
		c.mux, c.ranges = s.Mux.Signal, merge(s.Mux.Ranges)
	}
	return c
}

// touched marks the bytes from first to end-1; all from 63 on share a bit.
func touched(first, end int) (mask uint64) {
	for b := first; b < end; b++ {
		mask |= 1 << min(b, 63)
	}
	return mask
}

// merge sorts ranges and joins those that meet.
func merge(ranges []dbc.Range) (apart []dbc.Range) {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b dbc.Range) int { return cmp.Compare(a.First, b.First) })
	for _, r := range sorted {
		if n := len(apart); n > 0 && r.First <= apart[n-1].Last {
			apart[n-1].Last = max(apart[n-1].Last, r.Last)
		} else {
			apart = append(apart, r)
		}
	}
	return apart
}

// selects reports whether the value of the multiplexer selects the signal.
func (s *signal) selects(v uint64) bool {
	if len(s.ranges) == 1 {
		return s.ranges[0].First <= v && v <= s.ranges[0].Last
	}
	i, found := slices.BinarySearchFunc(s.ranges, v, func(r dbc.Range, v uint64) int { return cmp.Compare(r.First, v) })
	return found || i > 0 && v <= s.ranges[i-1].Last
}

// window returns the word of a row that the shifts of s are made for.
func (s *signal) window(row []uint64) uint64 {
	switch {
	case s.straddles:
		return s.join(row[s.word], row[s.word+1])
	case s.motorola:
		return bits.ReverseBytes64(row[s.word])
	}
	return row[s.word]
}

// join makes the window of a signal that begins in word w and ends in the next.
func (s *signal) join(w, next uint64) uint64 {
	if s.motorola {
		return bits.ReverseBytes64(w)<<s.start | bits.ReverseBytes64(next)>>(64-s.start)
	}
	return w>>s.start | next<<(64-s.start)
}

// raw returns the value in a window, its sign extended.
func (s *signal) raw(window uint64) int64 {
	if s.kind == dbc.Signed {
		return int64(window<<s.left) >> s.right
	}
	return int64(window << s.left >> s.right)
}

// phys scales a raw value in two roundings. A fused multiplication and
// addition, which some processors have, would give other last bits.
func (s *signal) phys(raw int64) float64 {
	v := float64(raw)
	switch {
	case s.kind >= dbc.Float32:
		v = s.float(raw)
	case s.kind == dbc.Unsigned && s.right == 0:
		v = float64(uint64(raw))
	}
	return float64(v*s.scale) + s.offset
}

// unsignedRaw is the value that multiplexed signals compare.
func (s *signal) unsignedRaw(window uint64) uint64 { return window << s.left >> s.right }

// load writes a payload into row, padded with zeros; what is beyond is ignored.
func load(row []uint64, data []byte) {
	for i := range row {
		if len(data) >= 8 {
			row[i] = binary.LittleEndian.Uint64(data)
			data = data[8:]
		} else {
			row[i] = partial(data)
			data = nil
		}
	}
}

// partial returns up to seven bytes as a little-endian word.
func partial(data []byte) (w uint64) {
	n := len(data)
	if n >= 4 {
		return uint64(binary.LittleEndian.Uint32(data)) | uint64(binary.LittleEndian.Uint32(data[n-4:]))<<(8*(n-4))
	}
	for i := n - 1; i >= 0; i-- {
		w = w<<8 | uint64(data[i])
	}
	return w
}

// Phys scales a raw value of signal i (of Signals).
func (m *Message) Phys(i int, raw int64) float64 { return m.signals[i].phys(raw) }

// Value is one signal of one payload.
type Value struct {
	State State   // else than Present: Raw and Phys are 0
	Raw   int64   // before scaling; an unsigned signal of 64 bits: its bits; a float signal: its IEEE 754 bits
	Phys  float64 // after scaling
}

// Decode decodes one payload: dst, grown where it is too small, gets one Value
// for each of m.Signals. Bytes marked in hidden (see Frame) are ciphertext.
func (m *Message) Decode(dst []Value, data []byte, hidden uint64) []Value {
	var space [8]uint64 // enough for a frame
	row := space[:]
	if m.words > len(space) {
		row = make([]uint64, m.words)
	}
	row = row[:m.words]
	load(row, data)
	dst = grow(dst, len(m.signals))
	for i := range m.signals {
		s := &m.signals[i]
		dst[i] = Value{State: m.state(i, row, len(data), hidden)}
		if dst[i].State == Present {
			dst[i].Raw = s.raw(s.window(row))
			dst[i].Phys = s.phys(dst[i].Raw)
		}
	}
	return dst
}

// state goes up the multiplexers; a DBC file has at most 16 above each other.
func (m *Message) state(i int, row []uint64, length int, hidden uint64) State {
	s := &m.signals[i]
	if s.mux >= 0 {
		up := &m.signals[s.mux]
		if state := m.state(s.mux, row, length, hidden); state != Present {
			return state
		}
		if !s.selects(up.unsignedRaw(up.window(row))) {
			return Unselected
		}
	}
	switch {
	case length < s.bytes:
		return Short
	case s.touched&hidden != 0:
		return Encrypted
	}
	return Present
}

// grow returns dst with n elements, of any value.
func grow[T any](dst []T, n int) []T {
	if cap(dst) < n {
		return make([]T, n)
	}
	return dst[:n]
}

// Text returns the description of a raw value of signal i, if there is one. A
// float signal has them by its whole numbers.
func (m *Message) Text(i int, raw int64) (string, bool) {
	s := &m.signals[i]
	if s.kind >= dbc.Float32 {
		v := s.float(raw)
		if raw = int64(v); float64(raw) != v {
			return "", false
		}
	}
	return m.Signals[i].Text(raw)
}

// float returns the number that the bits of a float signal are.
func (s *signal) float(raw int64) float64 {
	if s.kind == dbc.Float32 {
		return float64(math.Float32frombits(uint32(raw)))
	}
	return math.Float64frombits(uint64(raw))
}
