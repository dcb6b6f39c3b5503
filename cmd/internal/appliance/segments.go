package appliance

import (
	"fmt"
	"time"

	"canseal/internal/durable"
	"canseal/segment"
)

// SegmentRow is one segment as lists show it.
type SegmentRow struct {
	Device  segment.Device `json:"device"`
	Segment string         `json:"segment"`
	State   string         `json:"state"`
	Pinned  bool           `json:"pinned"`
	Bytes   int64          `json:"bytes"`
	Start   string         `json:"start,omitempty"`
	Frames  uint64         `json:"frames"`
	Lost    uint64         `json:"lost"`
	End     string         `json:"end,omitempty"` // orderly, cut
	Key     string         `json:"key,omitempty"` // where it was sent to
}

// Segments lists the segments of a card, of all devices that it has some of.
func Segments(card durable.FS) ([]SegmentRow, error) {
	c := segment.Card{FS: card}
	devices, err := segment.Devices(c)
	if err != nil {
		return nil, fmt.Errorf("wanted a card: %w", err)
	}
	rows := []SegmentRow{}
	for _, c.Device = range devices {
		listing, err := c.Scan()
		if err != nil {
			return nil, err
		}
		for _, session := range listing.Sessions {
			seals, err := c.ReadSeals(session)
			if err != nil {
				return nil, err
			}
			rows = append(rows, sessionRows(c.Device, session, listing.Segments, seals.Lines)...)
		}
	}
	return rows, nil
}

func sessionRows(d segment.Device, session uint32, all []segment.Segment, lines []segment.SealLine) (rows []SegmentRow) {
	bySplit := map[uint32]segment.SealLine{}
	for _, l := range lines {
		bySplit[l.Split] = l
	}
	for _, s := range all {
		if s.Session != session {
			continue
		}
		r := SegmentRow{Device: d, Segment: s.Name.String(), State: segmentState(s), Pinned: s.Pinned(), Bytes: s.Size}
		if l, ok := bySplit[s.Split]; ok {
			r.Start, r.Frames, r.Lost, r.End = l.Start.UTC().Format(time.RFC3339), l.Frames, l.Lost, l.End
		}
		if s.Sent() {
			r.Key = s.Receipt.Key
		}
		rows = append(rows, r)
	}
	return rows
}

func segmentState(s segment.Segment) string {
	switch {
	case s.Open():
		return "open"
	case s.Sent():
		return "sent " + string(s.Receipt.Proved)
	case s.Sealed():
		return "sealed"
	default:
		return s.Has.String()
	}
}
