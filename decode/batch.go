package decode

import (
	"cmp"
	"slices"

	"canseal/can"
)

// Batch is a run of frames of one message on one bus. It is borrowed: valid
// until the function that got it returns.
//
// Columns are decoded when they are asked for, into memory of the caller,
// which is grown where it is too small: pass the result of the last call.
type Batch struct {
	Message *Message
	Bus     uint8
	Time    []int64  // ns since 1970 UTC
	ID      []uint32 // of the frame: with J1939 the source address is its last byte
	Verdict []can.Verdict

	length   []uint16 // bytes of the payload
	words    []uint64 // payloads, Message.words each
	hidden   []uint64 // nil: nothing is
	shortest int
	unsorted bool

	scratch *scratch
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.Time) }

// window returns the window of signal s in every row; reverse says that their
// bytes are still to be reversed.
func (b *Batch) window(s *signal) (windows []uint64, reverse bool) {
	n := b.Message.words
	if n == 1 {
		return b.words, s.motorola
	}
	windows = grow(b.scratch.windows, b.Len())
	for i := range windows {
		windows[i] = s.window(b.words[i*n : (i+1)*n])
	}
	b.scratch.windows = windows
	return windows, false
}

// Raw returns the values of signal i (of Message.Signals) before scaling, 0
// where there is none. See Value.Raw.
func (b *Batch) Raw(i int, dst []int64) []int64 {
	s := &b.Message.signals[i]
	dst = grow(dst, b.Len())
	windows, reverse := b.window(s)
	s.raws(dst, windows, reverse)
	blank(b, i, dst)
	return dst
}

// Phys returns the physical values of signal i, 0 where there is none.
func (b *Batch) Phys(i int, dst []float64) []float64 {
	s := &b.Message.signals[i]
	dst = grow(dst, b.Len())
	windows, reverse := b.window(s)
	s.physes(dst, windows, reverse)
	blank(b, i, dst)
	return dst
}

// blank clears the rows where signal i is not present.
func blank[T int64 | float64](b *Batch, i int, dst []T) {
	if b.everywhere(i) {
		return
	}
	b.scratch.states = grow(b.scratch.states, b.Len())
	b.presence(i, b.scratch.states)
	for row, state := range b.scratch.states {
		if state != Present {
			dst[row] = 0
		}
	}
}

// States returns the state of signal i in every row; all says that every one
// is Present.
func (b *Batch) States(i int, dst []State) (states []State, all bool) {
	dst = grow(dst, b.Len())
	if b.everywhere(i) {
		clear(dst)
		return dst, true
	}
	b.presence(i, dst)
	return dst, !slices.ContainsFunc(dst, func(s State) bool { return s != Present })
}

// Sort brings the rows into the order of their times; rows of equal time keep
// theirs.
func (b *Batch) Sort() {
	if !b.unsorted {
		return
	}
	order := make([]int, b.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(b.Time[i], b.Time[j]) })
	b.Time, b.ID, b.Verdict = permuted(b.Time, order, 1), permuted(b.ID, order, 1), permuted(b.Verdict, order, 1)
	b.length, b.words = permuted(b.length, order, 1), permuted(b.words, order, b.Message.words)
	if b.hidden != nil {
		b.hidden = permuted(b.hidden, order, 1)
	}
	b.unsorted = false
	b.scratch.forget()
}

func permuted[T any](from []T, order []int, each int) []T {
	to := make([]T, 0, cap(from))
	for _, i := range order {
		to = append(to, from[i*each:(i+1)*each]...)
	}
	return to
}
