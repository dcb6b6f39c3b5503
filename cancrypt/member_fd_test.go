package cancrypt

import (
	"bytes"
	"errors"
	"testing"

	"canseal/can"
)

// Identifiers of the FD group: 281h of member 1, encrypted; 282h of whoever its
// record names.
const (
	fdOwn    = Word(0x281)
	fdShared = Word(0x282)
)

func fdOptions(t testing.TB, signature Signature, members ...uint8) JudgeOptions {
	t.Helper()
	table, err := NewTable([]Record{{Word: fdOwn, Producer: 1, Count: 8, Signature: SpeckMAC}, {Word: fdShared, Signature: SpeckMAC}})
	if err != nil {
		t.Fatal(err)
	}
	o := judgeOptions(t)
	o.Table, o.Members, o.FD, o.HeartbeatOnly, o.Methods = table, members, true, nil, NewMethods(PadSpeck, signature)
	return o
}

// groupingFD is an FD group in GROUPED.
func groupingFD(t testing.TB, signature Signature, members ...uint8) *network {
	t.Helper()
	w := networkOf(t, fdOptions(t, signature, members...), 3, func(o *MemberOptions) { o.BRS = true })
	w.start()
	w.run(1100)
	w.agreed("after the start")
	return w
}

func message(w Word, data []byte) can.Frame { return frameFD(w, can.FD|can.BRS, data) }

// FD: active members make the key, passive ones follow it; messages of every
// length arrive as they were sent, from both.
func TestMembersOfAnFDGroup(t *testing.T) {
	for _, signature := range []Signature{SpeckMAC, AESCMAC} {
		w := groupingFD(t, signature, 1, 2, 16, 254)
		for n := range maxFDData + 1 {
			data := bytes.Repeat([]byte{byte(n)}, n)
			if err := w.nodes[0].send(message(fdOwn, data)); err != nil {
				t.Fatal(err)
			}
			if err := w.nodes[3].send(message(fdShared, data)); err != nil {
				t.Fatal(err)
			}
			w.run(37)
		}
		w.agreed("two cycles later")
		for i, want := range []int{57, 114, 114, 57} {
			got := w.nodes[i].delivered
			if len(got) != want {
				t.Fatalf("member %d got %d messages", i+1, len(got))
			}
			for _, d := range got {
				if n := int(d.Frame.Len); d.Verdict != can.Authentic || !bytes.Equal(d.Frame.Payload(), bytes.Repeat([]byte{byte(n)}, n)) {
					t.Errorf("got %+v", d)
				}
			}
		}
		for _, e := range w.log {
			if e.Frame.Is(can.FD) && (!e.Frame.Valid() || e.Frame.Flags != can.FD|can.BRS) {
				t.Errorf("frame %+v", e.Frame)
			}
			if id := e.Frame.ID; id&^15 == uint32(control) && id != 0x171 && id != 0x172 {
				t.Errorf("a passive member sends on %03X", id)
			}
		}
		w.honest()
	}
}

func TestFifteenActiveAndTheMostPassiveMembers(t *testing.T) {
	var all []uint8
	for a := 1; a <= 254; a++ {
		all = append(all, uint8(a))
	}
	w := groupingFD(t, SpeckMAC, all...)
	w.run(2000)
	w.agreed("with 15 and 239 members")
	if n := w.nodes[253].m.cur.Number; n < 2 {
		t.Errorf("%d updates", n)
	}
}

