package decode

import (
	"math/bits"

	"canseal/decode/dbc"
)

// The loops of this file are the whole cost of decoding: one for each way to
// take an integer out of a word, over a column of words. dst and windows have
// the same length. Shifts are masked because that saves the processor a check.

// raws fills a column with raw values.
func (s *signal) raws(dst []int64, windows []uint64, reverse bool) {
	left, right := s.left&63, s.right&63
	windows = windows[:len(dst)]
	switch {
	case s.kind == dbc.Signed && reverse:
		for i, w := range windows {
			dst[i] = int64(bits.ReverseBytes64(w)<<(left&63)) >> (right & 63)
		}
	case s.kind == dbc.Signed:
		for i, w := range windows {
			dst[i] = int64(w<<(left&63)) >> (right & 63)
		}
	case reverse:
		for i, w := range windows {
			dst[i] = int64(bits.ReverseBytes64(w) << (left & 63) >> (right & 63))
		}
	default:
		for i, w := range windows {
			dst[i] = int64(w << (left & 63) >> (right & 63))
		}
	}
}

// physes fills a column with physical values; see signal.phys for the rounding.
func (s *signal) physes(dst []float64, windows []uint64, reverse bool) {
	left, right, scale, offset := s.left&63, s.right&63, s.scale, s.offset
	windows = windows[:len(dst)]
	switch {
	case s.kind >= dbc.Float32 || s.kind == dbc.Unsigned && right == 0:
		s.rarePhyses(dst, windows, reverse)
	case s.kind == dbc.Signed && reverse:
		for i, w := range windows {
			dst[i] = float64(float64(int64(bits.ReverseBytes64(w)<<(left&63))>>(right&63))*scale) + offset
		}
	case s.kind == dbc.Signed:
		for i, w := range windows {
			dst[i] = float64(float64(int64(w<<(left&63))>>(right&63))*scale) + offset
		}
	case reverse:
		for i, w := range windows {
			dst[i] = float64(float64(int64(bits.ReverseBytes64(w)<<(left&63)>>(right&63)))*scale) + offset
		}
	default:
		for i, w := range windows {
			dst[i] = float64(float64(int64(w<<(left&63)>>(right&63)))*scale) + offset
		}
	}
}

// rarePhyses does floats, and integers of 64 bits without sign.
func (s *signal) rarePhyses(dst []float64, windows []uint64, reverse bool) {
	for i, w := range windows {
		if reverse {
			w = bits.ReverseBytes64(w)
		}
		dst[i] = s.phys(s.raw(w))
	}
}
