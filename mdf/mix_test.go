package mdf

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"canseal/can"
)

// mix is the reference traffic that sizes and speeds are measured with: 80
// messages (60 standard, 20 as on J1939) on 2 buses, with 450 signals of 1 to
// 16 bits in periods from 10 ms to 1 s. Values walk at random, some stand
// still; every second message ends with a counter and a checksum, every tenth
// is multiplexed. Stamps are whole µs, as in a candump log.
type mix struct {
	r        *rand.Rand
	messages [80]message
}

type message struct {
	event  can.Event
	period int64
	due    int64
	step   []signal
	pages  int // multiplexed: 2-4; else 1
	page   int
	words  [4]uint64 // payload by page
	sealed bool      // with counter and checksum
	count  uint8
}

type signal struct {
	at, bits int
	page     int
	value    int64
	pace     int64 // largest step; 0: stands still
	swapped  bool  // Motorola
}

func newMix(seed uint64) *mix {
	m := &mix{r: rand.New(rand.NewPCG(seed, 1))}
	periods := []int64{10, 20, 20, 50, 100, 100, 200, 500, 1000, 1000}
	left := 450
	for i := range m.messages {
		msg := &m.messages[i]
		msg.event.Bus = uint8(1 + i&1)
		msg.event.Frame = can.Frame{ID: 0x80 + uint32(i)*23, DLC: 8, Len: 8}
		if i >= 60 {
			msg.event.Frame.ID, msg.event.Frame.Flags = 0x18F00000|uint32(i*37)<<8|uint32(i%7), can.Extended
		}
		msg.period = periods[i%len(periods)] * 1e6
		msg.due = start + m.r.Int64N(msg.period)
		msg.sealed, msg.pages = i%2 == 0, 1
		if i%10 == 9 {
			msg.pages = 2 + i%3
		}
		n := left / (len(m.messages) - i)
		left -= n
		m.signals(msg, n)
	}
	return m
}

// signals shares the payload among n signals.
func (m *mix) signals(msg *message, n int) {
	room := 64
	if msg.sealed {
		room = 48
	}
	if msg.pages > 1 {
		room -= 8
	}
	per := (n + msg.pages - 1) / msg.pages
	at := 64 - room
	if msg.sealed {
		at -= 16
	}
	for i := range n {
		if i%per == 0 {
			at = 8 * min(msg.pages-1, 1)
		}
		bits := min(1+m.r.IntN(16), room/per)
		s := signal{at: at, bits: bits, page: i / per, swapped: bits > 8 && m.r.IntN(2) == 0}
		s.value = m.r.Int64N(1 << bits)
		if bits > 3 && m.r.IntN(4) > 0 {
			s.pace = 1 + 1<<bits/64
		}
		msg.step = append(msg.step, s)
		at += bits
	}
}

// next returns the frames of the next n sendings in the order of time.
func (m *mix) next(n int) []can.Event {
	events := make([]can.Event, 0, n+len(m.messages))
	for until := m.earliest(); len(events) < n; until += 10e6 {
		for i := range m.messages {
			for msg := &m.messages[i]; msg.due < until; msg.due += msg.period {
				m.advance(msg)
				e := msg.event
				e.Time = (msg.due + m.r.Int64N(300_000)) / 1000 * 1000
				events = append(events, e)
			}
		}
	}
	slices.SortStableFunc(events, func(a, b can.Event) int { return cmp.Compare(a.Time, b.Time) })
	return events[:n]
}

func (m *mix) earliest() int64 {
	due := m.messages[0].due
	for i := range m.messages {
		due = min(due, m.messages[i].due)
	}
	return due + 1
}

// advance makes the next payload of a message.
func (m *mix) advance(msg *message) {
	msg.page = (msg.page + 1) % msg.pages
	word := &msg.words[msg.page]
	for i := range msg.step {
		s := &msg.step[i]
		if s.page != msg.page || s.pace == 0 {
			continue
		}
		s.value = min(max(s.value+m.r.Int64N(2*s.pace+1)-s.pace, 0), 1<<s.bits-1)
		v := uint64(s.value)
		if s.swapped {
			v = (v>>8 | v&0xFF<<(s.bits-8)) & (1<<s.bits - 1)
		}
		*word = *word&^((1<<s.bits-1)<<s.at) | v<<s.at
	}
	if msg.pages > 1 {
		*word = *word&^0xFF | uint64(msg.page)
	}
	if msg.sealed {
		msg.count++
		*word = *word&^(0xFFFF<<48) | uint64(msg.count&15)<<48
		*word |= checksum(*word) << 56
	}
	setWord(msg.event.Frame.Data[:], *word)
}

// checksum is a CRC-8 (polynomial 1Dh) of the first 7 bytes.
func checksum(word uint64) uint64 {
	crc := uint8(0xFF)
	for i := range 7 {
		crc ^= uint8(word >> (8 * i))
		for range 8 {
			crc = crc<<1 ^ 0x1D*(crc>>7)
		}
	}
	return uint64(crc)
}
