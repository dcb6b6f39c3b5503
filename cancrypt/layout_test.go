package cancrypt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestControlMessagesHaveTheBytesOfTheTable(t *testing.T) {
	for _, c := range []struct {
		message Control
		want    string
	}{
		{Abort{AbortMismatch}, "0506"},
		{Ack{CodeBit, 127}, "15097f"},
		{Alert{Injection, 0x1234}, "25073412"},
		{IdentifyRequest{}, "3500"},
		{Identify{1, NewMethods(PadSpeck, SpeckMAC), 0x0C, 0x13, 0xE2}, "350120050c13e2"},
		{XIdentifyRequest{4}, "4504"},
		{XIdentify{1, [4]byte{1, 2, 3, 4}}, "450101020304"},
		{Pair{2, true, true, [4]byte{1, 2, 3, 4}, 10}, "55c2010203040a"},
		{Confirm{[4]byte{1, 2, 3, 4}}, "650001020304"},
		{Unpair{AbortTimeout}, "7501"},
		{Group{3, [4]byte{1, 2, 3, 4}, 10}, "8503010203040a"},
		{Bit{9, true}, "950901"},
		{Flip{9, true}, "a50901"},
		{SaveKey{1}, "b50100"},
		{EraseKey{6}, "c50600"},
	} {
		b := AppendControl(nil, 5, c.message)
		same(t, c.message.Code().String(), b, c.want)
		context, back, err := ParseControl(b)
		if err != nil || context != 5 || back != c.message {
			t.Errorf("%v: read back %v %v: %v", c.message, context, back, err)
		}
	}
}

func TestReservedBitsAndOtherLengthsAreRefused(t *testing.T) {
	for _, s := range []string{"", "00", "000000", "1000", "20090100", "20000100", "3001", "50080000000000", "600100000000", "900002", "b00001", "d000", "ff"} {
		if _, m, err := ParseControl(raw(s)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: read as %v: %v", s, m, err)
		}
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add(raw("55c2010203040a"))
	f.Add(raw("350120050c13e2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		context, m, err := ParseControl(b)
		if err != nil {
			return
		}
		if back := AppendControl(nil, context, m); !bytes.Equal(back, b) {
			t.Errorf("% x read and written is % x", b, back)
		}
	})
}

func FuzzParsePreamble(f *testing.F) {
	f.Add(raw("b0450302004039f5"))
	f.Add(raw("203f0110ffd8f682"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePreamble(b)
		if err != nil {
			return
		}
		if back := p.Bytes(); !bytes.Equal(back[:], b) {
			t.Errorf("% x read and written is % x", b, back)
		}
	})
}

func FuzzParseFD(f *testing.F) {
	f.Add(raw("330000001023fffffd70984b"))
	f.Add(raw("09c008001fa74d22"))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, r, found, err := ParseFD(b)
		if !found || err != nil {
			return
		}
		record := r.Bytes()
		back := append(append(slices.Clone(data), make([]byte, r.Padding)...), record[:]...)
		if !bytes.Equal(back, b) {
			t.Errorf("% x read and written is % x", b, back)
		}
	})
}

func FuzzParseTable(f *testing.F) {
	f.Add(raw("8101000010080000030600000144010000f1fe98f01201008f00"), true)
	f.Add(raw("ffff"), false)
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if n := len(b) - 2; sum && n >= 0 {
			c := crc16(0xFFFF, b[:n])
			b[n], b[n+1] = byte(c), byte(c>>8)
		}
		table, err := ParseTable(b)
		if err != nil {
			return
		}
		if !bytes.Equal(table.Bytes(), b) {
			t.Errorf("% x read and written is % x", b, table.Bytes())
		}
	})
}

func TestTablesThatAreRefused(t *testing.T) {
	ok := Record{Word: 0x181, Producer: 1, Count: 8, Signature: SpeckMAC}
	with := func(change func(r *Record)) []Record {
		r := ok
		change(&r)
		return []Record{ok, r}
	}
	for name, records := range map[string][]Record{
		"equal words":            {ok, ok},
		"range behind byte 7":    with(func(r *Record) { r.Word, r.First = 1, 1 }),
		"first byte 8":           with(func(r *Record) { r.Word, r.First, r.Count = 1, 8, 0 }),
		"cipher 1":               with(func(r *Record) { r.Word, r.Cipher = 1, 1 }),
		"method 3":               with(func(r *Record) { r.Word, r.Signature = 1, 3 }),
		"scope 2":                with(func(r *Record) { r.Word, r.Scope = 1, 2 }),
		"bit 30":                 with(func(r *Record) { r.Word = 1 | Encrypted }),
		"bit 29":                 with(func(r *Record) { r.Word = 1 | Extended | wordReserved }),
		"12 bits":                with(func(r *Record) { r.Word = 0x800 }),
		"more than 4096 records": make([]Record, MaxRecords+1),
	} {
		if _, err := NewTable(records); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewTable([]Record{ok}); err != nil {
		t.Error(err)
	}
}

// A word names a record only if it equals the table in every bit, and a 29-bit
// identifier is another one than the 11-bit one of the same number.
func TestFormatAndBit30BelongToTheIdentity(t *testing.T) {
	table, err := NewTable([]Record{{Word: 0x181, Count: 8}, {Word: 0x182 | Extended}, {Word: 0x183, Cipher: AESPair}})
	if err != nil {
		t.Fatal(err)
	}
	for w, want := range map[Word]bool{
		0x181 | Encrypted: true, 0x181: false, 0x181 | Extended | Encrypted: false, 0x182 | Extended: true,
		0x182: false, 0x182 | Extended | Encrypted: false, 0x183 | Encrypted: true, 0x181 | Encrypted | wordReserved: false,
	} {
		if got := table.Announced(w) != nil; got != want {
			t.Errorf("%08x announced: %v, want %v", uint32(w), got, want)
		}
	}
}

func TestMethodsWordsThatAreRefused(t *testing.T) {
	for _, p := range []PadCipher{PadSpeck, PadAES128, PadAES256} {
		for s := range AESCMAC + 1 {
			if m := NewMethods(p, s); m.Check() != nil || m.Pad() != p || m.Signature() != s {
				t.Errorf("%04x: %v", uint16(m), m.Check())
			}
		}
	}
	for _, m := range []Methods{1, 1 << 2, 4 << 2, 3 << 5, 3 << 8, 2 << 12} {
		if _, err := NewSuite(m); !errors.Is(err, ErrFormat) {
			t.Errorf("%04x: %v", uint16(m), err)
		}
	}
}

// R3: a key is never readable.
func TestNothingPrintsAKey(t *testing.T) {
	e := Epoch{Perm: fixed[Key]("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1")}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%08b"} {
		fmt.Fprintf(&out, verb+" ", e)
		fmt.Fprintf(&out, verb+" ", &e.Perm)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", e.Perm, "epoch", e)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", e.Perm, "epoch", e)
	if err := json.NewEncoder(&out).Encode(e); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"a1", "A1", "161", "10100001", "oaGh"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q stands in %s", leak, out.String())
		}
	}
}

