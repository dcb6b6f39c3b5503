package logger

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"canseal/can"
)

func one(id uint32) can.Rule           { return can.Rule{First: id, Last: id, Remote: true} }
func from(first, last uint32) can.Rule { return can.Rule{First: first, Last: last, Remote: true} }

// frameOf reads "ID" (3 or 8 hex digits), "ID#data", or "ID#R".
func frameOf(t testing.TB, text string) can.Frame {
	t.Helper()
	var e can.Event
	if !strings.Contains(text, "#") {
		text += "#"
	}
	if _, err := can.ParseCandump([]byte("(1.000000) can0 "+text), &e); err != nil {
		t.Fatal(err)
	}
	return e.Frame
}

func TestFilterDecidesByTheFirstRuleThatMatches(t *testing.T) {
	extended := func(r can.Rule) can.Rule { r.Extended = true; return r }
	reject := func(r can.Rule) can.Rule { r.Reject = true; return r }
	dataOnly := func(r can.Rule) can.Rule { r.Remote = false; return r }
	masked := func(first, mask uint32) can.Rule {
		return can.Rule{First: first, Last: first, Mask: mask, Remote: true}
	}
	all := from(0, 0x7FF)
	for _, c := range []struct {
		name      string
		rules     []can.Rule
		pass, out string
	}{
		{"an empty list passes nothing", []can.Rule{}, "", "123 00000123 123#R"},
		{"what no rule has is left out", []can.Rule{one(0x123)}, "123", "122 124 7FF 000"},
		{"29 bits are not 11 bits", []can.Rule{one(0x123)}, "123", "00000123"},
		{"11 bits are not 29 bits", []can.Rule{extended(one(0x123))}, "00000123", "123"},
		{"a range has both ends", []can.Rule{from(0x100, 0x1FF)}, "100 150 1FF", "0FF 200"},
		{"a range of 29 bits", []can.Rule{extended(from(0x18FEF100, 0x18FEF1FF))}, "18FEF100 18FEF1FF", "18FEF0FF 18FEF200"},
		{"a mask", []can.Rule{masked(0x120, 0x7F0)}, "120 12F", "110 130"},
		{"a mask with holes", []can.Rule{masked(0x001, 0x401)}, "001 003 3FF", "000 401 002"},
		{"a mask ignores bits of the identifier outside it", []can.Rule{masked(0x12F, 0x7F0)}, "120 12F", "130"},
		{"a J1939 PGN of any sender", []can.Rule{extended(masked(0x00FEF100, 0x00FFFF00))}, "18FEF100 0CFEF1AA", "18FEF200"},
		{"reject before accept", []can.Rule{reject(one(0x123)), all}, "122 124", "123"},
		{"accept before reject", []can.Rule{one(0x123), reject(from(0x100, 0x1FF)), all}, "123 200", "122 1FF"},
		{"remote frames", []can.Rule{all}, "123#R 123", ""},
		{"remote frames left out", []can.Rule{dataOnly(all)}, "123", "123#R"},
		{"a rule without remote frames leaves them to the next", []can.Rule{reject(dataOnly(one(0x123))), all}, "123#R", "123"},
		{"FD frames like classic ones", []can.Rule{one(0x123)}, "123##0AABB", "124##0AABB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := make([]Filter, len(c.rules))
			for i := range list {
				list[i].Rule = c.rules[i]
			}
			f := newFilter(list)
			check := func(words string, want fate) {
				for _, w := range strings.Fields(words) {
					e := can.Event{Bus: 1, Frame: frameOf(t, w)}
					for range 2 { // the second time from the cache
						if got := f.decide(&e); got != want {
							t.Errorf("%s: found fate %d, wanted %d", w, got, want)
						}
					}
				}
			}
			check(c.pass, pass)
			check(c.out, filtered)
		})
	}
}

func TestNoListPassesEverything(t *testing.T) {
	if f := newFilter(nil); f.decide(&can.Event{Frame: can.Frame{ID: 5}}) != pass {
		t.Error("a frame was left out")
	}
}

