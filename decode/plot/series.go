package plot

import (
	"cmp"
	"math"
	"slices"
)

// Series is the values of a signal.
type Series struct {
	about Signal
	page  *Page
	Count uint64 // values taken
	Odd   uint64 // values that are no number, or infinite: they are left out

	points []point // in fours, each four of 4<<level values
	level  uint
	next   bucket // what comes behind points
}

// Signal describes a series.
type Signal struct {
	Name, Unit, Comment string
	Texts               []Text // descriptions of values; such a series is drawn in steps
}

// Text describes one value.
type Text struct {
	Value float64
	Text  string
}

type point struct {
	t int64
	v float64
}

// bucket is some values in a row, of which four are kept.
type bucket struct {
	n                      int
	first, low, high, last point
}

func (b *bucket) add(p point) {
	if b.n == 0 {
		*b = bucket{first: p, low: p, high: p}
	}
	if p.v < b.low.v {
		b.low = p
	}
	if p.v > b.high.v {
		b.high = p
	}
	b.last = p
	b.n++
}

// four returns the points in their order; some may be the same.
func (b *bucket) four() [4]point {
	low, high := b.low, b.high
	if high.t < low.t {
		low, high = high, low
	}
	return [4]point{b.first, low, high, b.last}
}

// Add takes a value; t is ns since 1970 UTC.
func (s *Series) Add(t int64, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		s.Odd++
		return
	}
	s.Count++
	if s.level == 0 {
		s.points = append(s.points, point{t, v})
	} else if s.next.add(point{t, v}); s.next.n == 4<<s.level {
		four := s.next.four()
		s.points, s.next = append(s.points, four[:]...), bucket{}
	}
	if n := len(s.points); n >= s.page.share() && n%8 == 0 {
		s.halve()
	}
}

// halve makes one bucket of each two.
func (s *Series) halve() {
	kept, all := s.points[:0], s.points
	for ; len(all) >= 8; all = all[8:] {
		var b bucket
		for _, p := range all[:8] {
			b.add(p)
		}
		four := b.four()
		kept = append(kept, four[:]...)
	}
	s.points = append(kept, all...)
	s.level++
}

// done returns all points by time, each once.
func (s *Series) done() []point {
	for len(s.points) > s.page.share() {
		s.halve()
	}
	all := slices.Clone(s.points)
	if s.next.n > 0 {
		four := s.next.four()
		all = append(all, four[:]...)
	}
	slices.SortStableFunc(all, func(a, b point) int { return cmp.Compare(a.t, b.t) })
	return slices.Compact(all)
}
