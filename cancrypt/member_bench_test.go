package cancrypt

import (
	"testing"

	"canseal/can"
)

// benchMember is a member of a group of three, and the events of one second on
// the bus: secured messages of another one, and a heartbeat cycle.
func benchMember(b *testing.B) (*network, *Member) {
	w := grouping(b, 3, nil)
	return w, w.nodes[1].m
}

func BenchmarkMemberUnlisted(b *testing.B) {
	w, m := benchMember(b)
	e := can.Event{Time: w.now, Frame: can.Frame{ID: 0x123, DLC: 8, Len: 8}}
	var out MemberOut
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		m.Receive(&e, &out)
	}
}

func BenchmarkMemberReceivesAPair(b *testing.B) {
	w, m := benchMember(b)
	a := w.nodes[0].m
	data := []can.Frame{frameOf(secured, []byte{1, 2, 3, 4, 5, 6, 7, 8})}
	var pairs []can.Event
	var out, from MemberOut
	for range 60000 {
		from.Reset()
		if err := a.Send(w.now, data, &from); err != nil {
			b.Fatal(err)
		}
		for _, f := range from.Frames {
			pairs = append(pairs, can.Event{Time: w.now, Frame: f.Frame})
		}
	}
	i := 0
	fresh := m.counts
	b.ReportAllocs()
	for b.Loop() {
		if i == len(pairs) {
			i, m.counts = 0, fresh
		}
		out.Reset()
		m.Receive(&pairs[i], &out)
		m.Receive(&pairs[i+1], &out)
		if i += 2; len(out.Delivered) != 1 {
			b.Fatal("not delivered")
		}
	}
}

func BenchmarkMemberSends(b *testing.B) {
	w, _ := benchMember(b)
	a := w.nodes[0].m
	data := []can.Frame{frameOf(secured, []byte{1, 2, 3, 4, 5, 6, 7, 8})}
	var out MemberOut
	b.ReportAllocs()
	for b.Loop() {
		a.seq &= 0xFFF
		out.Reset()
		if err := a.Send(w.now, data, &out); err != nil {
			b.Fatal(err)
		}
	}
}

// A cycle of two members: the own heartbeat, the other's, the next key.
func BenchmarkMemberCycle(b *testing.B) {
	w := grouping(b, 2, nil)
	a, c := w.nodes[0].m, w.nodes[1].m
	var from, to MemberOut
	at := w.now
	var e can.Event
	b.ReportAllocs()
	for b.Loop() {
		at += 1_200 * millisecond
		from.Reset()
		to.Reset()
		a.Tick(at, &from)
		c.Tick(at, &to)
		number := a.cur.Number
		for i, out := range [][]Outgoing{from.Frames, to.Frames} {
			for _, f := range out {
				e = can.Event{Time: at, Frame: f.Frame, Dir: [2]can.Direction{can.Tx, can.Rx}[i]}
				a.Receive(&e, &from)
				e.Dir = [2]can.Direction{can.Rx, can.Tx}[i]
				c.Receive(&e, &to)
			}
		}
		if a.cur.Number == number || a.cur.Dyn != c.cur.Dyn {
			b.Fatal("no common key")
		}
	}
}