func TestPrescalerThinsOutEachIdentifierByItself(t *testing.T) {
	bytes := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	for _, c := range []struct {
		name   string
		every  Every
		frames string // in steps of 10 ms; a trailing + passes
	}{
		{"nothing", Every{}, "100+ 100+ 100+"},
		{"one of one", Every{Count: 1}, "100+ 100+"},
		{"one of three", Every{Count: 3}, "100+ 100 100 100+ 100 100 100+"},
		{"identifiers count for themselves", Every{Count: 2}, "100+ 101+ 100 101 101+ 100+"},
		{"11 and 29 bits count for themselves", Every{Count: 2}, "100+ 00000100+ 100 00000100"},
		{"remote and data frames count for themselves", Every{Count: 2}, "100+ 100#R+ 100 100#R"},
		{"a time", Every{Time: 30 * time.Millisecond}, "100+ 100 100 100+ 100"},
		{"a time after silence begins anew", Every{Time: 25 * time.Millisecond}, "100+ 100 100 100+ 101+ 101 101 100+"},
		{"a change", Every{Change: bytes("FF")}, "100#00+ 100#00 100#01+ 100#01 100#00+"},
		{"a change outside the mask is none", Every{Change: bytes("00F0")}, "100#0001+ 100#FF02 100#FF12+"},
		{"a change behind the mask is none", Every{Change: bytes("FF")}, "100#0001+ 100#0002"},
		{"a payload that gets shorter is a change", Every{Change: bytes("FFFF")}, "100#0000+ 100#00+ 100#00"},
		{"a change in the last byte of an FD frame", Every{Change: append(make([]byte, 63), 1)}, "100##1" + zeros(63) + "00+ 100##1" + zeros(63) + "02 100##1" + zeros(63) + "01+"},
		{"remote frames have no payload", Every{Change: bytes("FF")}, "100#R+ 100#R"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFilter([]Filter{
				{Rule: from(0, 0x7FF), Every: c.every},
				{Rule: can.Rule{Extended: true, Last: 1<<29 - 1, Remote: true}, Every: c.every},
			})
			for i, w := range strings.Fields(c.frames) {
				want := thinned
				if w[len(w)-1] == '+' {
					want, w = pass, w[:len(w)-1]
				}
				e := can.Event{Time: int64(i) * int64(10*time.Millisecond), Bus: 1, Frame: frameOf(t, w)}
				if got := f.decide(&e); got != want {
					t.Errorf("frame %d, %s: found fate %d, wanted %d", i, w, got, want)
				}
			}
		})
	}
}

func zeros(n int) string { return fmt.Sprintf("%0*d", 2*n, 0) }

func TestAClockSetBackDoesNotSilenceAnIdentifier(t *testing.T) {
	f := newFilter([]Filter{{Rule: one(0x100), Every: Every{Time: time.Minute}}})
	for i, s := range []int64{3600, 3601, 0, 1, 60} {
		e := can.Event{Time: s * 1e9, Frame: can.Frame{ID: 0x100}}
		if got, want := f.decide(&e) == pass, i != 1 && i != 3; got != want {
			t.Errorf("frame %d at %d s: passed %v, wanted %v", i, s, got, want)
		}
	}
}

// slowFilter is the filter as one would write it without thinking of speed.
type slowFilter struct {
	list []Filter
	long map[can.Frame]bool // 29-bit identifiers that are known
	last map[can.Frame]can.Event
	left map[can.Frame]int
}

func (s *slowFilter) decide(e can.Event) fate {
	key := can.Frame{ID: e.Frame.ID, Flags: e.Frame.Flags & (can.Extended | can.Remote)}
	if key.Is(can.Extended) && !s.long[key] {
		if len(s.long) == 3072 {
			s.long = map[can.Frame]bool{}
			for k := range s.last {
				if k.Is(can.Extended) {
					delete(s.last, k)
					delete(s.left, k)
				}
			}
		}
		s.long[key] = true
	}
	for _, entry := range s.list {
		if !entry.Rule.Has(&e.Frame) {
			continue
		}
		if entry.Rule.Reject {
			return filtered
		}
		return s.thin(key, entry.Every, e)
	}
	return filtered
}

func (s *slowFilter) thin(key can.Frame, every Every, e can.Event) fate {
	before, known := s.last[key]
	pass := pass
	switch {
	case every.Count > 1:
		if s.left[key] > 0 {
			pass = thinned
			s.left[key]--
		} else {
			s.left[key] = every.Count - 1
		}
	case every.Time > 0:
		if known && e.Time >= before.Time && e.Time < before.Time+int64(every.Time) {
			return thinned
		}
	case every.Change != nil:
		same := known && min(int(before.Frame.Len), len(every.Change)) == min(int(e.Frame.Len), len(every.Change))
		for i, m := range every.Change {
			same = same && before.Frame.Data[i]&m == e.Frame.Data[i]&m
		}
		if same {
			pass = thinned
		}
	}
	s.last[key] = e
	return pass
}

