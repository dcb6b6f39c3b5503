package uploader

import (
	"time"

	"canseal/segment"
)

// seals remembers the seal lines of one SESSION: the queue goes through the
// card folder by folder.
type seals struct {
	session uint32
	lines   map[uint32]segment.SealLine // by split
}

// line returns the seal line of a segment, ok false where there is none yet.
// The folder's number counts, not the one in the line: a SESSION may have
// been renumbered.
func (s *seals) line(card segment.Card, n segment.Name) (line segment.SealLine, ok bool, err error) {
	if s.session == n.Session {
		if line, ok = s.lines[n.Split]; ok {
			return line, true, nil
		}
	}
	log, err := card.ReadSeals(n.Session)
	if err != nil {
		return line, false, err
	}
	s.session, s.lines = n.Session, make(map[uint32]segment.SealLine, len(log.Lines))
	for _, l := range log.Lines {
		if l.Device == card.Device {
			s.lines[l.Split] = l
		}
	}
	line, ok = s.lines[n.Split]
	return line, ok, nil
}

// otherCard tells whether a segment was judged by the line of another card,
// which has been exchanged meanwhile. The queue is made anew then.
func (u *Uploader) otherCard(n segment.Name, judgedBy segment.SealLine) bool {
	u.seals = seals{}
	line, ok, err := u.seals.line(u.o.Card, n)
	if err == nil && ok && line.SHA256 == judgedBy.SHA256 {
		return false
	}
	u.scanned = time.Time{}
	return true
}
