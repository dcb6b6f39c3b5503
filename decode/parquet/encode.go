package parquet

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/parquet"
)

// The encodings of pages, as the Parquet format describes them. The library has
// them too, a call for each value; these loops are several times faster.

// appendPacked packs values of width bits, the lowest bits first. Bits left over
// in the last byte are 0.
func appendPacked[T uint8 | uint16 | uint64](dst []byte, values []T, width int) []byte {
	word, n := uint64(0), 0
	for _, v := range values {
		x := uint64(v)
		word |= x << (n & 63)
		if n += width; n >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, word)
			n -= 64
			word = x >> (width - n)
		}
	}
	for ; n > 0; n -= 8 {
		dst = append(dst, byte(word))
		word >>= 8
	}
	return dst
}

// appendHybrid writes the form "RLE": one run if all values are the same, else
// all of them packed. Width is at most 16.
func appendHybrid[T uint8 | uint16](dst []byte, values []T, width int) []byte {
	same := true
	for _, v := range values {
		if v != values[0] {
			same = false
			break
		}
	}
	if same && len(values) > 0 {
		return appendRun(dst, uint16(values[0]), len(values), width)
	}
	groups := (len(values) + 7) / 8 // of 8 values
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	end := len(dst) + groups*width
	dst = appendPacked(dst, values, width)
	for len(dst) < end {
		dst = append(dst, 0)
	}
	return dst
}

// appendRun writes a run of n times the same value.
func appendRun(dst []byte, value uint16, n, width int) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(n)<<1), byte(value))
	if width > 8 {
		dst = append(dst, byte(value>>8))
	}
	return dst
}

// appendLevelRun is appendLevels for n values that are all null, or all not.
func appendLevelRun(dst []byte, null bool, n int) []byte {
	at, level := len(dst), uint16(1)
	if null {
		level = 0
	}
	dst = appendRun(append(dst, 0, 0, 0, 0), level, n, 1)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendLevels writes the definition levels of a column that may have nulls:
// 1 for each value, 0 for each null.
func appendLevels(dst []byte, null []bool, n int, levels []uint8) []byte {
	if null == nil {
		return appendLevelRun(dst, false, n)
	}
	for i, is := range null[:n] {
		levels[i] = 1
		if is {
			levels[i] = 0
		}
	}
	at := len(dst)
	dst = appendHybrid(append(dst, 0, 0, 0, 0), levels[:n], 1)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendCodes writes the form "RLE_DICTIONARY" for a dictionary of so many
// values.
func appendCodes(dst []byte, codes []uint16, dictionary int) []byte {
	width := max(1, bits.Len(uint(dictionary-1)))
	return appendHybrid(append(dst, byte(width)), codes, width)
}

// Of DELTA_BINARY_PACKED: values in a block, and in each of its parts, which
// have widths of their own.
const (
	deltaBlock = 128
	deltaPart  = 32
)

// appendDelta writes the form "DELTA_BINARY_PACKED".
func appendDelta(dst []byte, values []int64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaBlock/deltaPart)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	before := values[0]
	dst = binary.AppendVarint(dst, before)
	var deltas [deltaBlock]uint64
	for values = values[1:]; len(values) > 0; {
		n := min(len(values), deltaBlock)
		least := int64(math.MaxInt64)
		for i, v := range values[:n] {
			delta := v - before // wraps, and back
			deltas[i], before = uint64(delta), v
			least = min(least, delta)
		}
		dst = appendDeltaBlock(dst, deltas[:n], least)
		values = values[n:]
	}
	return dst
}

func appendDeltaBlock(dst []byte, deltas []uint64, least int64) []byte {
	dst = binary.AppendVarint(dst, least)
	widths := len(dst)
	dst = append(dst, make([]byte, deltaBlock/deltaPart)...)
	for part := 0; part*deltaPart < len(deltas); part++ {
		var whole [deltaPart]uint64
		all := uint64(0)
		for i, d := range deltas[part*deltaPart : min(len(deltas), (part+1)*deltaPart)] {
			whole[i] = d - uint64(least)
			all |= whole[i]
		}
		width := bits.Len64(all)
		dst[widths+part] = byte(width)
		dst = appendPacked(dst, whole[:], width)
	}
	return dst
}

func appendInts(dst []byte, values []int64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

func appendFloats(dst []byte, values []float64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

func appendBlobs(dst []byte, values []parquet.ByteArray) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}
