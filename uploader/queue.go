package uploader

import (
	"slices"
	"time"

	"canseal/segment"
)

// item is a segment on its way.
type item struct {
	segment.Name
	size   int64
	pinned bool
	again  bool // it has a receipt, to be proved again
	trial
}

// trial is what this run knows of a segment that has not arrived yet.
type trial struct {
	failures int       // transfers that failed
	resets   int       // network errors in a row while it was sent
	doubt    bool      // it may be there: an answer was lost
	after    time.Time // not to be sent before

	// Of a segment that goes in parts:
	parts    []Part // nil before it was read
	etagOnly bool   // parts have their MD5
	upload   *segment.UploadJournal
}

// plan makes the queue of a listing: what is sealed and not left alone, by
// name. need tells whether a segment is to be sent, and whether that is to
// prove its receipt again.
func plan(l segment.Listing, known map[segment.Name]trial, left func(segment.Name) bool, need func(segment.Segment) (send, again bool)) []item {
	var queue []item
	for _, s := range l.Segments {
		if !s.Sealed() || left(s.Name) {
			continue
		}
		send, again := need(s)
		if !send {
			continue
		}
		it := item{Name: s.Name, size: s.Size, pinned: s.Pinned(), again: again, trial: known[s.Name]}
		it.doubt = it.doubt || again
		queue = append(queue, it)
	}
	slices.SortStableFunc(queue, func(a, b item) int { return a.Name.Compare(b.Name) })
	return queue
}

// Orders of the queue.
const (
	Oldest = "oldest"
	Newest = "newest"
	Mixed  = "mixed" // newest first, every fourth place for the oldest
)

// newestFirst tells whether the newest has this turn.
func newestFirst(order string, turn int) bool {
	return order == Newest || order == Mixed && turn%4 != 3
}

// pick returns the place of the item that is to be sent now, else of the one
// that may be sent soonest; -1 where there is none. Pinned segments go first,
// the oldest of them before the others; then those without a receipt, by order
// and turn; then those whose receipt is to be proved again.
func pick(queue []item, order string, turn int, now time.Time, busy func(segment.Name) bool) int {
	best, soonest := -1, -1
	for i := range queue {
		it := &queue[i]
		switch {
		case busy(it.Name):
		case now.Before(it.after):
			if soonest < 0 || it.after.Before(queue[soonest].after) {
				soonest = i
			}
		case best < 0 || it.rank() < queue[best].rank(),
			it.rank() == fresh && queue[best].rank() == fresh && newestFirst(order, turn):
			best = i
		}
	}
	if best < 0 {
		return soonest
	}
	return best
}

// Ranks of the queue.
const (
	pinned = iota
	fresh
	proved
)

func (it *item) rank() int {
	switch {
	case it.again:
		return proved
	case it.pinned:
		return pinned
	}
	return fresh
}
