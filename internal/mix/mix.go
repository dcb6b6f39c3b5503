// Package mix makes the reference traffic that decoding is measured with, and
// its DBC file: 80 messages (60 standard, 20 as on J1939) on two buses in
// periods from 10 ms to 1 s, with 450 signals of 1 to 24 bits, Intel and
// Motorola, signed and unsigned. Values walk at random. Every second message
// ends with a counter and a checksum; every tenth is multiplexed.
package mix

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"

	"canseal/can"
)

const (
	Messages = 80
	Signals  = 450
	Buses    = 2

	begin = 1_795_176_000_000_000_000 // 2026-11-20 12:00 UTC
)

// Source makes frames without end, in the order of their times, the same ones
// for the same seed.
type Source struct {
	r        *rand.Rand
	messages []message
}

type message struct {
	name     string
	bus      uint8
	id       uint32
	extended bool
	motorola bool
	sealed   bool // ends with a counter and a checksum
	pages    int  // multiplexed if more than 1
	signals  []signal

	period, due int64
	page        int
	count       uint8
}

type signal struct {
	name          string
	at, bits      int // at: from the end where the byte order begins
	page          int // -1: always there
	signed        bool
	scale, offset float64
	value, pace   int64
}

// New makes a Source.
func New(seed uint64) *Source {
	s := &Source{r: rand.New(rand.NewPCG(seed, 1))}
	periods := []int64{10, 20, 20, 50, 100, 100, 200, 500, 1000, 1000}
	left := Signals
	for i := range Messages {
		m := message{
			name: fmt.Sprintf("Message%02d", i), bus: uint8(1 + i%Buses), id: 0x80 + uint32(i)*23, pages: 1,
			motorola: i%4 == 1, sealed: i%2 == 0, period: periods[i%len(periods)] * 1e6,
		}
		if i >= 60 {
			m.extended, m.id = true, 0x18f00000|uint32(i*37)<<8|0xfe
		}
		if i%10 == 9 {
			m.pages = 2 + i%3
		}
		m.due = begin + s.r.Int64N(m.period)/1000*1000
		n := left / (Messages - i)
		left -= n
		m.lay(n, i)
		s.messages = append(s.messages, m)
	}
	return s
}

// lay shares the payload among n signals.
func (m *message) lay(n, number int) {
	at, end := 0, 64
	if m.sealed {
		n, end = n-2, 48
	}
	if m.pages > 1 {
		m.signals = append(m.signals, signal{name: "Page", bits: 8, page: -1, scale: 1})
		n, at = n-1, 8
	}
	each := (n + m.pages - 1) / m.pages
	width := min((end-at)/each, 24)
	for i := range n {
		s := signal{
			name: fmt.Sprintf("Value%d", i), at: at + i%each*width, bits: width - (number+i)%3, page: -1,
			signed: (number+i)%3 == 0, scale: []float64{1, 0.125, 0.01, 0.03125}[i%4], offset: []float64{0, -40, 0, -273}[number%4],
			pace: int64(i * 3 % 8),
		}
		if m.pages > 1 {
			s.page = i / each
		}
		m.signals = append(m.signals, s)
	}
	if m.sealed {
		m.signals = append(m.signals, signal{name: "Counter", at: 48, bits: 4, page: -1, scale: 1}, signal{name: "Check", at: 56, bits: 8, page: -1, scale: 1})
	}
}

// Next makes the next frame.
func (s *Source) Next(e *can.Event) {
	m := &s.messages[0]
	for i := range s.messages {
		if s.messages[i].due < m.due {
			m = &s.messages[i]
		}
	}
	*e = can.Event{Time: m.due, Bus: m.bus, Frame: can.Frame{ID: m.id, DLC: 8, Len: 8}}
	if m.extended {
		e.Frame.Flags = can.Extended
	}
	m.due += m.period + s.r.Int64N(m.period/8)/1000*1000
	m.fill(s.r, e.Frame.Data[:8])
}

func (m *message) fill(r *rand.Rand, data []byte) {
	m.page = (m.page + 1) % m.pages
	m.count++
	word := uint64(0)
	for i := range m.signals {
		s := &m.signals[i]
		switch {
		case s.name == "Page":
			s.value = int64(m.page)
		case s.name == "Counter":
			s.value = int64(m.count)
		case s.pace > 0:
			s.value += r.Int64N(2*s.pace+1) - s.pace
		}
		if s.page < 0 || s.page == m.page {
			word |= m.place(s, uint64(s.value))
		}
	}
	if m.sealed {
		word |= m.place(&m.signals[len(m.signals)-1], (word*0x9e3779b97f4a7c15)>>56)
	}
	if m.motorola {
		word = bits.ReverseBytes64(word)
	}
	binary.LittleEndian.PutUint64(data, word)
}

// place moves a value to its bits.
func (m *message) place(s *signal, v uint64) uint64 {
	v &= 1<<s.bits - 1
	if m.motorola {
		return v << (64 - s.at - s.bits)
	}
	return v << s.at
}

// DBC returns the file that decodes the traffic.
func DBC() []byte {
	var b strings.Builder
	b.WriteString("VERSION \"reference mix\"\n\nBU_: A\n")
	messages := New(0).messages
	for i := range messages {
		m := &messages[i]
		number := m.id
		if m.extended {
			number |= 1 << 31
		}
		fmt.Fprintf(&b, "\nBO_ %d %s: 8 A\n", number, m.name)
		for _, s := range m.signals {
			b.WriteString(m.line(&s))
		}
	}
	return []byte(b.String())
}

func (m *message) line(s *signal) string {
	mark, start, order, sign := "", s.at, 1, "+"
	switch {
	case s.name == "Page":
		mark = "M "
	case s.page >= 0:
		mark = fmt.Sprintf("m%d ", s.page)
	}
	if m.motorola {
		start, order = s.at^7, 0
	}
	if s.signed {
		sign = "-"
	}
	return fmt.Sprintf(" SG_ %s %s: %d|%d@%d%s (%g,%g) [0|0] \"\" A\n", s.name, mark, start, s.bits, order, sign, s.scale, s.offset)
}

// Count returns how many signals the DBC file has.
func Count() (n int) {
	for _, m := range New(0).messages {
		n += len(slices.Clone(m.signals))
	}
	return n
}