func TestWhatIsSealedOpensAndAnythingElseDoesNot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		s := suite(t, []PadCipher{PadSpeck, PadAES128, PadAES256}[r.IntN(3)], SpeckMAC)
		e, at := Epoch{Number: uint16(r.Uint32())}, Place{uint8(r.IntN(16)), uint8(r.IntN(16)), uint16(r.Uint32())}
		for i := range e.Dyn {
			e.Perm[i], e.Dyn[i], e.Mask[i] = byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())
		}
		plain := randomSequence(r)
		sealed := slices.Clone(plain)
		p, end := s.Seal(&e, at, sealed)
		last := &end
		if len(plain) == 1 {
			last = nil
		}
		if opened := slices.Clone(sealed); !s.Open(&e, at, &p, opened, last) || !slices.Equal(opened, plain) {
			t.Fatalf("%+v does not open", plain)
		}
		wrong := 0 // of four changes a right one is a 2^-16 chance each
		for _, change := range []func(e *Epoch, at *Place){
			func(e *Epoch, at *Place) { e.Dyn[3] ^= 1 }, func(e *Epoch, at *Place) { e.Perm[3] ^= 1 },
			func(e *Epoch, at *Place) { at.Sender ^= 1 }, func(e *Epoch, at *Place) { at.Seq += 64 },
		} {
			e, at := e, at
			change(&e, &at)
			if s.Open(&e, at, &p, slices.Clone(sealed), last) {
				wrong++
			}
		}
		if wrong > 1 {
			t.Fatalf("%+v opens under %d other keys or places", plain, wrong)
		}
	}
}

func randomSequence(r *rand.Rand) []Message {
	out := make([]Message, 1+r.IntN(MaxMessages))
	method := Signature(r.IntN(3))
	for i := range out {
		m := &out[i]
		m.Record = Record{Word: Word(r.IntN(0x800)), First: uint8(r.IntN(8)), Signature: method}
		m.Record.Count = uint8(r.IntN(9 - int(m.Record.First)))
		m.Len = uint8(r.IntN(9))
		for n := range m.Len {
			m.Data[n] = byte(r.Uint32())
		}
	}
	return out
}

func TestBytesThatParsersRefuse(t *testing.T) {
	sum := func(s string) []byte {
		b := raw(s)
		c := crc16(0xFFFF, b)
		return append(b, byte(c), byte(c>>8))
	}
	for name, b := range map[string][]byte{
		"no checksum":      raw("8101000010080000"),
		"wrong checksum":   raw("81010000100800000b82"),
		"falling order":    sum("82010000100800008101000010080000"),
		"equal words":      sum("81010000100800008101000010080000"),
		"byte 7 not zero":  sum("8101000010080001"),
		"range to byte 8":  sum("8101000010180000"),
		"reserved cipher":  sum("8101000010081000"),
		"reserved method":  sum("8101000010080300"),
		"bit 30 in a word": sum("8101004010080000"),
	} {
		if _, err := ParseTable(b); !errors.Is(err, ErrFormat) {
			t.Errorf("table with %s: %v", name, err)
		}
	}
	for _, s := range []string{"", "80008101000000", "8000810100200000", "8000810800000000"} {
		if p, err := ParsePreamble(raw(s)); !errors.Is(err, ErrFormat) {
			t.Errorf("preamble %s: %v %v", s, p, err)
		}
	}
	for s, found := range map[string]bool{
		"00000000000000":                   false, // shorter than a record
		"0000000000000000":                 false, // sender 0
		"ff00000000000000":                 false, // sender 255
		"0110000000000000":                 false, // flag bit 4
		"0101000000000000":                 true,  // more padding than bytes
		"00000000000000000104000000000000": true,  // padding that a shorter frame would not need
		"330000010103000000000000":         true,  // padding not zero
	} {
		if _, _, got, err := ParseFD(raw(s)); got != found || (err != nil) != found {
			t.Errorf("FD %s: record %v, %v", s, got, err)
		}
	}
}
