package decode

import (
	"math/rand/v2"
	"testing"

	"canseal/decode/dbc"
)

// bitByBit reads a signal as the manual of package dbc draws it.
func bitByBit(s *dbc.Signal, data []byte) (v int64) {
	at := s.Start
	for i := range s.Length {
		bit := int64(data[at/8] >> (at % 8) & 1)
		switch {
		case !s.Motorola:
			v |= bit << i
			at++
		case at%8 == 0: // right end of a byte: on to the left end of the next one
			v = v<<1 | bit
			at += 15
		default:
			v = v<<1 | bit
			at--
		}
	}
	if s.Kind == dbc.Signed && s.Length < 64 && v>>(s.Length-1) == 1 {
		v -= 1 << s.Length
	}
	return v
}

// TestSignalsLieAnywhereIn64Bytes compares every start, length, byte order and
// sign with a reader that goes bit by bit, alone and in a column.
func TestSignalsLieAnywhereIn64Bytes(t *testing.T) {
	r := rand.New(rand.NewPCG(64, 1))
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	signals := 0
	for _, motorola := range []bool{false, true} {
		for start := range 512 {
			m := &dbc.Message{Name: "M", ID: 1, Length: 64, Signals: signalsAt(start, motorola)}
			signals += len(m.Signals)
			checkBits(t, m, data)
		}
	}
	if want := 2 * 2 * (512*64 - 63*64/2); signals != want {
		t.Errorf("%d signals, want %d", signals, want)
	}
}

// signalsAt returns all signals that begin at a bit and fit in 64 bytes.
func signalsAt(start int, motorola bool) (all []dbc.Signal) {
	for length := 1; length <= 64; length++ {
		for _, kind := range []dbc.Kind{dbc.Unsigned, dbc.Signed} {
			s := dbc.Signal{Start: start, Length: length, Motorola: motorola, Kind: kind, Scale: 1}
			if s.Bytes() <= 64 {
				all = append(all, s)
			}
		}
	}
	return all
}

func checkBits(t *testing.T, m *dbc.Message, data []byte) {
	t.Helper()
	plan := &Plan{}
	plan.buses[0] = newIndex()
	plan.buses[0].add(compile(nil, m))
	alone := plan.Message(1, 1, 0).Decode(nil, data, 0)
	d := New(Options{Plan: plan, Transport: TransportOptions{Off: true}, Batch: func(b *Batch) error {
		for i := range m.Signals {
			s, want := &m.Signals[i], bitByBit(&m.Signals[i], data)
			if column := b.Raw(i, nil)[0]; column != want || alone[i].Raw != want {
				t.Errorf("%d|%d, Motorola %v, kind %d: %d alone, %d in a column, want %d", s.Start, s.Length, s.Motorola, s.Kind, alone[i].Raw, column, want)
			}
		}
		return nil
	}})
	d.Add(&Frame{Bus: 1, ID: 1, Data: data})
	d.Flush()
}
