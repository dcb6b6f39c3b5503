package logger

import (
	"math"
	"math/rand/v2"
	"testing"

	"canseal/can"
)

func TestSignalIsReadAsADBCFileNumbersIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     Signal
		frame string
		want  float64
		none  bool
	}{
		{"a byte", Signal{Start: 8, Length: 8, Factor: 1}, "3A0#01FE", 254, false},
		{"a signed byte", Signal{Start: 8, Length: 8, Signed: true, Factor: 1}, "3A0#01FE", -2, false},
		{"a bit", Signal{Start: 3, Length: 1, Factor: 1}, "3A0#08", 1, false},
		{"a signed bit", Signal{Start: 3, Length: 1, Signed: true, Factor: 1}, "3A0#08", -1, false},
		{"factor and offset", Signal{Start: 0, Length: 8, Factor: 0.5, Offset: -40}, "3A0#64", 10, false},
		{"Intel over bytes", Signal{Start: 4, Length: 12, Factor: 1}, "3A0#1234", 0x341, false},
		{"Motorola over bytes", Signal{Start: 3, Length: 12, Motorola: true, Factor: 1}, "3A0#1234", 0x234, false},
		{"Motorola from bit 7", Signal{Start: 7, Length: 16, Motorola: true, Factor: 1}, "3A0#1234", 0x1234, false},
		{"Motorola signed", Signal{Start: 7, Length: 16, Motorola: true, Signed: true, Factor: 1}, "3A0#FFFE", -2, false},
		{"Motorola ends in a byte", Signal{Start: 1, Length: 5, Motorola: true, Factor: 1}, "3A0#02A0", 0x15, false},
		{"64 bits", Signal{Start: 0, Length: 64, Factor: 1}, "3A0#FFFFFFFFFFFFFFFF", math.MaxUint64, false},
		{"64 signed bits over nine bytes", Signal{Start: 3, Length: 64, Signed: true, Factor: 1}, "3A0##1F8FFFFFFFFFFFFFF07000000", -1, false},
		{"the last bit of an FD frame", Signal{Start: 511, Length: 1, Factor: 1}, "3A0##1" + zeros(63) + "80", 1, false},
		{"a short frame", Signal{Start: 8, Length: 8, Factor: 1}, "3A0#01", 0, true},
		{"a frame short by one bit", Signal{Start: 1, Length: 8, Factor: 1}, "3A0#01", 0, true},
		{"Motorola in a short frame", Signal{Start: 0, Length: 2, Motorola: true, Factor: 1}, "3A0#01", 0, true},
		{"another identifier", Signal{Start: 0, Length: 8, Factor: 1}, "3A1#01", 0, true},
		{"29 bits", Signal{Start: 0, Length: 8, Factor: 1}, "000003A0#01", 0, true},
		{"a remote frame", Signal{Start: 0, Length: 8, Factor: 1}, "3A0#R8", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.s.ID = 0x3A0
			f := frameOf(t, c.frame)
			if got, ok := c.s.Value(&f); ok == c.none || got != c.want {
				t.Errorf("found %v, %v; wanted %v, %v", got, ok, c.want, !c.none)
			}
		})
	}
}

// rawByBit walks a signal bit by bit, from its highest to its lowest.
func rawByBit(s Signal, payload []byte) (v uint64, ok bool) {
	at := s.Start
	if !s.Motorola {
		at += s.Length - 1
	}
	for range s.Length {
		if at < 0 || at/8 >= len(payload) {
			return 0, false
		}
		v = v<<1 | uint64(payload[at/8]>>(at%8)&1)
		switch {
		case !s.Motorola:
			at--
		case at%8 == 0:
			at += 15
		default:
			at--
		}
	}
	return v, true
}

func FuzzSignalEqualsItsBits(f *testing.F) {
	f.Add(uint16(8), uint8(8), false, []byte{1, 2})
	f.Add(uint16(511), uint8(64), true, make([]byte, 64))
	f.Add(uint16(7), uint8(64), true, []byte{0xFE, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, start uint16, length uint8, motorola bool, payload []byte) {
		s := Signal{Start: int(start % 512), Length: int(length%64) + 1, Motorola: motorola}
		sameBits(t, s, payload[:min(len(payload), can.MaxData)])
	})
}

func TestSignalEqualsItsBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	payload := make([]byte, can.MaxData)
	for start := range 512 {
		for length := 1; length <= 64; length++ {
			for i := range payload {
				payload[i] = byte(r.Uint32())
			}
			sameBits(t, Signal{Start: start, Length: length, Motorola: length%2 == start%2}, payload[:r.IntN(65)])
			sameBits(t, Signal{Start: start, Length: length, Motorola: length%2 != start%2}, payload)
		}
	}
}

func sameBits(t *testing.T, s Signal, payload []byte) {
	t.Helper()
	got, ok := s.raw(payload)
	want, is := rawByBit(s, payload)
	if got != want || ok != is {
		t.Fatalf("%+v of % X: found %X, %v; wanted %X, %v", s, payload, got, ok, want, is)
	}
}
