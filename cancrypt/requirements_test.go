package cancrypt

import (
	"testing"

	"canseal/can"
)

// R11: the preamble and its message are queued as one, with nothing between
// them, and its signature is not the same for the same message twice.
func TestR11PreambleAndMessageAreBackToBack(t *testing.T) {
	w := newNetwork(t, 2, 1, nil)
	w.start()
	w.run(3000)
	message := frameOf(secured, []byte{1, 2, 3, 4})
	first, second := w.recorded(0, message), w.recorded(0, message)
	for _, pair := range [][]can.Frame{first, second} {
		if len(pair) != 2 || pair[0].ID != uint32(w.o.Control)+1 || pair[0].DLC != 8 || pair[1].ID != message.ID {
			t.Fatalf("%+v, wanted a preamble and its message", pair)
		}
	}
	if first[0] == second[0] {
		t.Error("the same preamble twice")
	}
	if err := w.nodes[0].send(message); err != nil {
		t.Fatal(err)
	}
	begun := len(w.log)
	w.run(5)
	var seen []uint32
	for _, e := range w.log[begun:] {
		seen = append(seen, e.Frame.ID)
	}
	for i, id := range seen {
		if id == uint32(w.o.Control)+1 && w.log[begun+i].Frame.DLC == 8 && (i+1 == len(seen) || seen[i+1] != message.ID) {
			t.Errorf("frames %X: something came between", seen)
		}
	}
}

// R20: pad cipher and signature are replaced by the methods word alone: a group
// works under each, and a member with another word is no part of it.
func TestR20FunctionsAreReplaceable(t *testing.T) {
	for _, p := range []PadCipher{PadSpeck, PadAES128, PadAES256} {
		for _, s := range []Signature{SpeckMAC, AESCMAC} {
			w := newNetworkWith(t, 3, NewMethods(p, s), nil)
			w.start()
			w.run(3000)
			if err := w.nodes[0].send(frameOf(secured, []byte{1, 2, 3, 4})); err != nil {
				t.Fatal(err)
			}
			w.run(50)
			if !w.all(StateGrouped) || len(w.nodes[1].delivered) != 1 || w.counts[can.SignatureWrong] > 0 {
				t.Errorf("pad %d, signature %d: %v, %d delivered, judged %v", p, s, w.states(), len(w.nodes[1].delivered), w.counts)
			}
		}
	}
	w := newNetworkWith(t, 3, NewMethods(PadSpeck, SpeckMAC), func(o *MemberOptions) {
		if o.Address == 3 {
			o.Methods = NewMethods(PadAES128, SpeckMAC)
		}
	})
	w.start()
	w.run(3000)
	if err := w.nodes[0].send(frameOf(secured, []byte{1, 2, 3, 4})); err == nil {
		w.run(50)
	}
	if len(w.nodes[2].delivered) > 0 {
		t.Error("a member with another pad takes the message")
	}
}

// newNetworkWith is newNetwork with a methods word.
func newNetworkWith(t testing.TB, n int, m Methods, change func(o *MemberOptions)) *network {
	t.Helper()
	o := judgeOptions(t)
	o.Members = nil
	for a := range uint8(n) {
		o.Members = append(o.Members, a+1)
	}
	o.Methods = m
	return networkOf(t, o, 1, change)
}
