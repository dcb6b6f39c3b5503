package cancrypt

import (
	"testing"

	"canseal/can"
)

func TestTwoMembersFormAGroupAndTalk(t *testing.T) {
	w := newNetwork(t, 2, 1, nil)
	w.start()
	w.run(700)
	if !w.agree() {
		t.Fatalf("states %v after the first cycle", w.states())
	}
	w.run(5000)
	if !w.agree() || w.nodes[0].m.cur.Number < 5 {
		t.Fatalf("states %v, %d key updates in 5 s", w.states(), w.nodes[0].m.cur.Number)
	}
	for _, word := range []Word{secured, 0x191} {
		if err := w.nodes[0].send(classical(word, []byte{1, 2, 3})); err != nil {
			t.Fatal(err)
		}
	}
	w.run(10)
	got := w.nodes[1].delivered
	if len(got) != 2 || got[0].Verdict != can.Authentic || got[0].Frame != classical(secured, []byte{1, 2, 3}) || got[1].Sender != 1 {
		t.Errorf("delivered %v", got)
	}
	for v, n := range w.tally() {
		if v != can.Authentic && v != can.HeartbeatOK && v != can.NotListed {
			t.Errorf("the judge says %v %d times", v, n)
		}
	}
}
