package decode

import (
	"encoding/binary"
	"math"
	"slices"

	"canseal/can"
)

// table holds the rows of one message on one bus until they are a batch. The
// bytes of a row lie together, because the rows of many tables are written in
// turn: as columns they would keep the cache busy.
//
//	word 0    time
//	word 1    identifier, bits 0-31; length, bits 32-47; verdict, bits 48-55; mark, 56-63
//	word 2-   payload
type table struct {
	bus     uint8
	message *Message
	stride  int // words of a row
	place   int // in Decoder.order

	held     bool // it is in Decoder.held
	n        int
	last     int64 // time of the row before
	shortest int
	unsorted bool
	rows     []uint64
	hidden   []uint64 // by row; nil until a frame has ciphertext
}

const (
	head       = 2       // words of a row before its payload
	firstRows  = 64      // room of a new table
	batchBytes = 1 << 20 // most payload of a batch, whatever Options.Rows says
)

func newTable(bus uint8, m *Message, place int) *table {
	return &table{bus: bus, message: m, stride: head + m.words, place: place, last: math.MinInt64, shortest: math.MaxInt}
}

// room returns for how many rows there is room.
func (t *table) room() int { return len(t.rows) / t.stride }

// append adds a row.
func (d *Decoder) append(t *table, f *Frame) error {
	at := t.n * t.stride
	if at == len(t.rows) {
		if err := d.makeRoom(t); err != nil {
			return err
		}
		at = t.n * t.stride
	}
	n := len(f.Data)
	t.unsorted = t.unsorted || f.Time < t.last
	t.last = f.Time
	t.shortest = min(t.shortest, n)
	row := t.rows[at : at+t.stride]
	row[0] = uint64(f.Time)
	row[1] = uint64(f.ID) | uint64(min(n, math.MaxUint16))<<32 | uint64(f.Verdict)<<48 | uint64(f.Mark)<<56
	if len(row) == head+1 && n >= 8 {
		row[head] = binary.LittleEndian.Uint64(f.Data)
	} else {
		load(row[head:], f.Data)
	}
	if f.Hidden != 0 || t.hidden != nil {
		t.hide(f.Hidden)
	}
	if t.n++; !t.held {
		t.held, d.held = true, append(d.held, t)
	}
	return nil
}

func (t *table) hide(hidden uint64) {
	if t.hidden == nil {
		t.hidden = make([]uint64, t.room())
	}
	t.hidden[t.n] = hidden
}

// makeRoom makes room for a row: a small table grows, a full one is handed
// over. If all tables together are too large, they all are handed over and
// begin anew.
func (d *Decoder) makeRoom(t *table) error {
	most := min(d.options.Rows, max(firstRows, batchBytes/8/max(1, t.message.words)))
	rows := min(most, max(firstRows, 2*t.room()))
	if rows == t.room() {
		return d.handOver(t)
	}
	if d.used+8*t.stride*(rows-t.room()) > d.options.Memory {
		if err := d.flushRows(); err != nil {
			return err
		}
		for _, t := range d.order {
			t.rows = nil
		}
		d.used, rows = 0, min(rows, firstRows)
	}
	d.used += 8 * t.stride * (rows - t.room())
	t.rows = resized(t.rows, rows*t.stride)
	if t.hidden != nil {
		t.hidden = resized(t.hidden, rows)
	}
	return nil
}

func resized(from []uint64, n int) []uint64 {
	to := make([]uint64, n)
	copy(to, from)
	return to
}

// handOver gives the rows away as a batch. It waits where all batches are kept.
func (d *Decoder) handOver(t *table) error {
	if t.n == 0 {
		return nil
	}
	b := <-d.free
	b.fill(t)
	t.n, t.last, t.shortest, t.unsorted, t.hidden = 0, math.MinInt64, math.MaxInt, false, nil
	if d.options.Ahead > 0 {
		return d.options.Batch(b)
	}
	defer b.Release()
	return d.options.Batch(b)
}

// fill turns the rows of a table into columns.
func (b *Batch) fill(t *table) {
	b.Message, b.Bus, b.shortest, b.unsorted, b.hidden = t.message, t.bus, t.shortest, t.unsorted, t.hidden
	b.Time, b.ID = grow(b.Time, t.n), grow(b.ID, t.n)
	b.Verdict, b.Mark = grow(b.Verdict, t.n), grow(b.Mark, t.n)
	b.length, b.words = grow(b.length, t.n), grow(b.words, t.n*t.message.words)
	if b.hidden != nil {
		b.hidden = b.hidden[:t.n]
	}
	for i, at := 0, 0; i < t.n; i, at = i+1, at+t.stride {
		b.Time[i] = int64(t.rows[at])
		facts := t.rows[at+1]
		b.ID[i], b.length[i], b.Verdict[i], b.Mark[i] = uint32(facts), uint16(facts>>32), can.Verdict(facts>>48), uint8(facts>>56)
	}
	for word := range t.message.words {
		column := b.column(word)
		for i, at := 0, head+word; i < t.n; i, at = i+1, at+t.stride {
			column[i] = t.rows[at]
		}
	}
}

// flushRows hands the tables with rows over, in the order in which they began.
func (d *Decoder) flushRows() error {
	slices.SortFunc(d.held, func(a, b *table) int { return a.place - b.place })
	for _, t := range d.held {
		t.held = false
		if err := d.handOver(t); err != nil {
			return err
		}
	}
	d.held = d.held[:0]
	return nil
}
