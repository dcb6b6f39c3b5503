package uploader

import (
	"context"
	"slices"

	"canseal/segment"
)

// stale is an upload, or its journal, of which nothing is wanted any more.
type stale struct {
	segment.Name
	upload *segment.UploadJournal
	ended  bool // only the journal is left
}

// findStale notes the uploads of segments that have arrived another way or are
// gone from the card.
func (u *Uploader) findStale(l segment.Listing, known map[segment.Name]trial) {
	for _, s := range l.Segments {
		waits := slices.ContainsFunc(u.queue, func(it item) bool { return it.Name == s.Name })
		if s.Sent() && s.Has.Has(segment.Upload) && !waits && !u.busy(s.Name) {
			j, err := u.o.Card.ReadUpload(s.Name)
			u.expire(stale{s.Name, &j, err != nil})
		}
		delete(known, s.Name)
	}
	for n, t := range known {
		if t.upload != nil && !u.busy(n) {
			u.expire(stale{n, t.upload, false})
		}
	}
}

func (u *Uploader) expire(s stale) {
	if !slices.ContainsFunc(u.stale, func(other stale) bool { return other.Name == s.Name }) {
		u.stale = append(u.stale, s)
	}
}

// tidy aborts one stale upload; it tells whether there was one. It waits while
// the flow is stopped.
func (u *Uploader) tidy(ctx context.Context) bool {
	if u.breaker.stopped || len(u.stale) == 0 {
		return false
	}
	s := u.stale[0]
	u.stale = u.stale[1:]
	if s.ended {
		if err := u.o.Card.Drop(s.Name, segment.Of(segment.Upload)); err != nil {
			u.o.Log.Warn("journal of an upload not removed", "segment", s.Name, "error", err)
		}
		return true
	}
	if err := abort(ctx, &u.o, s.Name, s.upload); err != nil {
		u.o.Log.Info("stale upload not aborted: the bucket's lifecycle rule will", "segment", s.Name, "error", err)
	}
	return true
}
