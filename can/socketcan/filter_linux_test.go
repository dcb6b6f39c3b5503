package socketcan

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// kernelTakes is what net/can/af_can.c does with a frame.
func kernelTakes(filters []unix.CanFilter, wire uint32) bool {
	for _, f := range filters {
		mask := f.Mask
		if mask&unix.CAN_EFF_FLAG != 0 && f.Id&unix.CAN_EFF_FLAG == 0 {
			mask &= unix.CAN_SFF_MASK | headBits
		}
		if wire&mask == f.Id&mask {
			return true
		}
	}
	return false
}

// listTakes is what the list says.
func listTakes(rules []can.Rule, ids []ID, f *can.Frame) bool {
	for _, id := range ids {
		if id.Number == f.ID && id.Extended == f.Is(can.Extended) {
			return true
		}
	}
	for _, r := range rules {
		if r.Has(f) {
			return !r.Reject
		}
	}
	return false
}

func wireID(f *can.Frame) uint32 {
	var b [fdSize]byte
	encode(f, &b)
	return binary.NativeEndian.Uint32(b[:])
}

func TestTheKernelsFiltersSayWhatTheListSays(t *testing.T) {
	exact := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		rules, ids := randomRules(r)
		filters, ok := kernelFilters(rules, ids)
		if !ok {
			continue
		}
		exact++
		check := func(f can.Frame) {
			f.ID &= 1<<29 - 1
			if !f.Is(can.Extended) {
				f.ID &= 0x7FF
			}
			if got, want := kernelTakes(filters, wireID(&f)), listTakes(rules, ids, &f); got != want {
				t.Fatalf("seed %d: the kernel takes %X (flags %d): %v, wanted %v\nrules %+v\nids %v\nfilters %X", seed, f.ID, f.Flags, got, want, rules, ids, filters)
			}
		}
		for id := range uint32(0x800) {
			check(can.Frame{ID: id})
			check(can.Frame{ID: id, Flags: can.Remote})
		}
		for range 20000 {
			near := rules[r.IntN(len(rules))]
			id := []uint32{near.First, near.Last, r.Uint32(), near.First ^ 1<<r.IntN(29)}[r.IntN(4)] + r.Uint32N(3) - 1
			check(can.Frame{ID: id, Flags: can.Extended | can.Remote*can.Flags(r.IntN(2))})
		}
	}
	if exact < 150 {
		t.Errorf("only %d of 300 lists were for the kernel", exact)
	}
}

func randomRules(r *rand.Rand) (rules []can.Rule, ids []ID) {
	for range 1 + r.IntN(5) {
		rule := can.Rule{Extended: r.IntN(2) == 0, Remote: r.IntN(2) == 0, Reject: r.IntN(3) == 0}
		top := uint32(0x800)
		if rule.Extended {
			top = 1 << 29
		}
		rule.First = r.Uint32N(top)
		rule.Last = rule.First
		switch r.IntN(4) {
		case 0:
			rule.Mask = r.Uint32N(top) | 1
		case 1:
			rule.Last += r.Uint32N(top - rule.First)
		case 2:
			rule.First, rule.Last = 0, top-1
		}
		rules = append(rules, rule)
	}
	if r.IntN(3) == 0 {
		ids = append(ids, ID{r.Uint32N(0x800), false})
	}
	return rules, ids
}

func TestWhatTheKernelIsAskedFor(t *testing.T) {
	single := func(id uint32) can.Rule { return can.Rule{First: id, Last: id} }
	all := can.Rule{Last: 0x7FF, Remote: true}
	reject := func(r can.Rule) can.Rule { r.Reject, r.Remote = true, true; return r }
	many := func(n int, rule func(i uint32) can.Rule) (list []can.Rule) {
		for i := range uint32(n) {
			list = append(list, rule(i))
		}
		return list
	}
	for _, c := range []struct {
		name  string
		rules []can.Rule
		want  int // filters; -1: none
	}{
		{"nothing", []can.Rule{}, 0},
		{"one identifier", []can.Rule{single(5)}, 1},
		{"twice the same", []can.Rule{single(5), single(5)}, 1},
		{"a range that is a mask", []can.Rule{{First: 0x100, Last: 0x1FF}}, 1},
		{"a range that is none", []can.Rule{{First: 0x101, Last: 0x1FE}}, 14},
		{"all but one", []can.Rule{reject(single(0x123)), all}, 11},
		{"one within all", []can.Rule{single(5), all}, 1},
		{"all 29-bit identifiers", []can.Rule{{Extended: true, Last: 1<<29 - 1}}, 1},
		{"500 identifiers are found at once", many(500, single), 500},
		{"600 are too many", many(600, single), -1},
		{"100 masks are too many", many(100, func(i uint32) can.Rule { return can.Rule{First: 2 * i, Mask: 0x7FE} }), -1},
		{"40 holes are too many", append(many(40, func(i uint32) can.Rule { return reject(single(i * 37 % 0x7FF)) }), all), -1},
	} {
		filters, ok := kernelFilters(c.rules, nil)
		if ok != (c.want >= 0) || ok && len(filters) != c.want {
			t.Errorf("%s: %d filters, %v; wanted %d", c.name, len(filters), ok, c.want)
		}
	}
}
