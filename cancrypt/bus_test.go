package cancrypt

import (
	"testing"

	"canseal/can"
)

// bus is a simulated group of members 1, 2 and 3 in front of a judge.
type bus struct {
	t       testing.TB
	o       JudgeOptions
	j       *Judge
	s       *Suite
	e       Epoch
	seq     [16]uint16
	now     int64
	log     []can.Event
	settled map[int64]can.Verdict // by stamp
	events  map[EventKind]int
	late    []Late
	proven  [][8]byte
}

const (
	secured = Word(0x181)            // member 1, method 1, encrypted
	cmacked = Word(0x182)            // member 2, method 2
	weak    = Word(0x183)            // member 3, method 0
	paired  = Word(0x184 | Extended) // member 1, scope 1
	blocked = Word(0x185)            // member 2, AES pair
	plain   = Word(0x200)            // member 2, heartbeat-only
	control = Word(0x170)
)

func judgeOptions(t testing.TB) JudgeOptions {
	table, err := NewTable([]Record{
		{Word: secured, Producer: 1, Count: 8, Signature: SpeckMAC}, {Word: 0x191, Producer: 1, Signature: SpeckMAC},
		{Word: cmacked, Producer: 2, Signature: AESCMAC}, {Word: weak, Producer: 3, Count: 4, Signature: CRCXor},
		{Word: paired, Producer: 1, Scope: 1, Signature: SpeckMAC}, {Word: blocked, Producer: 2, Count: 8, Cipher: AESPair},
	})
	if err != nil {
		t.Fatal(err)
	}
	return JudgeOptions{
		Table: table, Members: []uint8{1, 2, 3}, KeyID: 3, Key: fixed[Key]("000102030405060708090a0b0c0d0e0f"),
		Methods: NewMethods(PadSpeck, SpeckMAC), Control: control, Event: 1000 * millisecond, HeartbeatOnly: map[Word]uint8{plain: 2},
	}
}

func newBus(t testing.TB, change func(o *JudgeOptions)) *bus {
	t.Helper()
	o := judgeOptions(t)
	if change != nil {
		change(&o)
	}
	j, err := NewJudge(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bus{t: t, o: o, j: j, s: suite(t, o.Methods.Pad(), SpeckMAC), now: 1e15, settled: map[int64]can.Verdict{}, events: map[EventKind]int{}}
	b.frame(0x7FF, nil)
	b.wait(50)
	return b
}

func (b *bus) wait(ms int64) { b.now += ms * millisecond }

// take keeps what the judge says besides.
func (b *bus) take(out *Out) {
	for _, l := range out.Late {
		if l.From == 0 {
			b.settled[l.Time] = l.Verdict
			continue
		}
		for i := range b.log {
			e := &b.log[i]
			if e.Time >= l.From && e.Time <= l.Time && b.o.HeartbeatOnly[WordOf(&e.Frame)] == l.Sender {
				if v := b.settled[e.Time]; v == can.Pending || v == can.Vouched && l.Verdict == can.VouchedTwice {
					b.settled[e.Time] = l.Verdict
				}
			}
		}
	}
	for _, e := range out.Events {
		b.events[e.Kind]++
	}
	b.late, b.proven = append(b.late, out.Late...), append(b.proven, out.Proven...)
}

// frame sends a frame and returns its stamp.
func (b *bus) frame(w Word, data []byte) int64 {
	b.now += 200_000
	e := can.Event{Time: b.now, Frame: can.Frame{ID: w.ID(), DLC: uint8(len(data)), Len: uint8(len(data))}}
	if w&Extended != 0 {
		e.Frame.Flags = can.Extended
	}
	copy(e.Frame.Data[:], data)
	return b.event(e)
}

func (b *bus) event(e can.Event) int64 {
	var out Out
	b.log = append(b.log, e)
	b.settled[e.Time] = b.j.Frame(&e, &out)
	b.take(&out)
	return e.Time
}

func (b *bus) tick() {
	var out Out
	b.now++
	b.j.Tick(b.now, &out)
	b.take(&out)
}

// start lets the group start with nonces of n.
func (b *bus) start(n byte, members ...uint8) {
	var heard []Heard
	for _, a := range members {
		nonce := [4]byte{a, n, n, n}
		b.frame(control+Word(a), AppendControl(nil, 0, Group{b.o.KeyID, nonce, uint8(b.o.Event / (100 * millisecond))}))
		heard = append(heard, Heard{Address: a, Random: nonce})
	}
	b.wait(510)
	b.e = Epoch{Perm: b.o.Key, Dyn: GroupStart(b.o.Key, b.o.KeyID, heard)}
	b.seq = [16]uint16{}
}

func (b *bus) heartbeat(a uint8, s Status) int64 {
	h := b.s.SealHeartbeat(&b.e, a, s|Authenticated, [3]byte{a, byte(b.now >> 20), byte(b.now >> 28)})
	return b.frame(control+Word(a), h[:])
}

// update is what the members do at the close.
func (b *bus) update(stamps map[uint8]int64, s Status) {
	var heard []Heard
	for a := range uint8(16) {
		if at, ok := stamps[a]; ok {
			before := at - 200_000
			heard = append(heard, Heard{a, s | Authenticated | Status(b.e.Number&3), [4]byte{a, byte(before >> 20), byte(before >> 28)}})
		}
	}
	b.e = b.j.update(&b.e, heard)
	b.seq = [16]uint16{}
}

// cycle lets members send their heartbeats and the group update its key.
func (b *bus) cycle(members ...uint8) map[uint8]int64 {
	stamps := map[uint8]int64{}
	for _, a := range members {
		// the random bytes are those of the moment before the frame
		before := b.now
		h := b.s.SealHeartbeat(&b.e, a, Authenticated, [3]byte{a, byte(before >> 20), byte(before >> 28)})
		stamps[a] = b.frame(control+Word(a), h[:])
	}
	b.update(stamps, 0)
	b.wait(1000)
	return stamps
}

// pair returns the frames of a secured message of a sender.
func (b *bus) pair(w Word, data ...byte) (preamble [8]byte, m Message) {
	r := b.o.Table.Find(w)
	m = Message{Record: *r, Len: uint8(len(data))}
	copy(m.Data[:], data)
	one := []Message{m}
	preamble, _ = b.s.Seal(&b.e, Place{Sender: r.Producer, Seq: b.seq[r.Producer]}, one)
	b.seq[r.Producer]++
	return preamble, one[0]
}

// send sends a secured message and returns the stamp of its data frame.
func (b *bus) send(w Word, data ...byte) int64 {
	p, m := b.pair(w, data...)
	b.frame(control+Word(m.Record.Producer), p[:])
	return b.frame(w, m.Data[:m.Len])
}

func (b *bus) want(at int64, v can.Verdict, why string) {
	b.t.Helper()
	if got := b.settled[at]; got != v {
		b.t.Errorf("%s: %v, want %v", why, got, v)
	}
}

// grouped is a bus with a group after its first cycle.
func grouped(t testing.TB, change func(o *JudgeOptions)) *bus {
	t.Helper()
	b := newBus(t, change)
	b.start(7, 1, 2, 3)
	b.cycle(1, 2, 3)
	return b
}
