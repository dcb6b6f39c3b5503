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
	trial
}

// trial is what this run knows of a segment that has not arrived yet.
type trial struct {
	failures int       // transfers that failed
	resets   int       // network errors in a row while it was sent
	doubt    bool      // it may be there: an answer was lost
	after    time.Time // not to be sent before
}

// plan makes the queue of a listing: sealed, not sent, not parked; pinned
// first, then by name. With resend, segments count as not sent whose receipt
// names another endpoint or bucket.
func plan(l segment.Listing, known map[segment.Name]trial, left func(segment.Name) bool, unsent func(segment.Segment) bool) []item {
	var queue []item
	for _, s := range l.Segments {
		if !s.Sealed() || !unsent(s) || left(s.Name) {
			continue
		}
		queue = append(queue, item{Name: s.Name, size: s.Size, pinned: s.Pinned(), trial: known[s.Name]})
	}
	slices.SortStableFunc(queue, byTurn)
	return queue
}

func byTurn(a, b item) int {
	if a.pinned != b.pinned {
		if a.pinned {
			return -1
		}
		return 1
	}
	return a.Name.Compare(b.Name)
}

// pick returns the place of the first item that may be sent at a time, else
// of the one that may be sent soonest; -1 for an empty queue.
func pick(queue []item, now time.Time) int {
	best := -1
	for i, it := range queue {
		if !now.Before(it.after) {
			return i
		}
		if best < 0 || it.after.Before(queue[best].after) {
			best = i
		}
	}
	return best
}
