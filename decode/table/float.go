package table

import (
	"math"

	"canseal/decode/dbc"
)

// floats are the numbers that the bits of a float signal stand for.
func floats(s *dbc.Signal, raw []int64, dst []float64) []float64 {
	dst = grow(dst, len(raw))
	for i, bits := range raw {
		if s.Kind == dbc.Float32 {
			dst[i] = float64(math.Float32frombits(uint32(bits)))
		} else {
			dst[i] = math.Float64frombits(uint64(bits))
		}
	}
	return dst
}
