package logger

import "time"

const day = int64(24 * time.Hour)

// nextSplit returns the first moment after t (ns since 1970 UTC) at which the
// segment is split: offset, offset + period, offset + 2 period ... after each
// midnight UTC; a period that does not divide the day has a short last piece.
// Period 0: never, -1.
func nextSplit(t int64, period, offset time.Duration) int64 {
	if period <= 0 {
		return -1
	}
	since := (t - int64(offset)) % day
	if since < 0 {
		since += day
	}
	next := min((since/int64(period)+1)*int64(period), day)
	return t - since + next
}
