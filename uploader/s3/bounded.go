package s3

import (
	"io"
	"time"
)

// Bounds of answers. Every body brings answerPace bytes, or its end, within
// each Options.Stall: its time is bounded by its length, its length by these.
const (
	answerPace   = 64 << 10
	refusalLimit = 64 << 10 // so a refusal has one Stall
	partsLimit   = 1 << 20  // answers about multipart uploads
	listLimit    = 4 << 20  // one page: 1000 keys at most
	listPages    = 1000
)

// bounded ends an answer that is too long or takes too long. Only time inside
// Read counts: what the reader does between is his own affair.
type bounded struct {
	io.ReadCloser
	left     int64         // bytes, one more than are allowed: the end must be seen
	stall    time.Duration // for each answerPace
	patience time.Duration // left of it
	step     int           // bytes since it was filled up
	end      func()        // ends the request
	cut      func(error)   // is told why an answer was cut
}

func (b *bounded) Read(p []byte) (int, error) {
	start, timer := time.Now(), time.AfterFunc(b.patience, b.end)
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	late := !timer.Stop()
	b.count(n, time.Since(start))
	switch {
	case late:
		err = errStall
	case b.left <= 0:
		err = errLongAnswer
	}
	if err != nil && err != io.EOF {
		b.cut(err)
	}
	return n, err
}

// count takes a read off what is left.
func (b *bounded) count(n int, took time.Duration) {
	b.left -= int64(n)
	b.patience -= took
	if b.step += n; b.step >= answerPace {
		b.step, b.patience = 0, b.stall
	}
}

// Close ends the request; a connection with a rest on it is not used again.
func (b *bounded) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
