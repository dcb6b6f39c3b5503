package logger

import (
	"context"

	"canseal/segment"
)

// Logger records one run.
type Logger struct{ o Options }

// Prepare recovers the card, numbers the session and readies the seal chain.
// A card that is missing or broken is no error: recording starts when it comes.
func Prepare(o Options) (*Logger, Recovery, error) { return &Logger{o.withDefaults()}, Recovery{}, nil }

// Recovery tells what was found at the start.
type Recovery struct {
	Repaired int // segments that a power cut had left open
	Sealed   int // segments that became .MF4
	Late     int // seal lines made late
	Removed  int // names that held nothing of worth
	Damaged  []segment.Name
	LastEnd  string // end of the run before: "orderly", "cut", or empty if there was none
	Problems []error
}

// Run records until the source ends, then seals. Cancelling ctx closes the source.
func (l *Logger) Run(ctx context.Context) error { return nil }

// Ready is closed when the first segment is open.
func (l *Logger) Ready() <-chan struct{} { return nil }

// Rotate seals the running segment and waits for its seal line. With final no
// other is opened before the next event comes.
func (l *Logger) Rotate(ctx context.Context, final bool) (segment.Name, error) {
	return segment.Name{}, nil
}

// Renumber hands in the session that the bucket names.
func (l *Logger) Renumber(ctx context.Context, bucket uint32) (uint32, error) { return 0, nil }

// Continue makes a Logger with other Options that goes on with the next split
// of the same session, after Run has returned.
func (l *Logger) Continue(o Options) *Logger { return l }

// Status is a snapshot; it does not wait for the card.
func (l *Logger) Status() Status { return Status{} }
