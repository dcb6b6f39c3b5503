package j1939

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"canseal/internal/cost"
)

func TestIdentifiersSayGroupAndAddresses(t *testing.T) {
	for _, c := range []struct {
		id, pgn             uint32
		source, destination uint8
	}{
		{0x0cf00400, 0xf004, 0x00, Global},
		{0x18fef147, 0xfef1, 0x47, Global},
		{0x18da0bf9, 0xda00, 0xf9, 0x0b},
		{0x1cecff00, 0xec00, 0x00, 0xff},
		{0x19f805fe, 0x1f805, Null, Global},
		{0x03fffffe, 0x3ffff, Null, Global},
	} {
		if PGN(c.id) != c.pgn || Source(c.id) != c.source || Destination(c.id) != c.destination {
			t.Errorf("%08X: PGN %X, from %X to %X", c.id, PGN(c.id), Source(c.id), Destination(c.id))
		}
		if id := ID(uint8(c.id>>26), c.pgn, c.source, c.destination); id != c.id {
			t.Errorf("%08X is made as %08X", c.id, id)
		}
	}
}

func TestValuesThatAreNoMeasurement(t *testing.T) {
	for _, c := range []struct {
		raw  uint64
		bits int
		want bool
	}{
		{3, 2, true}, {0xa, 4, true}, {0xb, 4, false}, {0xfa, 8, true}, {0xfb, 8, false}, {0x3fa, 10, false}, {0x3eb, 10, true},
		{0xfaff, 16, true}, {0xfb00, 16, false}, {0xfaffffff, 32, true}, {0xfb000000, 32, false}, {1<<64 - 1, 64, false},
	} {
		if got := Available(c.raw, c.bits); got != c.want {
			t.Errorf("%X of %d bits: %v", c.raw, c.bits, got)
		}
	}
}

// feed gives frames "ID#DATA", 1 ms apart, on bus 1; "+1500" lets 1500 ms pass.
// It returns the messages that they complete.
func feed(t testing.TB, add func(int64, uint8, uint32, uint8, []byte) (Message, bool), frames string) string {
	t.Helper()
	now, messages := int64(0), []string{}
	for _, f := range strings.Fields(frames) {
		if f == "+1500" {
			now += 1_500_000_000
			continue
		}
		var id uint32
		name, text, _ := strings.Cut(f, "#")
		fmt.Sscanf(name, "%X", &id)
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := add(now, 1, id, 2, data); ok {
			messages = append(messages, fmt.Sprintf("%d %08X#%x", m.Time/1e6, m.ID, m.Payload))
		}
		now += 1_000_000
	}
	return strings.Join(messages, " ")
}

const (
	announce = "1CECFF00#200A0002FFE3FE00 " // BAM, 10 bytes in 2 packets, group FEE3
	packet1  = "1CEBFF00#0101020304050607 "
	packet2  = "1CEBFF00#02080900FFFFFFFF "
	whole    = "18FEE300#01020304050607080900"

	request = "1CEC0BF9#100A0002FF00DA00 " // RTS from F9 to 0B, group DA00
	clear1  = "1CECF90B#110101FFFF00DA00 "
	first   = "1CEB0BF9#0101020304050607 "
	second  = "1CEB0BF9#02080900FFFFFFFF "
	done    = "1CECF90B#130A0002FF00DA00 "
	quit    = "1CECF90B#FF03FFFFFF00DA00 "
)

func TestTransportProtocol(t *testing.T) {
	for name, c := range map[string]struct {
		frames, messages string
		stats            Stats
	}{
		"broadcast":                       {announce + packet1 + packet2, "0 " + whole, Stats{Complete: 1}},
		"in another order":                {announce + packet2 + packet1, "0 " + whole, Stats{Complete: 1}},
		"a packet twice":                  {announce + packet1 + packet1 + packet2, "0 " + whole, Stats{Complete: 1}},
		"a packet is missing":             {announce + packet1 + announce + packet1 + packet2, "2 " + whole, Stats{Complete: 1, Lost: 1}},
		"no announcement":                 {packet1 + packet2, "", Stats{Stray: 2}},
		"too late":                        {announce + packet1 + "+1500 " + packet2, "", Stats{Lost: 1, Stray: 1}},
		"packet 0":                        {announce + "1CEBFF00#0001020304050607", "", Stats{Stray: 1}},
		"packet beyond the end":           {announce + "1CEBFF00#0301020304050607", "", Stats{Stray: 1}},
		"more than it can carry":          {"1CECFF00#20FFFFFFFFE3FE00", "", Stats{Stray: 1}},
		"bytes and packets that disagree": {"1CECFF00#200A0003FFE3FE00", "", Stats{Stray: 1}},
		"nothing announced":               {"1CECFF00#20000000FFE3FE00", "", Stats{Stray: 1}},
		"short frames":                    {"1CECFF00#20 1CEBFF00#01 1CEBFF00#", "", Stats{Stray: 3}},
		"connection":                      {request + clear1 + first + clear1 + second + done, "0 18DA0BF9#01020304050607080900", Stats{Complete: 1}},
		"sent again":                      {request + clear1 + first + "+1500 " + clear1 + first + second, "0 18DA0BF9#01020304050607080900", Stats{Complete: 1}},
		"aborted":                         {request + clear1 + first + quit + second, "", Stats{Lost: 1, Stray: 1}},
		"ended early":                     {request + first + done, "", Stats{Lost: 1}},
		"two pairs at once":               {announce + request + packet1 + first + packet2 + second, "0 " + whole + " 1 18DA0BF9#01020304050607080900", Stats{Complete: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			a := New()
			if got := feed(t, a.Add, c.frames); got != c.messages || a.Stats != c.stats {
				t.Errorf("%q, %+v; want %q, %+v", got, a.Stats, c.messages, c.stats)
			}
		})
	}
}

