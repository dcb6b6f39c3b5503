package logger

import (
	"canseal/segment"
)

// row is a line of the order of deletion (docs/formats.md C5).
type row uint8

const (
	sentProved   row = 1 + iota // sent over a verified connection
	sentPlain                   // sent, unproven: counted
	sentPinned                  // sent, but pinned
	unsent                      // a loss
	unsentPinned                // a loss that somebody wanted least
)

func (r row) String() string {
	return [...]string{"", "sent", "sent_plain", "sent_pinned", "unsent", "unsent_pinned"}[r]
}

// loses reports whether deleting a segment of this row loses frames.
func (r row) loses() bool { return r >= unsent }

func rowOf(s segment.Segment) row {
	switch sent, pinned := s.Sent(), s.Pinned(); {
	case sent && pinned:
		return sentPinned
	case sent && s.Receipt.Proved == segment.ProvedTLS:
		return sentProved
	case sent:
		return sentPlain
	case pinned:
		return unsentPinned
	}
	return unsent
}

// deletion is a segment to delete, and why it may go.
type deletion struct {
	segment.Name
	Row  row
	Size int64
}

// choose lists what to delete until need bytes are free: row by row, the oldest
// first within each. Only sealed segments that are not held are considered;
// those that were never sent only with unsentToo.
func choose(segments []segment.Segment, need int64, unsentToo bool, held func(segment.Name) bool) (list []deletion) {
	for r := sentProved; r <= unsentPinned; r++ {
		if r.loses() && !unsentToo {
			return list
		}
		for _, s := range segments {
			if need <= 0 {
				return list
			}
			if s.Sealed() && s.Has&segment.Of(segment.Part, segment.Raw) == 0 && rowOf(s) == r && !held(s.Name) {
				list = append(list, deletion{s.Name, r, s.Size})
				need -= s.Size
			}
		}
	}
	return list
}
