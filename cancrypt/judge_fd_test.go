package cancrypt

import (
	"errors"
	"testing"

	"canseal/can"
)

// fdBus is a bus whose group speaks CANcrypt FD: members 1, 2, 3 are active, 20
// is passive. 181h is of member 1, 300h of whoever its record names.
func fdBus(t testing.TB) *bus {
	return newBus(t, func(o *JudgeOptions) {
		table, err := NewTable([]Record{{Word: secured, Producer: 1, Signature: SpeckMAC}, {Word: 0x300, Signature: SpeckMAC}, {Word: 0x184, Producer: 1, Scope: 1, Signature: SpeckMAC}})
		if err != nil {
			t.Fatal(err)
		}
		o.FD, o.Table, o.Members, o.Plaintext = true, table, []uint8{1, 2, 3, 20}, true
	})
}

func groupedFD(t testing.TB) *bus {
	b := fdBus(t)
	b.start(7, 1, 2, 3)
	b.cycleFD(1, 2, 3)
	return b
}

func (b *bus) frameFD(w Word, payload []byte) int64 {
	b.now += 200_000
	e := can.Event{Time: b.now, Frame: can.Frame{ID: w.ID(), Flags: can.FD | can.BRS, DLC: can.DLC(len(payload)), Len: uint8(len(payload))}}
	copy(e.Frame.Data[:], payload)
	return b.event(e)
}

func (b *bus) cycleFD(members ...uint8) map[uint8]int64 {
	stamps := map[uint8]int64{}
	for _, a := range members {
		h := b.s.SealFDHeartbeat(&b.e, control+Word(a), SpeckMAC, a, Authenticated, [3]byte{a, byte(b.now >> 20), byte(b.now >> 28)})
		stamps[a] = b.frameFD(control+Word(a), h[:])
	}
	b.update(stamps, 0)
	b.wait(1000)
	return stamps
}

// sealFD returns a payload of a sender with the number seq.
func (b *bus) sealFD(w Word, sender uint8, seq uint16, encrypted bool, data ...byte) []byte {
	return b.s.SealFD(nil, &b.e, Place{Sender: sender, Seq: seq}, FDOptions{w, SpeckMAC, encrypted}, data)
}

// P1.15: what each verdict takes in the FD profile.
func TestVerdictsOfCANcryptFD(t *testing.T) {
	b := groupedFD(t)
	b.want(b.frameFD(secured, b.sealFD(secured, 1, 0, false, 1, 2, 3)), can.Authentic, "authenticated")
	b.want(b.frameFD(secured, b.sealFD(secured, 1, 1, true, 1, 2, 3, 4, 5, 6, 7, 8, 9)), can.Authentic, "encrypted")
	b.want(b.frameFD(secured, b.sealFD(secured, 1, 1, true, 1)), can.Replayed, "its number again")
	b.want(b.frameFD(secured, b.sealFD(secured, 1, 900, false)), can.Authentic, "a number far ahead, no data")
	b.want(b.frameFD(secured, b.sealFD(secured, 1, 899, false)), can.Replayed, "a number below")
	b.want(b.frameFD(0x300, b.sealFD(0x300, 20, 5, false, 1)), can.Authentic, "a passive member under an identifier of everybody")
	b.want(b.frameFD(0x300, b.sealFD(0x300, 21, 5, false, 1)), can.SenderLostOrLeft, "a key holder that is no member")
	b.want(b.frameFD(secured, b.sealFD(secured, 2, 5, false, 1)), can.SignatureWrong, "another sender than the table names")
	good := b.sealFD(secured, 1, 1000, true, 1, 2, 3, 4, 5)
	for bit := range 8 * len(good) {
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		if v := b.settled[b.frameFD(secured, bad)]; v == can.Authentic || v == can.AuthenticUnderGuessing || v == can.Replayed {
			t.Errorf("changed bit %d: %v", bit, v)
		}
	}
	b.want(b.frameFD(secured, good), can.AuthenticUnderGuessing, "after all these")
	b.want(b.frameFD(secured, []byte{1, 2, 3}), can.MessageWithoutPreamble, "no room for a record")
	b.want(b.frameFD(secured, make([]byte, 16)), can.MessageWithoutPreamble, "a record of sender 0")
	b.want(b.frame(secured, []byte{1}), can.MessageWithoutPreamble, "a classical frame")
	b.want(b.frameFD(0x184, b.sealFD(0x184, 1, 7, false, 1)), can.MessageWithoutPreamble, "a pairing's identifier: its messages are classical")
	b.e.Number++
	ahead := b.frameFD(secured, b.sealFD(secured, 1, 0, false, 1))
	b.e.Number--
	b.frameFD(secured, b.sealFD(secured, 1, 2000, false, 1))
	b.want(ahead, can.KeyEpochUnknown, "an epoch ahead")
	b.cycleFD(1, 2, 3)
	b.want(b.frameFD(secured, b.sealFD(secured, 1, 0, false, 1)), can.Authentic, "numbers begin again with the key")
}

