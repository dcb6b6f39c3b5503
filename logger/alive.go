package logger

import "context"

// Alive waits until the recorder's goroutine answers: what a watchdog asks. It
// returns ErrEnded after the end of the recording, or ctx's error.
func (l *Logger) Alive(ctx context.Context) error { return l.ask(ctx, func(*recorder) {}) }

// Recount takes the counts of Status anew: after the end of Run, when the last
// receipts have come.
func (l *Logger) Recount() {
	l.keep.hold()
	defer l.keep.letGo()
	l.keep.survey()
}

// CardChanged says that receipts or pins have come or gone: the counts of
// Status are taken anew soon. It does not block.
func (l *Logger) CardChanged() { l.keep.stale.Store(true) }
