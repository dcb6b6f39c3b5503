package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"canseal/can"
)

// Messages inside the association. Integers are little-endian, or varints as
// encoding/binary has them (uvarint). Times are µs of the probe's monotonic
// clock.
const (
	messageEcho  = 1 // probe: boot 8, nonce 8, clock 8, lowest 8, next 8, events 8, floor 8
	messageAsk   = 2 // logger: boot 8, nonce 8, want 8, bitmap: bit i of it: batch want+i has not come
	messageBatch = 3 // probe: seq, index, base (uvarints), items
)

// errMessage is a message that is not what it should be.
var errMessage = errors.New("not a message of the probe link")

// echo is what a probe says of itself: unasked at its start (nonce 0), and in
// answer to an ask.
type echo struct {
	boot   uint64 // random, new with each start of the probe
	nonce  uint64 // of the ask that it answers
	clock  uint64 // µs when this was sent
	lowest uint64 // number of the oldest batch that it still has
	next   uint64 // number of the next batch
	events uint64 // index of the next event
	floor  uint64 // index of the first event that no logger has acknowledged
}

func (e *echo) append(dst []byte) []byte {
	dst = append(dst, messageEcho)
	for _, v := range []uint64{e.boot, e.nonce, e.clock, e.lowest, e.next, e.events, e.floor} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

func parseEcho(b []byte) (e echo, err error) {
	if len(b) != 1+7*8 || b[0] != messageEcho {
		return e, fmt.Errorf("%w: an echo of %d bytes", errMessage, len(b))
	}
	for i, v := range []*uint64{&e.boot, &e.nonce, &e.clock, &e.lowest, &e.next, &e.events, &e.floor} {
		*v = binary.LittleEndian.Uint64(b[1+8*i:])
	}
	if e.lowest > e.next || e.floor > e.events || e.clock >= mostMicros {
		return e, fmt.Errorf("%w: an echo with batches %d to %d at %d µs", errMessage, e.lowest, e.next, e.clock)
	}
	return e, nil
}

// ask is what the logger says: what it has, and a nonce to echo.
type ask struct {
	boot    uint64 // of the probe as the logger knows it, 0: not at all
	nonce   uint64
	want    uint64 // the first batch that has not come
	missing []byte // bitmap from want on
}

// mostMissing is how many batches a bitmap covers.
const mostMissing = 256

func (a *ask) append(dst []byte) []byte {
	dst = append(dst, messageAsk)
	for _, v := range []uint64{a.boot, a.nonce, a.want} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return append(dst, a.missing...)
}

func parseAsk(b []byte) (a ask, err error) {
	if len(b) < 1+3*8 || len(b) > 1+3*8+mostMissing/8 || b[0] != messageAsk {
		return a, fmt.Errorf("%w: an ask of %d bytes", errMessage, len(b))
	}
	for i, v := range []*uint64{&a.boot, &a.nonce, &a.want} {
		*v = binary.LittleEndian.Uint64(b[1+8*i:])
	}
	a.missing = b[1+3*8:]
	return a, nil
}

// mostMicros is a bound of times: 2^52 µs are 142 years.
const mostMicros = 1 << 52

// Bits of an item's first byte. A frame: its flags; else one of two kinds.
const (
	itemExtended = 1 << iota
	itemRemote
	itemFD
	itemBRS
	itemESI
	itemTx
	itemError

	itemLost  = 0x80
	itemState = 0x81
)

// batch is some events in a row.
type batch struct {
	seq   uint64 // number of the batch
	index uint64 // number of its first event
	base  uint64 // µs: time of the first event
	items []byte
}

func (b *batch) append(dst []byte) []byte {
	dst = append(dst, messageBatch)
	for _, v := range []uint64{b.seq, b.index, b.base} {
		dst = binary.AppendUvarint(dst, v)
	}
	return append(dst, b.items...)
}

// head is how many bytes stand before the items, or one more.
func (b *batch) head() int {
	n := 1 + 1
	for _, v := range []uint64{b.seq, b.index, b.base} {
		n += (bits.Len64(v|1) + 6) / 7
	}
	return n
}

func parseBatch(p []byte) (b batch, err error) {
	if len(p) < 1 || p[0] != messageBatch {
		return b, fmt.Errorf("%w: no batch", errMessage)
	}
	p = p[1:]
	for _, v := range []*uint64{&b.seq, &b.index, &b.base} {
		var n int
		if *v, n = binary.Uvarint(p); n <= 0 {
			return b, fmt.Errorf("%w: head of a batch", errMessage)
		}
		p = p[n:]
	}
	if b.base >= mostMicros || b.seq >= 1<<62 || b.index >= 1<<62 || len(p) == 0 {
		return b, fmt.Errorf("%w: batch %d at %d µs with %d bytes", errMessage, b.seq, b.base, len(p))
	}
	b.items = p
	return b, nil
}

// bitsOf are the flags of a frame, and their bits in an item.
var bitsOf = []struct {
	flag can.Flags
	bit  byte
}{{can.Extended, itemExtended}, {can.Remote, itemRemote}, {can.FD, itemFD}, {can.BRS, itemBRS}, {can.ESI, itemESI}, {can.Error, itemError}}

// appendItem appends an event dt µs behind the one before.
func appendItem(dst []byte, e *can.Event, dt uint64) []byte {
	switch e.Kind {
	case can.KindLost:
		atLeast := byte(0)
		if e.AtLeast {
			atLeast = 1
		}
		dst = binary.AppendUvarint(append(dst, itemLost), dt)
		dst = binary.AppendUvarint(append(dst, byte(e.Reason), atLeast), e.Lost)
		return binary.AppendUvarint(dst, uint64(max(0, e.Time-e.From))/1000)
	case can.KindState:
		return append(binary.AppendUvarint(append(dst, itemState), dt), byte(e.State), e.TxErrors, e.RxErrors)
	}
	first := byte(0)
	for _, b := range bitsOf {
		if e.Frame.Is(b.flag) {
			first |= b.bit
		}
	}
	if e.Dir != can.Rx {
		first |= itemTx
	}
	dst = binary.AppendUvarint(append(dst, first), dt)
	if first&(itemExtended|itemError) != 0 {
		dst = binary.LittleEndian.AppendUint32(dst, e.Frame.ID)
	} else {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(e.Frame.ID))
	}
	return append(append(dst, e.Frame.DLC), e.Frame.Payload()...)
}