func TestHeartbeatsOfCANcryptFD(t *testing.T) {
	b := groupedFD(t)
	b.frameFD(secured, b.sealFD(secured, 1, 0, false, 1)) // proves the key
	for a, at := range b.cycleFD(1, 2, 3) {
		b.want(at, can.HeartbeatOK, "heartbeat of "+string('0'+rune(a)))
	}
	b.frameFD(secured, b.sealFD(secured, 1, 0, false, 1))
	h := b.s.SealFDHeartbeat(&b.e, control+2, SpeckMAC, 2, Authenticated, [3]byte{1, 2, 3})
	for bit := range 8 * len(h) {
		bad := h
		bad[bit/8] ^= 1 << (bit % 8)
		if at := b.frameFD(control+2, bad[:]); b.settled[at] == can.HeartbeatOK {
			t.Errorf("changed bit %d is right", bit)
		}
	}
	b.want(b.frameFD(control+3, h[:]), can.HeartbeatWrong, "in another's name")
	classic := b.s.SealHeartbeat(&b.e, 3, Authenticated, [3]byte{1, 2, 3})
	b.want(b.frame(control+3, classic[:]), can.HeartbeatWrong, "a classical heartbeat")
	b.want(b.frameFD(control+3, make([]byte, 12)), can.NotListed, "an FD frame of another length")
	b.want(b.frame(control+1, make([]byte, 8)), can.SignatureWrong, "a preamble: the group has none")
	p := Preamble{Count: 1, Context: 1, Word: 0x184}
	head := p.Bytes()
	b.frame(control+1, head[:])
	b.want(b.frame(0x184, []byte{1}), can.NotJudged, "a pairing beside the group")
	b.want(b.frameFD(control+2, h[:]), can.HeartbeatOK, "the right one after all that")
}

// What is encrypted is given out in plain text, and marked as ciphertext.
func TestPlainTextOfCANcryptFD(t *testing.T) {
	b := groupedFD(t)
	payload := b.sealFD(secured, 1, 0, true, 1, 2, 3)
	e := can.Event{Time: b.now + 1, Frame: can.Frame{ID: secured.ID(), Flags: can.FD, DLC: can.DLC(len(payload)), Len: uint8(len(payload))}}
	copy(e.Frame.Data[:], payload)
	before := e
	var out Out
	if v := b.j.Frame(&e, &out); v != can.Authentic || len(out.Plain) != 1 || string(out.Plain[0].Data[:out.Plain[0].Len]) != "\x01\x02\x03" || out.Plain[0].Sender != 1 {
		t.Errorf("%v, %+v", v, out.Plain)
	}
	if e != before {
		t.Error("the frame was changed")
	}
	if !b.j.Ciphertext(&e.Frame) {
		t.Error("not marked as ciphertext")
	}
	copy(e.Frame.Data[:], b.sealFD(secured, 1, 1, false, 1, 2, 3))
	if b.j.Ciphertext(&e.Frame) {
		t.Error("plain text is marked as ciphertext")
	}
}

func TestJudgesOfCANcryptFDThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(o *JudgeOptions){
		"signature 0": func(o *JudgeOptions) { o.Methods = NewMethods(PadSpeck, CRCXor) },
		"member 255":  func(o *JudgeOptions) { o.Members = []uint8{1, 255} },
		"member 0":    func(o *JudgeOptions) { o.Members = []uint8{0, 1} },
	} {
		o := judgeOptions(t)
		o.FD, o.HeartbeatOnly = true, nil
		change(&o)
		if _, err := NewJudge(o); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Which bytes of the classical profile are ciphertext follows from the table.
func TestCiphertextIsKnownByTheTable(t *testing.T) {
	b := grouped(t, nil)
	frame := func(w Word, n int) *can.Frame {
		f := can.Frame{ID: w.ID(), DLC: uint8(n), Len: uint8(n)}
		if w&Extended != 0 {
			f.Flags = can.Extended
		}
		return &f
	}
	plainHead, _ := b.pair(secured, 1)
	head := frame(control+1, 8)
	copy(head.Data[:], plainHead[:])
	for _, c := range []struct {
		f    *can.Frame
		want bool
	}{
		{frame(secured, 8), true}, {frame(secured, 0), false}, {frame(0x191, 8), false}, {frame(0x123, 8), false}, {frame(blocked, 8), true},
		{head, false}, {frame(control+2, 8), true}, {frame(control+2, 5), false}, {frame(plain, 8), false},
	} {
		if got := b.j.Ciphertext(c.f); got != c.want {
			t.Errorf("%03X of %d bytes: %v", c.f.ID, c.f.Len, got)
		}
	}
}
