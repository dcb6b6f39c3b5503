package input

import (
	"cmp"
	"math"
	"slices"
	"time"

	"canseal/mdf"
)

const (
	maxAnchors = 1 << 18 // of one boot; one a minute are half a year
	timeLimit  = 1 << 61 // ns: clocks beyond are nonsense
)

// earliest is the time before which no recording can have been made.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// anchor is what a mdf.Clock says.
type anchor struct {
	time, boot, wall int64
	good             bool // the clock was synchronised
}

func byTime(a, b anchor) int { return cmp.Compare(a.time, b.time) }

// boot is the good anchors of one boot of one device, by the clock of the boot.
type boot struct {
	good   []anchor
	sorted bool
	taken  int
}

// boot returns the anchors for a segment: of its boot, or of its session where
// it does not say which boot it was.
func (in *Input) boot(s *Session, segment *Segment) *boot {
	name := segment.Device + "/" + segment.boot
	if segment.boot == "" || segment.Device == "" {
		name = "session of " + s.Segments[0].File.Name
	}
	if in.boots[name] == nil {
		in.boots[name] = &boot{}
	}
	return in.boots[name]
}

// add takes an anchor of a segment.
func (b *boot) add(all []anchor, c mdf.Clock) []anchor {
	a := anchor{c.Time, c.Boot, c.Wall, c.Synchronised}
	if b.taken >= maxAnchors || a.boot < 0 || a.boot > timeLimit || a.wall < -timeLimit || a.wall > timeLimit {
		return all
	}
	b.taken++
	if a.good {
		b.good, b.sorted = append(b.good, a), false
	}
	return append(all, a)
}

// nearest returns the good anchor nearest to a time of the boot clock, and
// between which times it is that.
func (b *boot) nearest(at int64) (g anchor, from, until int64, ok bool) {
	if len(b.good) == 0 {
		return anchor{}, 0, 0, false
	}
	if !b.sorted {
		slices.SortStableFunc(b.good, func(x, y anchor) int { return cmp.Compare(x.boot, y.boot) })
		b.sorted = true
	}
	i, _ := slices.BinarySearchFunc(b.good, at, func(a anchor, t int64) int { return cmp.Compare(a.boot, t) })
	if i == len(b.good) || i > 0 && at-b.good[i-1].boot <= b.good[i].boot-at {
		i--
	}
	from, until = math.MinInt64, math.MaxInt64
	if i > 0 {
		from = (b.good[i-1].boot+b.good[i].boot)/2 + 1
	}
	if i+1 < len(b.good) {
		until = (b.good[i].boot+b.good[i+1].boot)/2 + 1
	}
	return b.good[i], from, until, true
}

// dates corrects the times of one segment (docs/formats.md C9.6).
type dates struct {
	ours    bool
	clocks  []anchor // of the segment, by time
	boot    *boot
	from    int64 // what follows holds for recorded times from here
	until   int64 // to before here
	shift   int64
	clock   Clock
	limited bool
}

// at returns what to add to a recorded time, and how far that can be trusted.
func (d *dates) at(t int64) (shift int64, c Clock) {
	if !d.limited || t < d.from || t >= d.until {
		d.look(t)
	}
	return d.shift, d.clock
}

// look finds out for a time, and how far around it that holds.
func (d *dates) look(t int64) {
	d.limited, d.from, d.until, d.shift = true, math.MinInt64, math.MaxInt64, 0
	switch {
	case !d.ours && t < earliest:
		d.clock, d.until = Unknown, earliest
	case !d.ours:
		d.clock, d.from = Recorded, earliest
	case len(d.clocks) == 0:
		d.clock = Unknown
	default:
		d.anchored(t)
	}
}

func (d *dates) anchored(t int64) {
	i, _ := slices.BinarySearchFunc(d.clocks, t, func(a anchor, t int64) int {
		if a.time <= t {
			return -1
		}
		return 1
	})
	if i < len(d.clocks) && i > 0 {
		d.until = d.clocks[i].time
	} else if i < len(d.clocks) && len(d.clocks) > 1 {
		d.until = d.clocks[1].time
	}
	if i > 1 {
		d.from = d.clocks[i-1].time
	}
	k := d.clocks[max(i-1, 0)]
	if k.good {
		d.clock = Synchronised
		return
	}
	g, from, until, ok := d.boot.nearest(k.boot + (t - k.time))
	shift := g.wall - g.boot + k.boot - k.time
	if !ok || shift < -timeLimit || shift > timeLimit {
		d.clock = Unknown
		return
	}
	d.clock, d.shift = Corrected, shift
	offset := k.time - k.boot // from the clock of the boot to the recorded one
	if from != math.MinInt64 {
		d.from = max(d.from, from+offset)
	}
	if until != math.MaxInt64 {
		d.until = min(d.until, until+offset)
	}
}