// events reads the events of a batch; times are µs of the probe in Time and,
// before it, in From.
func (b *batch) events(dst []can.Event) ([]can.Event, error) {
	t, p := b.base, b.items
	for n := 0; len(p) > 0; n++ {
		var e can.Event
		rest, dt, err := parseItem(p, &e)
		if err != nil {
			return dst, fmt.Errorf("batch %d, event %d: %w", b.seq, n, err)
		}
		if t += dt; dt >= mostMicros || t >= mostMicros {
			return dst, fmt.Errorf("%w: batch %d, event %d: %d µs later", errMessage, b.seq, n, dt)
		}
		e.Time = int64(t)
		e.From = max(0, e.Time-e.From)
		dst, p = append(dst, e), rest
	}
	return dst, nil
}

// parseItem reads an event; From is how many µs before Time it began.
func parseItem(p []byte, e *can.Event) (rest []byte, dt uint64, err error) {
	first := p[0]
	dt, n := binary.Uvarint(p[1:])
	if n <= 0 {
		return nil, 0, fmt.Errorf("%w: its time", errMessage)
	}
	p = p[1+n:]
	switch first {
	case itemLost:
		return parseLost(p, e, dt)
	case itemState:
		if len(p) < 3 || can.States[can.State(p[0])] == "" {
			return nil, 0, fmt.Errorf("%w: a state", errMessage)
		}
		e.Kind, e.State, e.TxErrors, e.RxErrors = can.KindState, can.State(p[0]), p[1], p[2]
		return p[3:], dt, nil
	}
	if first >= itemLost {
		return nil, 0, fmt.Errorf("%w: an item of kind %02Xh", errMessage, first)
	}
	rest, err = parseItemFrame(p, first, e)
	return rest, dt, err
}

func parseLost(p []byte, e *can.Event, dt uint64) ([]byte, uint64, error) {
	if len(p) < 2 || can.Reasons[can.Reason(p[0])] == "" || p[1] > 1 {
		return nil, 0, fmt.Errorf("%w: a loss", errMessage)
	}
	e.Kind, e.Reason, e.AtLeast = can.KindLost, can.Reason(p[0]), p[1] == 1
	p = p[2:]
	var n int
	if e.Lost, n = binary.Uvarint(p); n <= 0 {
		return nil, 0, fmt.Errorf("%w: count of a loss", errMessage)
	}
	p = p[n:]
	from, n := binary.Uvarint(p)
	if n <= 0 || from >= mostMicros {
		return nil, 0, fmt.Errorf("%w: begin of a loss", errMessage)
	}
	e.From = int64(from)
	return p[n:], dt, nil
}

func parseItemFrame(p []byte, first byte, e *can.Event) ([]byte, error) {
	f, size := &e.Frame, 2
	for _, b := range bitsOf {
		if first&b.bit != 0 {
			f.Flags |= b.flag
		}
	}
	if first&itemTx != 0 {
		e.Dir = can.OtherTx
	}
	if first&(itemExtended|itemError) != 0 {
		size = 4
	}
	if len(p) < size+1 {
		return nil, fmt.Errorf("%w: a frame of %d bytes", errMessage, len(p))
	}
	f.ID = uint32(binary.LittleEndian.Uint16(p))
	if size == 4 {
		f.ID = binary.LittleEndian.Uint32(p)
	}
	f.DLC = p[size]
	p = p[size+1:]
	n := 0
	if f.DLC <= 15 && first&itemRemote == 0 {
		n = can.Length(f.DLC, f.Is(can.FD))
	}
	if len(p) < n {
		return nil, fmt.Errorf("%w: %d of %d data bytes", errMessage, len(p), n)
	}
	f.Len = uint8(copy(f.Data[:], p[:n]))
	if !f.Valid() {
		return nil, fmt.Errorf("%w: a frame with identifier %Xh, flags %02Xh and DLC %d", errMessage, f.ID, first, f.DLC)
	}
	return p[n:], nil
}
