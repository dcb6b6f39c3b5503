package cancrypt

import (
	"fmt"
	"testing"

	"canseal/can"
)

func TestTwoMembersFormAGroupAndTalk(t *testing.T) {
	w := grouping(t, 2, nil)
	w.run(5000)
	w.agreed("5 s later")
	if n := w.nodes[0].m.cur.Number; n < 5 || n > 7 {
		t.Errorf("%d key updates in 5 s", n)
	}
	for _, word := range []Word{secured, 0x191} {
		if err := w.nodes[0].send(frameOf(word, []byte{1, 2, 3})); err != nil {
			t.Fatal(err)
		}
	}
	w.run(10)
	got := w.nodes[1].delivered
	if len(got) != 2 || got[0].Verdict != can.Authentic || got[0].Frame != frameOf(secured, []byte{1, 2, 3}) || got[1].Sender != 1 {
		t.Errorf("delivered %v", got)
	}
	w.honest()
}

// R1, R5, R10: fifteen members, each with one heartbeat a cycle, share a key
// that changes with each.
func TestFifteenMembersShareARollingKey(t *testing.T) {
	w := grouping(t, 15, nil)
	seen := map[Key]bool{}
	for range 20 {
		w.run(1000)
		w.agreed("a cycle later")
		seen[w.nodes[7].m.cur.Dyn] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d keys in 20 cycles", len(seen))
	}
	beats := map[uint32][]int64{}
	for _, e := range w.log {
		if e.Frame.Len == 5 {
			beats[e.Frame.ID] = append(beats[e.Frame.ID], e.Time)
		}
	}
	if len(beats) != 15 {
		t.Errorf("heartbeats of %d members", len(beats))
	}
	for id, at := range beats {
		for i := range at[1:] {
			if d := at[i+1] - at[i]; d < 975*millisecond || d > 1025*millisecond {
				t.Errorf("heartbeats of %03X %d ms apart", id, d/millisecond)
			}
		}
	}
	w.honest()
}

// R2: whoever boots when, the group forms within the 5 s between two starts, the
// window and the first cycle; and the judge is in step with it.
func TestMembersThatBootApart(t *testing.T) {
	for seed := range uint64(200) {
		n := 2 + int(seed%5)
		w := newNetwork(t, n, seed, nil)
		for _, s := range w.nodes {
			w.run(w.rng.Int64N([]int64{30, 200, 800, 3000, 8000}[seed/5%5]))
			s.start()
		}
		w.run(5000 + 500 + 700)
		w.agreed(fmt.Sprintf("seed %d", seed))
		if w.judge.candidates[0].cur.Dyn != w.nodes[0].m.cur.Dyn {
			t.Errorf("seed %d: the judge does not follow", seed)
		}
	}
}

func TestAMemberAloneTriesEveryFiveSeconds(t *testing.T) {
	w := newNetwork(t, 2, 1, nil)
	w.nodes[0].start()
	w.run(21000)
	if n := len(w.log); n < 4 || n > 5 {
		t.Errorf("%d frames in 21 s", n)
	}
	if w.run(700); w.nodes[0].m.State() != StateOff {
		t.Errorf("state %v", w.nodes[0].m.State())
	}
}

// A member that is cut off is lost after two cycles; when it is back its
// heartbeats are not right, and everybody joins anew.
func TestAMemberThatIsCutOffIsLostAndComesBackByAStart(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nodes[2].down = true
	w.run(2500)
	for _, s := range w.nodes[:2] {
		if s.events[MemberLost] != 1 || s.m.State() != StateGrouped {
			t.Errorf("state %v, events %v", s.m.State(), s.events)
		}
	}
	w.nodes[2].down, w.nodes[2].queue = false, nil
	w.run(2*1000 + 5000 + 600 + 200)
	w.agreed("2 cycles, 5 s and the window later")
}

func TestLeavingInOrder(t *testing.T) {
	w := grouping(t, 3, nil)
	w.nodes[1].do(func(out *MemberOut) { w.nodes[1].m.Leave(w.now, out) })
	w.run(1300)
	if s := w.nodes[1].m; s.State() != StateOff || s.cur != (Epoch{}) {
		t.Fatalf("state %v", s.State())
	}
	w.run(8000)
	for _, i := range []int{0, 2} {
		s := w.nodes[i]
		if s.events[MemberLeft] != 1 || s.events[MemberLost] != 0 || s.m.State() != StateGrouped || s.m.cur != w.nodes[0].m.cur {
			t.Errorf("state %v, events %v", s.m.State(), s.events)
		}
	}
	w.nodes[1].start()
	w.run(1100)
	w.agreed("it comes again")
	w.honest()
}

func TestAMemberThatIsLeftAloneAsksForAStart(t *testing.T) {
	w := grouping(t, 2, nil)
	w.nodes[1].down = true
	w.run(20000)
	var starts []int64
	for _, e := range w.log {
		if e.Frame.Len == 7 {
			starts = append(starts, e.Time)
		}
	}
	for i := range starts[2:] {
		if d := starts[i+2] - starts[i+1]; d < restartTime {
			t.Errorf("starts %d ms apart", d/millisecond)
		}
	}
	if n := len(starts); n < 4 || n > 6 {
		t.Errorf("%d GROUP frames in 20 s", n)
	}
	w.nodes[1].down, w.nodes[1].queue = false, nil
	w.run(8000)
	w.agreed("not alone any more")
}

