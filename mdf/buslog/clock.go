package buslog

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// clock takes the time of a record, in ns since the start of the file.
type clock struct {
	form  timeForm
	value number  // of integers
	at    int     // of floats
	scale int64   // ns per step, where that is whole
	a, b  float64 // seconds = a + b * raw
	be    bool
}

type timeForm uint8

const (
	timeless   timeForm = iota // the group has no time
	wholeNanos                 // f64 that counts ns
	floating                   // f64 with any conversion
	single                     // f32
	steps                      // integer, a whole number of ns each
	integer                    // integer with any conversion
	counted                    // no bytes: the index of the record
)

// clockOf finds the time among the channels of a group.
func clockOf(channels []channel) clock {
	for i := range channels {
		c := &channels[i]
		if (c.kind == master || c.kind == virtualMaster) && c.sync == syncTime {
			return clockFrom(c)
		}
	}
	return clock{}
}

func clockFrom(c *channel) clock {
	t := clock{b: 1, at: c.byte}
	switch c.conversion.kind {
	case ccNone:
	case ccLinear:
		t.a, t.b = c.conversion.values[0], c.conversion.values[1]
	default:
		return clock{}
	}
	switch {
	case c.kind == virtualMaster:
		t.form = counted
	case c.order <= 3:
		t.integer(c)
	case c.order > 5 || c.bit != 0:
		return clock{}
	case c.bits == 64:
		t.form, t.be = floating, c.order == 5
		if t.a == 0 && t.b == 1e-9 && !t.be {
			t.form = wholeNanos
		}
	case c.bits == 32:
		t.form, t.be = single, c.order == 5
	}
	return t
}

func (t *clock) integer(c *channel) {
	plain := *c
	plain.conversion = conversion{}
	t.value, t.form = numberOf(&plain), integer
	if !t.value.there {
		t.form = timeless
	}
	if step := math.Round(t.b * 1e9); t.a == 0 && step >= 1 && step < 1e15 && math.Abs(t.b*1e9/step-1) < 1e-9 {
		t.form, t.scale = steps, int64(step)
	}
}

// of returns the time of a record, ns since the start; false if it is none.
// index is the number of the record in its group.
func (t *clock) of(rec []byte, index uint64) (int64, bool) {
	switch t.form {
	case wholeNanos:
		f := math.Float64frombits(binary.LittleEndian.Uint64(rec[t.at:]))
		return int64(f), f > -timeLimit && f < timeLimit
	case steps:
		high, low := bits.Mul64(t.value.of(rec), uint64(t.scale))
		return int64(low), high == 0 && low < timeLimit
	case timeless:
		return 0, true
	}
	ns := math.Round((t.a + t.b*t.raw(rec, index)) * 1e9)
	return int64(ns), ns > -timeLimit && ns < timeLimit
}

// quick is of for the times of our own files and for all but counted ones.
func (t *clock) quick(rec []byte) (int64, bool) {
	if t.form != wholeNanos {
		return t.of(rec, 0)
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(rec[t.at:]))
	return int64(f), f > -timeLimit && f < timeLimit
}

func (t *clock) raw(rec []byte, index uint64) float64 {
	switch t.form {
	case floating:
		v := binary.LittleEndian.Uint64(rec[t.at:])
		if t.be {
			v = bits.ReverseBytes64(v)
		}
		return math.Float64frombits(v)
	case single:
		v := binary.LittleEndian.Uint32(rec[t.at:])
		if t.be {
			v = bits.ReverseBytes32(v)
		}
		return float64(math.Float32frombits(v))
	case integer:
		return float64(t.value.of(rec))
	}
	return float64(index)
}