func TestFilterEqualsTheSlowOne(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		list := randomFilters(r)
		fast := newFilter(list)
		slow := slowFilter{list: list, long: map[can.Frame]bool{}, last: map[can.Frame]can.Event{}, left: map[can.Frame]int{}}
		spread := []uint32{6, 40, 5000}[r.IntN(3)]
		now := int64(0)
		for i := range 10000 {
			now += r.Int64N(5e6) - 1e5
			e := can.Event{Time: now, Bus: 1, Frame: randomFrame(r, spread)}
			if got, want := fast.decide(&e), slow.decide(e); got != want {
				t.Fatalf("seed %d, frame %d (%+v): found fate %d, wanted %d; filters %+v", seed, i, e.Frame, got, want, list)
			}
		}
	}
}

func randomFrame(r *rand.Rand, spread uint32) can.Frame {
	f := can.Frame{ID: r.Uint32N(spread), DLC: uint8(r.IntN(9))}
	if r.IntN(2) == 0 {
		f.Flags |= can.Extended
	}
	f.ID &= 1<<29 - 1
	if !f.Is(can.Extended) {
		f.ID &= 0x7FF
	}
	if r.IntN(8) == 0 {
		f.Flags |= can.Remote
		return f
	}
	f.Len = f.DLC
	for i := range f.Len {
		f.Data[i] = byte(r.IntN(3))
	}
	return f
}

func randomFilters(r *rand.Rand) []Filter {
	list := make([]Filter, r.IntN(6))
	for i := range list {
		rule := can.Rule{Extended: r.IntN(2) == 0, First: r.Uint32N(10), Remote: r.IntN(2) == 0, Reject: r.IntN(3) == 0}
		rule.Last = rule.First + r.Uint32N(2000)
		if r.IntN(3) == 0 {
			rule.Mask, rule.Last = 1+r.Uint32N(15), rule.First
		}
		list[i].Rule = rule
		switch r.IntN(4) {
		case 0:
			list[i].Every.Count = 1 + r.IntN(4)
		case 1:
			list[i].Every.Time = time.Duration(r.IntN(100)) * time.Millisecond
		case 2:
			list[i].Every.Change = []byte{1, byte(r.IntN(3)), 3}
		}
	}
	return list
}

func TestAFloodOfIdentifiersForgetsAndNeverSilences(t *testing.T) {
	f := newFilter([]Filter{{Rule: can.Rule{Extended: true, Last: 1<<29 - 1}, Every: Every{Count: 1000}}})
	for id := range uint32(100_000) {
		e := can.Event{Frame: can.Frame{ID: id * 5, Flags: can.Extended}}
		if f.decide(&e) != pass {
			t.Fatalf("the first frame of identifier %X was left out", e.Frame.ID)
		}
		if f.used > placesUsed {
			t.Fatalf("%d identifiers are remembered, wanted at most %d", f.used, placesUsed)
		}
	}
}

func TestFilterAllocatesNothing(t *testing.T) {
	f := newFilter([]Filter{
		{Rule: can.Rule{Extended: true, Last: 1<<29 - 1}, Every: Every{Change: []byte{1, 2}}},
		{Rule: from(0, 0x7FF), Every: Every{Time: time.Second}},
	})
	e := can.Event{Frame: can.Frame{Flags: can.Extended}}
	if n := testing.AllocsPerRun(10000, func() { e.Frame.ID += 77; f.decide(&e) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

func BenchmarkFilter(b *testing.B) {
	list := []Filter{{Rule: from(0x100, 0x17F), Every: Every{Count: 10}}}
	for i := range uint32(100) {
		r := can.Rule{Extended: true, First: i << 8, Last: i << 8, Mask: 0xFFFF00, Remote: true, Reject: i%2 == 1}
		list = append(list, Filter{Rule: r, Every: Every{Change: []byte{0xFF}}})
	}
	list = append(list, Filter{Rule: from(0, 0x7FF)})
	for _, c := range []struct {
		name string
		f    *filter
		mask uint32
		ext  can.Flags
	}{
		{"none", nil, 0x7F, 0},
		{"11 bit of 102 rules", newFilter(list), 0x7FF, 0},
		{"29 bit of 102 rules, 128 identifiers", newFilter(list), 0x7F, can.Extended},
		{"29 bit flood of identifiers", newFilter(list), 1<<29 - 1, can.Extended},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			e := can.Event{Frame: can.Frame{Flags: c.ext, DLC: 8, Len: 8}}
			id := uint32(1)
			for b.Loop() {
				id = id*1664525 + 1013904223
				e.Frame.ID = id >> 3 & c.mask
				e.Frame.Data[0] = byte(id >> 24)
				c.f.decide(&e)
			}
		})
	}
}