func TestFastPackets(t *testing.T) {
	const id = "19F80503#"
	for name, c := range map[string]struct {
		frames, messages string
		stats            Stats
	}{
		"one frame":            {id + "0003010203FFFFFF", "0 19F80503#010203", Stats{Complete: 1}},
		"two frames":           {id + "200A010203040506 " + id + "2107080900FFFFFF", "0 19F80503#01020304050607080900", Stats{Complete: 1}},
		"another in between":   {id + "200A010203040506 " + id + "4107080900FFFFFF", "", Stats{Lost: 1, Stray: 1}},
		"a frame is missing":   {id + "2010010203040506 " + id + "2207080900FFFFFF", "", Stats{Lost: 1, Stray: 1}},
		"begins again":         {id + "200A010203040506 " + id + "4001AAFFFFFFFFFF", "1 19F80503#aa", Stats{Complete: 1, Lost: 1}},
		"too late":             {id + "200A010203040506 +1500 " + id + "2107080900FFFFFF", "", Stats{Lost: 1, Stray: 1}},
		"longer than can be":   {id + "20F0010203040506", "", Stats{Stray: 1}},
		"empty":                {id + "2000010203040506 " + id + " " + id + "20", "", Stats{Stray: 3}},
		"senders of one group": {id + "200A010203040506 19F80504#2003AABBCC " + id + "2107080900", "1 19F80504#aabbcc 0 19F80503#01020304050607080900", Stats{Complete: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFastPacket()
			if got := feed(t, f.Add, c.frames); got != c.messages || f.Stats != c.stats {
				t.Errorf("%q, %+v; want %q, %+v", got, f.Stats, c.messages, c.stats)
			}
		})
	}
}

func TestOnlySoManyMessagesAreOpen(t *testing.T) {
	a, f := New(), NewFastPacket()
	for i := range 10_000 {
		bus, source := uint8(i), uint32(i>>8)
		a.Add(int64(i), bus, 0x1cecff00|source, 0, []byte{broadcast, 0xf9, 0x06, 255, 255, 0, 0xfe, 0})
		f.Add(int64(i), bus, 0x19f80500|source, 0, []byte{0, 223, 1, 2, 3, 4, 5, 6})
	}
	if a.open.Len() != mostSessions || f.open.Len() != mostSessions {
		t.Errorf("%d and %d are open", a.open.Len(), f.open.Len())
	}
	a.Close()
	f.Close()
	if want := (Stats{Lost: 10_000}); a.Stats != want || f.Stats != want {
		t.Errorf("%+v, %+v", a.Stats, f.Stats)
	}
}

func TestAMessageOfFramesWithSeveralTagsSaysSo(t *testing.T) {
	a := New()
	a.Add(0, 1, 0x1cecff00, 2, []byte{broadcast, 10, 0, 2, 255, 0xe3, 0xfe, 0})
	a.Add(1, 1, 0x1cebff00, 2, []byte{1, 1, 2, 3, 4, 5, 6, 7})
	if m, ok := a.Add(2, 1, 0x1cebff00, 9, []byte{2, 8, 9, 0, 0, 0, 0, 0}); !ok || m.Tag != Mixed {
		t.Errorf("%+v, %v", m, ok)
	}
}

func FuzzBroadcastMessagesComeTogether(f *testing.F) {
	f.Add([]byte("0123456789"), uint32(0xfee3))
	f.Fuzz(func(t *testing.T, payload []byte, pgn uint32) {
		if len(payload) == 0 || len(payload) > MaxLength {
			t.Skip()
		}
		a, n := New(), len(payload)
		a.Add(0, 1, 0x1cecff07, 0, []byte{broadcast, byte(n), byte(n >> 8), byte((n + 6) / 7), 255, byte(pgn), byte(pgn >> 8), byte(pgn >> 16)})
		var got Message
		for i, rest := 1, payload; len(rest) > 0; i++ {
			frame := append([]byte{byte(i)}, bytes.Repeat([]byte{0xff}, 7)...)
			rest = rest[copy(frame[1:], rest):]
			got, _ = a.Add(int64(i), 1, 0x1cebff07, 0, frame)
		}
		if !bytes.Equal(got.Payload, payload) || got.ID != ID(6, pgn&0xffffff, 7, Global) {
			t.Errorf("%x came as %x, %08X", payload, got.Payload, got.ID)
		}
	})
}

// FuzzAdd takes any frames: bytes 0-2 are part of the identifier, then data.
func FuzzAdd(f *testing.F) {
	f.Add([]byte("\xec\xff\x00\x20\x0a\x00\x02\xff\xe3\xfe\x00\xeb\xff\x00\x01abcdefg\xeb\xff\x00\x02hij\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		a, fast := New(), NewFastPacket()
		before := frames
		used := cost.Allocated(func() {
			for i := int64(0); len(frames) >= 11; i++ {
				id := 0x1c000000 | uint32(frames[0])<<16 | uint32(frames[1])<<8 | uint32(frames[2])
				if Carries(id) {
					if m, ok := a.Add(i, 1, id, 0, frames[3:11]); ok && (len(m.Payload) == 0 || len(m.Payload) > MaxLength) {
						t.Errorf("%d bytes", len(m.Payload))
					}
				}
				if m, ok := fast.Add(i, 1, id, 0, frames[3:11]); ok && (len(m.Payload) == 0 || len(m.Payload) > MaxFastPacket) {
					t.Errorf("%d bytes", len(m.Payload))
				}
				frames = frames[11:]
			}
		})
		if most := int64(2 * 256 * (4*MaxLength + 1024)); used > most {
			t.Errorf("%d bytes allocated for %d of frames, %d are the most", used, len(before), most)
		}
	})
}