// R14 for FD: what is not authentic is not delivered.
func TestForgedFDFramesAreNotDelivered(t *testing.T) {
	classic := frameOf(fdOwn, []byte{1, 2, 3, 4, 5, 6, 7, 8})
	for name, c := range map[string]struct {
		change  func(f *can.Frame)
		counter Counter
	}{
		"data":            {func(f *can.Frame) { f.Data[0] ^= 1 }, BadSignature},
		"signature":       {func(f *can.Frame) { f.Data[f.Len-1] ^= 1 }, BadSignature},
		"identifier":      {func(f *can.Frame) { f.ID = fdShared.ID() }, BadSignature},
		"another sender":  {func(f *can.Frame) { f.Data[f.Len-8] = 2 }, BadSignature},
		"padding":         {func(f *can.Frame) { f.Data[f.Len-9] = 1 }, BadSignature},
		"reserved flag":   {func(f *can.Frame) { f.Data[f.Len-7] |= fdReserved }, NoPreamble},
		"two epochs on":   {func(f *can.Frame) { f.Data[f.Len-7] ^= 0x80 }, Desync},
		"classical frame": {func(f *can.Frame) { *f = classic }, NoPreamble},
		"sent again":      {func(*can.Frame) {}, ReplayedSeq},
	} {
		w := groupingFD(t, SpeckMAC, 1, 2, 16)
		if err := w.nodes[0].send(message(fdOwn, []byte{1, 2, 3, 4, 5})); err != nil {
			t.Fatal(err)
		}
		w.run(5)
		f := w.log[len(w.log)-1].Frame
		w.nodes[0].down = true
		c.change(&f)
		w.inject(w.now, f)
		w.run(5)
		for _, s := range w.nodes[1:] {
			if len(s.delivered) != 1 || s.m.Counters()[c.counter] != 1 {
				t.Errorf("%s: %d messages delivered, counters %v", name, len(s.delivered), s.m.Counters())
			}
		}
	}
}

func TestAClassicalHeartbeatIsWrongInAnFDGroup(t *testing.T) {
	w := groupingFD(t, SpeckMAC, 1, 2, 3)
	w.nodes[2].down = true
	h := w.nodes[0].m.suite.SealHeartbeat(&w.nodes[0].m.cur, 3, Authenticated, [3]byte{1, 2, 3})
	w.inject(w.now, frameOf(control+3, h[:]))
	w.run(5)
	if n := w.nodes[0].m.Counters()[BadHeartbeat]; n != 1 || w.nodes[0].m.cycle.open {
		t.Errorf("%d heartbeat failures", n)
	}
}

func TestOwnFDFramesOfSomebodyElseSilence(t *testing.T) {
	for name, word := range map[string]Word{"own identifier": fdOwn, "shared identifier": fdShared} {
		w := groupingFD(t, SpeckMAC, 1, 2)
		if err := w.nodes[0].send(message(word, []byte{1})); err != nil {
			t.Fatal(err)
		}
		w.run(5)
		w.inject(w.now, w.log[len(w.log)-1].Frame)
		w.run(5)
		if s := w.nodes[0].m.State(); s != StateSilent {
			t.Errorf("%s: %v", name, s)
		}
	}
}

func TestWhatAnFDMemberMayNotSend(t *testing.T) {
	w := groupingFD(t, SpeckMAC, 1, 2, 16)
	long := message(fdOwn, nil)
	long.Len = 57
	for _, c := range []struct {
		from   int
		frames []can.Frame
	}{{0, []can.Frame{long}}, {1, []can.Frame{message(fdOwn, nil)}}, {2, []can.Frame{message(0x123, nil)}}, {0, make([]can.Frame, 2)}} {
		if err := w.nodes[c.from].send(c.frames...); !errors.Is(err, ErrNotOwn) {
			t.Errorf("%v: %v", c, err)
		}
	}
	o := memberOptions(w.o, 1, w.rng)
	for name, change := range map[string]func(o *MemberOptions){
		"signature 0":        func(o *MemberOptions) { o.Methods = NewMethods(PadSpeck, CRCXor) },
		"address 255":        func(o *MemberOptions) { o.Members = []uint8{1, 2, 255} },
		"one active member":  func(o *MemberOptions) { o.Members = []uint8{1, 16} },
		"passive on classic": func(o *MemberOptions) { o.FD = false },
	} {
		bad := o
		change(&bad)
		if _, err := NewMember(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
