package isotp

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"canseal/internal/cost"
)

var car = Key{Bus: 1, ID: 0x7e8}

// feed gives frames, 1 ms apart, and returns the messages that they complete.
// "+1500" between frames lets 1500 ms pass.
func feed(t testing.TB, a *Assembler, k Key, frames string) (messages []string) {
	t.Helper()
	now := int64(0)
	for _, f := range strings.Fields(frames) {
		if f == "+1500" {
			now += 1_500_000_000
			continue
		}
		data, err := hex.DecodeString(f)
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := a.Add(k, now, 2, data); ok {
			messages = append(messages, hex.EncodeToString(m.Payload))
		}
		now += 1_000_000
	}
	return messages
}

func TestFramesBecomeMessages(t *testing.T) {
	for name, c := range map[string]struct {
		frames, messages string
		stats            Stats
	}{
		"single":                        {"0341 0c", "", Stats{Stray: 2}},
		"single, padded":                {"03410c0faaaaaaaa", "410c0f", Stats{Complete: 1}},
		"single, FD":                    {"0009010203040506070809aa", "010203040506070809", Stats{Complete: 1}},
		"empty":                         {"00", "", Stats{Stray: 1}},
		"two frames":                    {"100a010203040506 2107080900", "01020304050607080900", Stats{Complete: 1}},
		"padding is cut":                {"1008010203040506 210708aaaaaaaaaa", "0102030405060708", Stats{Complete: 1}},
		"flow control is none":          {"1008010203040506 300000 210708", "0102030405060708", Stats{Complete: 1}},
		"32 bits of length, FD":         {"10000000000900010203 2104050607 2208", "000102030405060708", Stats{Complete: 1}},
		"first frame of 32 bits":        {"1000000000090102 21030405060708 2209", "010203040506070809", Stats{Complete: 1}},
		"a number is missing":           {"1014010203040506 2107080910111213 2314151617181920 2407", "", Stats{Lost: 1, Stray: 2}},
		"begins twice":                  {"1008010203040506 1008111213141516 211718", "1112131415161718", Stats{Complete: 1, Lost: 1}},
		"single within":                 {"1008010203040506 0199 210708", "99", Stats{Complete: 1, Lost: 1, Stray: 1}},
		"goes on without a start":       {"210708", "", Stats{Stray: 1}},
		"too late":                      {"1008010203040506 +1500 210708", "", Stats{Lost: 1, Stray: 1}},
		"longer than anything":          {"1000ffffffff0102 2103", "", Stats{Stray: 2}},
		"a first frame of a short one":  {"1006010203040506", "", Stats{Stray: 1}},
		"a first frame that is too few": {"10080102", "", Stats{Stray: 1}},
		"nothing known":                 {"40", "", Stats{Stray: 1}},
		"numbers go round":              {"1077" + strings.Repeat("01", 6) + rounds(17), strings.Repeat("01", 119), Stats{Complete: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			a := New()
			got := strings.Join(feed(t, a, car, c.frames), " ")
			if got != c.messages || a.Stats != c.stats {
				t.Errorf("%q, %+v; want %q, %+v", got, a.Stats, c.messages, c.stats)
			}
		})
	}
}

// rounds returns n consecutive frames.
func rounds(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString(" 2" + string("0123456789abcdef"[i%16]) + strings.Repeat("01", 7))
	}
	return b.String()
}

func TestAMessageHasTheTimeOfItsFirstFrameAndTheTagOfAll(t *testing.T) {
	for _, c := range []struct{ second, want uint8 }{{2, 2}, {3, Mixed}} {
		a := New()
		a.Add(car, 100, 2, []byte{0x10, 8, 1, 2, 3, 4, 5, 6})
		if m, ok := a.Add(car, 200, c.second, []byte{0x21, 7, 8}); !ok || m.Time != 100 || m.Tag != c.want || m.Key != car {
			t.Errorf("%+v, %v", m, ok)
		}
	}
}

func TestSendersDoNotDisturbEachOther(t *testing.T) {
	a := New()
	other := Key{Bus: 2, ID: car.ID}
	feed(t, a, car, "1008010203040506")
	feed(t, a, other, "1008111213141516")
	got := append(feed(t, a, car, "210708"), feed(t, a, other, "211718")...)
	if !slices.Equal(got, []string{"0102030405060708", "1112131415161718"}) {
		t.Error(got)
	}
}

func TestOnlySoManyMessagesAreOpen(t *testing.T) {
	a := New()
	for i := range uint32(10_000) {
		a.Add(Key{ID: i, Extended: true}, int64(i), 0, []byte{0x1f, 0xff, 1, 2, 3, 4, 5, 6})
	}
	if a.open.Len() != mostSessions || a.Stats.Lost != 10_000-mostSessions {
		t.Errorf("%d open, %d lost", a.open.Len(), a.Stats.Lost)
	}
	if a.Close(); a.open.Len() != 0 || a.Stats.Lost != 10_000 {
		t.Errorf("%d open, %d lost after the end", a.open.Len(), a.Stats.Lost)
	}
}

// split is the sender's side, for the inverse law.
func split(payload []byte) (frames [][]byte) {
	if len(payload) < 8 {
		return [][]byte{append([]byte{byte(len(payload))}, payload...)}
	}
	n := len(payload)
	frames = append(frames, append([]byte{0x10 | byte(n>>8), byte(n)}, payload[:6]...))
	for i, rest := 1, payload[6:]; len(rest) > 0; i++ {
		part := rest[:min(7, len(rest))]
		frames = append(frames, append([]byte{0x20 | byte(i&15)}, part...))
		rest = rest[len(part):]
	}
	return frames
}

func FuzzSplitMessagesComeTogether(f *testing.F) {
	f.Add([]byte("x"))
	f.Add([]byte(strings.Repeat("0123456789", 30)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 || len(payload) > MaxLength {
			t.Skip()
		}
		a, got := New(), []byte(nil)
		for _, frame := range split(payload) {
			if m, ok := a.Add(car, 0, 0, frame); ok {
				got = bytes.Clone(m.Payload)
			}
		}
		if !bytes.Equal(got, payload) || a.Stats != (Stats{Complete: 1}) {
			t.Errorf("%x came as %x, %+v", payload, got, a.Stats)
		}
	})
}

// FuzzAdd takes any frames: byte 0 is the sender, byte 1 the length, then data.
func FuzzAdd(f *testing.F) {
	f.Add([]byte("\x01\x08\x10\x08abcdef\x01\x03\x21gh"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		a, given := New(), 0
		cost.Hold(t, mostSessions*(3*MaxLength+1024), func() {
			for i := int64(0); len(frames) > 2; i++ {
				k, n := Key{ID: uint32(frames[0])}, min(int(frames[1]&63), len(frames)-2)
				m, ok := a.Add(k, i, 0, frames[2:2+n])
				if given += n; ok && (len(m.Payload) == 0 || len(m.Payload) > given) {
					t.Errorf("a message of %d bytes out of %d", len(m.Payload), given)
				}
				frames = frames[2+n:]
			}
		})
		if a.open.Len() > mostSessions {
			t.Errorf("%d messages are open", a.open.Len())
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	frames := split(bytes.Repeat([]byte{1}, 62))
	a := New()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a.Add(car, int64(i), 0, frames[i%len(frames)])
	}
}
