package logger

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"canseal/internal/durable"
	"canseal/segment"
)

const (
	sessionFile = "session" // in the state folder: last SESSION, decimal, one line
	// maxSplits is how many splits the recorder puts into one session, so that a
	// seal.log stays below 5 MB: it is read whole.
	maxSplits = 5000
	// bucketLead is how far the bucket's word may lie above ours.
	bucketLead = 100_000
)

// keptSession is the last session of state/session; 0 where there is none.
func keptSession(state durable.FS) (uint32, error) {
	text, err := durable.ReadFile(state, sessionFile, 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil || n > uint64(segment.LastSession) {
		return 0, fmt.Errorf("state/%s: found %.20q, wanted a number of at most 8 digits", sessionFile, text)
	}
	return uint32(n), nil
}

func keepSession(state durable.FS, n uint32) error {
	return durable.WriteFile(state, sessionFile, []byte(strconv.FormatUint(uint64(n), 10)+"\n"), 0o600)
}

// sessionWords is everything that has a say in the number of a session.
type sessionWords struct {
	Kept    uint32   // state/session
	Folders []uint32 // on the card
	Bucket  uint32   // device.json in the bucket; 0: unknown
	Wished  uint32   // meta_log.json; 0: none
}

// next is the number of a new session. It never goes back: a wish below what
// is known is not granted, nor is the last number of all, and the bucket's word
// counts only within its lead. At the end of the numbers it stays there.
func (w sessionWords) next() (n uint32, granted bool) {
	last := w.Kept
	if len(w.Folders) > 0 {
		last = max(last, slices.Max(w.Folders))
	}
	if w.Bucket > last && w.Bucket-last <= bucketLead {
		last = w.Bucket
	}
	if w.Wished > last && w.Wished < segment.LastSession {
		return w.Wished, true
	}
	return min(last+1, segment.LastSession), false
}

// Newest is a time (ns since 1970 UTC) that the next segment must not fall
// below, for the record floor of the clock: behind the HD start of the newest
// segment on the card that can be read, and behind its last frame if it has a
// seal line; 0 without one.
func Newest(card segment.Card) int64 {
	listing, err := card.Scan()
	if err != nil {
		return 0
	}
	tries := 0
	for _, s := range slices.Backward(listing.Segments) {
		for _, suffix := range []segment.Suffix{segment.Sealed, segment.Raw, segment.Part} {
			if !s.Has.Has(suffix) || tries == 16 {
				continue
			}
			tries++
			if start, err := startOf(card.FS, card.Path(s.Name, suffix)); err == nil {
				return max(start, lastFrame(card, s.Name)) + int64(time.Millisecond)
			}
		}
	}
	return 0
}

// lastFrame is the time of the last frame of a segment by its seal line, or 0.
func lastFrame(card segment.Card, n segment.Name) int64 {
	log, err := card.ReadSeals(n.Session)
	if err != nil {
		return 0
	}
	for _, line := range log.Lines {
		if line.Split == n.Split && !line.Last.IsZero() {
			return line.Last.UnixNano()
		}
	}
	return 0
}
