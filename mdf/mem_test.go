package mdf

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"canseal/can"
	"canseal/internal/mdfcheck"
)

var errPower = errors.New("power cut")

// card is a file in memory whose power can be cut: what was not synced then
// arrived or not, each operation by itself.
type card struct {
	data    []byte // as the running system sees it
	safe    []byte // as of the last sync
	pending []func([]byte) []byte
	left    int // operations until the power goes; below 0: it stays
	ops     int // done
}

func newCard(data []byte) *card {
	return &card{data: slices.Clone(data), safe: slices.Clone(data), left: -1}
}

func (c *card) do(op func([]byte) []byte) error {
	if c.left == 0 {
		return errPower
	}
	c.left--
	c.ops++
	c.data = op(c.data)
	c.pending = append(c.pending, op)
	return nil
}

func write(b []byte, off int64) func([]byte) []byte {
	b = slices.Clone(b)
	return func(to []byte) []byte {
		if missing := int(off) + len(b) - len(to); missing > 0 {
			to = append(to, make([]byte, missing)...)
		}
		copy(to[off:], b)
		return to
	}
}

func truncate(size int64) func([]byte) []byte {
	return func(to []byte) []byte { return to[:min(int(size), len(to))] }
}

func (c *card) WriteAt(b []byte, off int64) (int, error) { return len(b), c.do(write(b, off)) }
func (c *card) Truncate(size int64) error                { return c.do(truncate(size)) }
func (c *card) Size() (int64, error)                     { return int64(len(c.data)), nil }

func (c *card) Sync() error {
	if c.left == 0 {
		return errPower
	}
	c.left--
	c.ops++
	c.safe, c.pending = slices.Clone(c.data), nil
	return nil
}

func (c *card) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(c.data)) {
		return 0, io.EOF
	}
	n := copy(b, c.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// crash returns what the card holds when the power comes back: what was
// synced, and of the rest each operation with a chance of one half.
func (c *card) crash(r *rand.Rand) []byte {
	left := slices.Clone(c.safe)
	for _, op := range c.pending {
		if r.IntN(2) == 0 {
			left = op(left)
		}
	}
	return left
}

// random returns a source of randomness with a printed seed.
func random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

const start = 1_760_000_000_123_456_789

var header = Header{
	Start: start, Version: "1.2.3", Device: "A1B2C3D4", StorageTotal: 7_654_321, StorageFree: 1_234_567,
	StorageID: "035344534333324780", ConfigCRC32: 0xCBF43926, Session: 17, Split: 3, Comment: "truck 7; <left> & \"right\"",
	BootID: "2f3a1c5e-0d2b-4a68-9f1e-8c7b6a5d4e3f", ClockOffset: -1500, Flush: 1e9,
	ConfigSHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	BitRates:     [8]uint32{500_000, 0, 1_000_000, 0, 0, 0, 0, 33_333}, Plain: true,
}

// randomFrame returns a frame of any kind at a time.
func randomFrame(r *rand.Rand, time int64) *Frame {
	f := &Frame{Event: can.Event{Time: time, Bus: uint8(1 + r.IntN(8))}}
	if r.IntN(8) == 0 {
		f.Frame = can.Frame{ID: r.Uint32() & idMask, Flags: can.Error, DLC: 8, Len: 8}
		fill(r, f.Frame.Data[:8])
		return f
	}
	f.Dir, f.Verdict = can.Direction(r.IntN(3)), can.Verdict(r.Uint32())
	f.Frame.ID = r.Uint32() & 0x7FF
	if r.IntN(2) == 0 {
		f.Frame.ID, f.Frame.Flags = r.Uint32()&idMask, can.Extended
	}
	f.Frame.DLC = uint8(r.IntN(16))
	if r.IntN(8) == 0 {
		f.Frame.Flags |= can.Remote
		return f
	}
	f.Encrypted = r.IntN(4) == 0
	if r.IntN(2) == 0 {
		f.Frame.Flags |= can.FD | can.Flags(r.IntN(4))*can.BRS
	}
	f.Frame.Len = uint8(can.Length(f.Frame.DLC, f.Frame.Is(can.FD)))
	fill(r, f.Frame.Data[:f.Frame.Len])
	return f
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// randomSide returns a side record of any kind at a time.
func randomSide(r *rand.Rand, time int64) Record {
	bit := func() bool { return r.IntN(2) == 0 }
	id, sender, bus := r.Uint32()&idMask, uint8(r.Uint32()), uint8(r.Uint32())
	from, to := time-r.Int64N(1e15), time+r.Int64N(1e9)
	switch r.IntN(7) {
	case 0:
		return Gap{time, from, to, r.Uint64(), bus, can.Reason(r.Uint32()), bit()}
	case 1:
		return VerdictChange{time, from, to, id, bit(), bus, sender, Scope(r.IntN(2)), can.Verdict(r.Uint32())}
	case 2:
		return Clock{time, r.Int64(), -r.Int64(), r.Uint32(), ClockSource(r.Uint32()), bit(), bit(), bit()}
	case 3:
		return State{time, bus, can.State(r.Uint32()), sender, 9, id, bit(), r.Uint32()}
	case 4:
		return Security{time, r.Uint64(), id, bit(), bus, sender, SecurityKind(r.Uint32())}
	case 5:
		return Sender{time, id, bit(), bus, sender, bit(), bit()}
	}
	p := Plain{Time: time, ID: id, Extended: bit(), Bus: bus, Sender: sender, Len: uint8(r.IntN(65))}
	fill(r, p.Data[:p.Len])
	return p
}

// randomRecords returns n records, their frames at rising times at least 1 µs apart.
func randomRecords(r *rand.Rand, n int) []Record {
	var records []Record
	now := int64(start) - 5_000_000
	for range n {
		now += 1001 + r.Int64N(1_000_000)
		if r.IntN(5) == 0 {
			records = append(records, randomSide(r, now))
		} else {
			records = append(records, randomFrame(r, now))
		}
	}
	return records
}

// writing appends records to a new file, syncing now and then.
func writing(t testing.TB, f File, h Header, records []Record, every int) *Writer {
	t.Helper()
	w, err := Create(f, h)
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range records {
		if err := w.Append(rec); err != nil {
			t.Fatal(err)
		}
		if i%every == every-1 {
			if err := w.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// reading returns the records of a file, frames as copies.
func reading(t testing.TB, data []byte) []Record {
	t.Helper()
	r, err := Open(newCard(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return all(t, r)
}

func all(t testing.TB, r *Reader) []Record {
	t.Helper()
	var records []Record
	for rec, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := rec.(*Frame); ok {
			rec = ptr(*f)
		}
		records = append(records, rec)
	}
	return records
}

func ptr[T any](v T) *T { return &v }

// judge passes a file through the foreign judge.
func judge(t testing.TB, data []byte) mdfcheck.Report {
	t.Helper()
	rep, err := mdfcheck.Check(newCard(data), int64(len(data)))
	if err != nil {
		t.Fatalf("mdfcheck: %v", err)
	}
	return rep
}
