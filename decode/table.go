package decode

import (
	"encoding/binary"
	"math"

	"canseal/can"
)

// table holds the rows of one message on one bus until they are a batch. Its
// columns are as long as there is room; n rows are in use.
type table struct {
	bus     uint8
	message *Message

	n        int
	shortest int
	unsorted bool
	time     []int64
	id       []uint32
	verdict  []can.Verdict
	length   []uint16
	words    []uint64
	hidden   []uint64 // nil until a frame has ciphertext
}

const (
	firstRows  = 64      // room of a new table
	batchBytes = 1 << 20 // most payload of a batch, whatever Options.Rows says
)

// rowBytes is the memory of one row.
func (t *table) rowBytes() int { return 8 + 4 + 1 + 2 + 8 + 8*t.message.words }

// append adds a row.
func (d *Decoder) append(t *table, f *Frame) error {
	if t.n == len(t.time) {
		if err := d.room(t); err != nil {
			return err
		}
	}
	n := t.n
	t.n++
	if n > 0 && f.Time < t.time[n-1] {
		t.unsorted = true
	}
	t.time[n], t.id[n], t.verdict[n], t.length[n] = f.Time, f.ID, f.Verdict, uint16(min(len(f.Data), math.MaxUint16))
	t.shortest = min(t.shortest, len(f.Data))
	if t.message.words == 1 && len(f.Data) >= 8 {
		t.words[n] = binary.LittleEndian.Uint64(f.Data)
	} else {
		load(t.words[n*t.message.words:(n+1)*t.message.words], f.Data)
	}
	if f.Hidden != 0 || t.hidden != nil {
		t.hide(n, f.Hidden)
	}
	return nil
}

func (t *table) hide(row int, hidden uint64) {
	if t.hidden == nil {
		t.hidden = make([]uint64, len(t.time))
	}
	t.hidden[row] = hidden
}

// room makes room for a row: a small table grows, a full one is handed over.
// If all tables together are too large, they all are handed over and begin
// anew.
func (d *Decoder) room(t *table) error {
	most := min(d.options.Rows, max(firstRows, batchBytes/max(1, 8*t.message.words)))
	rows := min(most, max(firstRows, 2*len(t.time)))
	if rows == len(t.time) {
		return d.handOver(t)
	}
	if d.used+(rows-len(t.time))*t.rowBytes() > d.options.Memory {
		if err := d.flushRows(); err != nil {
			return err
		}
		for _, t := range d.tables {
			t.resize(0)
		}
		d.used, rows = 0, min(rows, firstRows)
	}
	d.used += (rows - len(t.time)) * t.rowBytes()
	t.resize(rows)
	return nil
}

func (t *table) resize(rows int) {
	t.time, t.id, t.verdict = resized(t.time, rows), resized(t.id, rows), resized(t.verdict, rows)
	t.length, t.words = resized(t.length, rows), resized(t.words, rows*t.message.words)
	if t.hidden != nil {
		t.hidden = resized(t.hidden, rows)
	}
}

func resized[T any](from []T, n int) []T {
	to := make([]T, n)
	copy(to, from)
	return to
}

// handOver gives the rows away as a batch.
func (d *Decoder) handOver(t *table) error {
	if t.n == 0 {
		return nil
	}
	b := &d.batch
	*b = Batch{
		Message: t.message, Bus: t.bus, Time: t.time[:t.n], ID: t.id[:t.n], Verdict: t.verdict[:t.n],
		length: t.length[:t.n], words: t.words[:t.n*t.message.words], shortest: t.shortest, unsorted: t.unsorted, scratch: &d.scratch,
	}
	if t.hidden != nil {
		b.hidden = t.hidden[:t.n]
	}
	t.n, t.shortest, t.unsorted = 0, math.MaxInt, false
	t.hidden = nil
	err := d.options.Batch(b)
	d.scratch.forget()
	return err
}

// flushRows hands all tables over, in the order in which they began.
func (d *Decoder) flushRows() error {
	for _, t := range d.order {
		if err := d.handOver(t); err != nil {
			return err
		}
	}
	return nil
}
