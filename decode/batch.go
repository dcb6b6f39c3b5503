package decode

import "canseal/can"

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
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.Time) }

// Sort brings the rows into the order of their times; rows of equal time keep theirs.
func (b *Batch) Sort() {}

// States returns the state of signal i (of Message.Signals) in every row; all
// says that every one is Present.
func (b *Batch) States(i int, dst []State) (states []State, all bool) { return dst, false }

// Raw returns the values before scaling, 0 where there is none. See Value.Raw.
func (b *Batch) Raw(i int, dst []int64) []int64 { return dst }

// Phys returns the physical values, 0 where there is none.
func (b *Batch) Phys(i int, dst []float64) []float64 { return dst }
