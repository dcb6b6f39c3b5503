package plot

import (
	"cmp"
	"slices"
)

// Colour says how grave a stretch is; the graver one wins where two are joined.
type Colour uint8

const (
	Plain     Colour = iota // nothing to shade
	Paused                  // nothing was recorded
	Unchecked               // nobody looked
	Unproven                // looked at, not proven
	Encrypted               // no value: ciphertext
	Gap                     // frames are missing
	Refuted                 // shown to be wrong
)

// colours are the words of the page.
var colours = []string{"plain", "paused", "unchecked", "unproven", "encrypted", "gap", "refuted"}

// Stretch is a time from From to To, in ns since 1970 UTC, that is shaded.
type Stretch struct {
	From, To int64
	Colour   Colour
	Text     string // why; one of few
}

// mostStretches bounds those of one lane or axis.
const mostStretches = 1024

// stretches are kept apart until they are too many.
type stretches []Stretch

func (s *stretches) add(x Stretch) {
	if x.To < x.From {
		x.From, x.To = x.To, x.From
	}
	if *s = append(*s, x); len(*s) >= mostStretches {
		s.join(mostStretches / 2)
	}
}

// join joins neighbours, the closest first, until at most n are left.
func (s *stretches) join(n int) {
	s.sort()
	for near := int64(1000); len(*s) > n; near *= 2 {
		kept := (*s)[:1]
		for _, x := range (*s)[1:] {
			if last := &kept[len(kept)-1]; near <= 0 || x.From < last.To || x.From-last.To < near && x.From-last.To >= 0 {
				last.take(x)
			} else {
				kept = append(kept, x)
			}
		}
		*s = kept
	}
}

func (s *stretches) sort() {
	slices.SortStableFunc(*s, func(a, b Stretch) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
}

func (s *Stretch) take(x Stretch) {
	s.To = max(s.To, x.To)
	if x.Colour > s.Colour {
		s.Colour, s.Text = x.Colour, x.Text
	}
}

// marker notes what holds at the times of rows, one after the other: rows in a
// row with the same text are one stretch.
type marker struct {
	open bool
	last Stretch
}

func (m *marker) mark(s *stretches, t int64, c Colour, text string) {
	if m.open && m.last.Text == text && t >= m.last.From {
		m.last.To = max(m.last.To, t)
		return
	}
	m.end(s)
	m.open, m.last = c != Plain, Stretch{t, t, c, text}
}

func (m *marker) end(s *stretches) {
	if m.open {
		s.add(m.last)
	}
	m.open = false
}
