package decode

import (
	"cmp"
	"slices"

	"canseal/can"
)

// Batch is a run of frames of one message on one bus. It is borrowed: valid
// until the function that got it returns, or with Options.Ahead until Release,
// and for one goroutine at a time.
//
// Columns are decoded when they are asked for, into memory of the caller,
// which is grown where it is too small: pass the result of the last call.
type Batch struct {
	Message *Message
	Bus     uint8
	Time    []int64  // ns since 1970 UTC
	ID      []uint32 // of the frame: with J1939 the source address is its last byte
	Verdict []can.Verdict
	Mark    []uint8

	length   []uint16 // bytes of the payload
	words    []uint64 // of the payloads: the first ones, then the second ones...
	hidden   []uint64 // nil: nothing is
	shortest int
	unsorted bool

	scratch
	home chan *Batch
}

// Release gives a batch back that was kept.
func (b *Batch) Release() {
	b.forget()
	b.home <- b
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.Time) }

// window returns the window of signal s in every row; reverse says that their
// bytes are still to be reversed.
func (b *Batch) window(s *signal) (windows []uint64, reverse bool) {
	words := b.column(s.word)
	if !s.straddles {
		return words, s.motorola
	}
	b.windows = grow(b.windows, b.Len())
	next := b.column(s.word + 1)
	for i, w := range words {
		b.windows[i] = s.join(w, next[i])
	}
	return b.windows, false
}

// column returns one word of the payloads in every row.
func (b *Batch) column(word int) []uint64 { return b.words[word*b.Len():][:b.Len()] }

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
	b.states = grow(b.states, b.Len())
	b.presence(i, b.states)
	for row, state := range b.states {
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
	permute(b.Time, order)
	permute(b.ID, order)
	permute(b.Verdict, order)
	permute(b.Mark, order)
	permute(b.length, order)
	for word := range b.Message.words {
		permute(b.column(word), order)
	}
	if b.hidden != nil {
		permute(b.hidden, order)
	}
	b.unsorted = false
	b.forget()
}

func permute[T any](column []T, order []int) {
	from := slices.Clone(column)
	for i, row := range order {
		column[i] = from[row]
	}
}
