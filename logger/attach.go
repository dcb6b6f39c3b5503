package logger

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"canseal/can"
	"canseal/segment"
)

// errExchanged ends a segment whose card is no longer there.
var errExchanged = errors.New("the card is another")

// checkCard tells whether the card is there. One that was away, or is another,
// has to be attached before anything is written to it.
func (r *recorder) checkCard() error {
	if err := r.o.CheckCard(); err != nil {
		r.attached = false
		return err
	}
	id := r.o.CardID()
	if id == "" {
		return nil
	}
	if r.cardID != "" && id != r.cardID {
		r.attached = false
	}
	r.cardID = id
	return nil
}

// sameCard tells whether the card of the open segment is there.
func (r *recorder) sameCard() error {
	if err := r.checkCard(); err != nil || r.attached {
		return err
	}
	return errExchanged
}

// watchAtRest looks after the card while no segment is open.
func (r *recorder) watchAtRest() {
	if err := r.checkCard(); err != nil {
		r.setCardFor(err)
	} else if r.card == can.CardMissing {
		r.setCard(can.CardOK)
	}
}

// attach brings the card into order and finds the numbers to go on with.
func (r *recorder) attach() (Recovery, error) {
	r.keep.hold()
	defer r.keep.letGo()
	r.keep.stubborn = map[segment.Name]time.Time{}
	r.keep.work(true)
	rec, listing, err := r.keep.recover()
	if err != nil {
		return rec, err
	}
	if rec.Cut > 0 {
		r.counts.lose(0, can.LostCut, uint64(rec.Cut), true)
	}
	if said := fmt.Sprint(rec.Problems); said != r.said { // tried each second: told once
		r.said = said
		for _, p := range rec.Problems {
			r.o.Log.Warn("recovery", "problem", p)
		}
	}
	r.keep.retain()
	r.keep.survey()
	r.number(listing)
	r.attached, r.untidy = true, len(rec.Problems) > len(rec.Damaged)
	return rec, nil
}

// number gives the session its number when the first card is seen, and another
// one when a card comes that knows a higher. Splits go on behind the highest of its
// folder.
func (r *recorder) number(listing segment.Listing) {
	highest := uint32(0)
	if len(listing.Sessions) > 0 {
		highest = slices.Max(listing.Sessions)
	}
	if r.session == 0 || highest > r.session {
		r.newSession(listing.Sessions)
	}
	for _, s := range listing.Segments {
		if s.Session == r.session {
			r.split = max(r.split, s.Split)
		}
	}
}

func (r *recorder) newSession(folders []uint32) {
	words := sessionWords{Folders: folders, Bucket: r.o.BucketSession}
	var err error
	if words.Kept, err = keptSession(r.o.State); err != nil {
		r.o.Log.Warn("last session not known from the state folder", "error", err)
	}
	words.Kept = max(words.Kept, r.session)
	if words.Wished, err = r.keep.card.WantedSession(); err != nil {
		r.o.Log.Warn("session wish not understood", "error", err)
	}
	var granted bool
	r.session, granted = words.next()
	r.split = 0
	if err := keepSession(r.o.State, r.session); err != nil {
		r.o.Log.Error("session not kept in the state folder", "session", r.session, "error", err)
	}
	if words.Wished == 0 {
		return
	}
	r.tell.tell("segment", map[bool]string{true: "session set", false: "session wish below the last"}[granted], 0,
		detail{"session": r.session, "wished": words.Wished})
	if err := r.keep.card.ConsumeMetaLog(); err != nil {
		r.o.Log.Warn("session wish not consumed", "error", err)
	}
}

// renumber raises the number of the session; busy asks to come again.
func (r *recorder) renumber(bucket uint32) (session uint32, busy bool, err error) {
	if r.session == 0 {
		r.o.BucketSession = max(r.o.BucketSession, bucket)
		return 0, false, nil
	}
	// Later answers may name what this run has put there itself.
	if r.named || bucket < r.session || bucket-r.session > bucketLead || bucket >= segment.LastSession {
		r.named = r.named || bucket > 0
		return r.session, false, nil
	}
	select {
	case r.keep.busy <- struct{}{}:
		defer r.keep.letGo()
	default:
		return r.session, true, nil
	}
	if r.attached {
		if sent, err := r.keep.anySent(r.session); err != nil || sent {
			r.named = sent
			return r.session, false, err
		}
	}
	if err := keepSession(r.o.State, bucket+1); err != nil {
		return r.session, false, err
	}
	if r.attached {
		if err := r.keep.renumber(r.session, bucket+1); err != nil {
			return r.session, false, err
		}
	}
	r.tell.tell("segment", "session renumbered", 0, detail{"from": r.session, "to": bucket + 1})
	r.session, r.named = bucket+1, true
	if r.seg != nil {
		r.seg.name.Session = r.session
	}
	return r.session, false, nil
}