// GROUP frames that are not followed, and what a stranger gets.
func TestGroupFramesThatAMemberDoesNotFollow(t *testing.T) {
	group := func(from Word, keyID, event uint8) can.Frame {
		return frameOf(control+from, AppendControl(nil, 0, Group{keyID, [4]byte{1}, event}))
	}
	for name, c := range map[string]struct {
		f      can.Frame
		kind   EventKind
		abort  int
		before int64
	}{
		"within 5 s":          {group(3, 3, 10), GroupIgnored, 0, 0},
		"another key":         {group(3, 2, 10), GroupIgnored, 0, 6000},
		"another event time":  {group(3, 3, 20), GroupIgnored, 1, 6000},
		"of a stranger":       {group(9, 3, 10), StrangeAddress, 0, 6000},
		"of the configurator": {group(0, 3, 10), StrangeAddress, 0, 6000},
	} {
		w := grouping(t, 3, func(o *MemberOptions) { o.Members = []uint8{1, 2, 3} })
		w.nodes[2].down = true
		w.run(c.before)
		from := len(w.log)
		w.inject(w.now, c.f)
		w.inject(w.now+millisecond, c.f)
		w.run(100)
		aborts := 0
		for _, e := range w.log[from:] {
			if string(e.Frame.Payload()) == string([]byte{0, byte(AbortMismatch)}) {
				aborts++
			}
		}
		a := w.nodes[0]
		if a.events[c.kind] != 2 || aborts != 2*c.abort || a.m.State() != StateGrouped {
			t.Errorf("%s: state %v, events %v, %d times ABORT 6", name, a.m.State(), a.events, aborts)
		}
	}
}

// A forged GROUP frame costs the group one start in 5 s, and no more.
func TestForgedStartsCostOneJoinInFiveSeconds(t *testing.T) {
	w := grouping(t, 3, func(o *MemberOptions) { o.Members = []uint8{1, 2, 3, 4} })
	for i := range int64(300) {
		w.inject(w.now+i*100*millisecond, frameOf(control+4, AppendControl(nil, 0, Group{3, [4]byte{byte(i)}, 10})))
	}
	w.run(30000)
	if n := w.nodes[0].events[Join]; n < 6 || n > 7 {
		t.Errorf("%d starts in 30 s", n)
	}
	w.run(7000)
	w.agreed("when it is over")
}

// One GROUP per boot: a box that boots late comes into step, once.
func TestOneGroupPerBoot(t *testing.T) {
	for _, visit := range []bool{false, true} {
		w := newNetwork(t, 3, 5, func(o *MemberOptions) {
			if o.Address == 3 {
				o.GroupOnce, o.Visit = true, visit
			}
		})
		c := w.nodes[2]
		w.nodes[0].start()
		w.nodes[1].start()
		w.run(8000)
		for range 30 {
			w.nodes[0].send(frameOf(secured, []byte{1}))
			w.run(10)
		}
		late := len(w.log)
		c.start()
		w.run(5000)
		if c.m.State() != StateOff || c.m.once {
			t.Fatalf("started without a listed frame, or for heartbeats: %v", c.m.State())
		}
		for range 190 {
			w.nodes[0].send(frameOf(secured, []byte{1}))
			w.run(10)
		}
		if c.m.once {
			t.Error("a start after less than 2 s of listed frames")
		}
		for range 30 {
			w.nodes[0].send(frameOf(secured, []byte{1}))
			w.run(10)
		}
		w.run(1500)
		want := StateGrouped
		if visit {
			want = StateOff
		}
		if c.m.State() != want || w.nodes[0].m.State() != StateGrouped || w.judge.candidates[0].cur.Dyn != w.nodes[0].m.cur.Dyn {
			t.Errorf("visit %v: states %v", visit, w.states())
		}
		if visit && w.nodes[0].events[MemberLeft] != 1 {
			t.Errorf("events %v", w.nodes[0].events)
		}
		w.nodes[0].down, w.nodes[1].down = true, true
		w.run(30000)
		own := 0
		for _, e := range w.log[late:] {
			if e.Frame.ID == 0x173 && e.Frame.Len == 7 {
				own++
			}
		}
		if own != 1 {
			t.Errorf("visit %v: %d GROUP frames in its life", visit, own)
		}
	}
}

func TestAVisitorThatIsInStepSendsNothing(t *testing.T) {
	w := newNetwork(t, 3, 5, func(o *MemberOptions) { o.GroupOnce, o.Visit = o.Address == 3, o.Address == 3 })
	w.start()
	for range 600 {
		w.nodes[0].send(frameOf(secured, []byte{1}))
		w.run(10)
	}
	for _, e := range w.log {
		if e.Frame.ID == 0x173 {
			t.Fatal("a visitor that heard the start sends")
		}
	}
	if n := len(w.nodes[2].delivered); n < 500 {
		t.Errorf("%d messages delivered to a listener", n)
	}
}
