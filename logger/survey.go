package logger

import (
	"slices"
	"time"

	"canseal/segment"
)

// survey counts what is on the card.
func (k *keeper) survey() {
	k.stale.Store(false)
	listing, err := k.card.Scan()
	if err != nil {
		return
	}
	k.surveyed = time.Now()
	s := SegmentStatus{Foreign: listing.Foreign}
	pinned := int64(0)
	for _, seg := range listing.Segments {
		if seg.Open() {
			continue
		}
		s.count(seg)
		if seg.Pinned() {
			pinned += seg.Size
		}
		if s.Oldest == "" && seg.Sealed() && !seg.Sent() {
			s.Oldest = k.started(seg.Name)
		}
	}
	k.publish(func(v *keeperView) { v.Segments, v.PinnedBytes = s, pinned })
}

func (s *SegmentStatus) count(seg segment.Segment) {
	if seg.Pinned() {
		s.Pinned++
	}
	switch {
	case !seg.Sealed():
		s.Raw++
	case !seg.Sent():
		s.Unsent++
		s.UnsentBytes += seg.Size
	case seg.Receipt.Proved == segment.ProvedTLS:
		s.SentTLS++
	default:
		s.SentPlain++
	}
}

func (k *keeper) started(n segment.Name) string {
	if line, ok := k.lineOf(n); ok {
		return line.Start.Format(time.RFC3339)
	}
	return ""
}

// lineOf finds the seal line of a segment.
func (k *keeper) lineOf(n segment.Name) (segment.SealLine, bool) {
	log, err := k.card.ReadSeals(n.Session)
	if err != nil {
		return segment.SealLine{}, false
	}
	for _, line := range slices.Backward(log.Lines) {
		if line.Split == n.Split {
			return line, true
		}
	}
	return segment.SealLine{}, false
}
