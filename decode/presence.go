package decode

import "math/bits"

// scratch is the memory that the batches of a Decoder work in, one after the
// other.
type scratch struct {
	windows  []uint64 // of one signal
	states   []State  // of one signal
	selected map[int][]State
	spare    [][]State
}

// mostSelections bounds the selections kept for one batch.
const mostSelections = 64

// forget makes room for another batch.
func (x *scratch) forget() {
	for _, s := range x.selected {
		x.spare = append(x.spare, s)
	}
	clear(x.selected)
}

func (x *scratch) take(n int) (s []State) {
	if last := len(x.spare) - 1; last >= 0 {
		s, x.spare = x.spare[last], x.spare[:last]
	}
	return grow(s, n)
}

// everywhere reports whether signal i is surely present in every row.
func (b *Batch) everywhere(i int) bool {
	s := &b.Message.signals[i]
	return s.mux < 0 && b.shortest >= s.bytes && b.hidden == nil
}

// presence fills dst with the states of signal i.
func (b *Batch) presence(i int, dst []State) {
	s := &b.Message.signals[i]
	if s.mux >= 0 {
		copy(dst, b.selection(s))
	} else {
		clear(dst)
	}
	if b.shortest < s.bytes {
		for row, n := range b.length {
			if dst[row] == Present && int(n) < s.bytes {
				dst[row] = Short
			}
		}
	}
	for row, hidden := range b.hidden {
		if dst[row] == Present && hidden&s.touched != 0 {
			dst[row] = Encrypted
		}
	}
}

// selection returns where the multiplexer of s selects it. Signals of the same
// multiplexer and values share the answer, so that a message with a thousand
// signals has few of them.
func (b *Batch) selection(s *signal) []State {
	if states, ok := b.selected[s.selection]; ok {
		return states
	}
	states := b.take(b.Len())
	b.presence(s.mux, states)
	up := &b.Message.signals[s.mux]
	windows, reverse := b.window(up)
	for row, w := range windows {
		if reverse {
			w = bits.ReverseBytes64(w)
		}
		if states[row] == Present && !s.selects(up.unsignedRaw(w)) {
			states[row] = Unselected
		}
	}
	if len(b.selected) == mostSelections {
		b.forget()
	}
	b.selected[s.selection] = states
	return states
}
