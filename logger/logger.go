package logger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/mdf"
	"canseal/segment"
)

// Logger records one run: from Prepare to the end of its source.
type Logger struct {
	o        Options
	tell     *teller
	keep     *keeper
	recorder *recorder
	memories chan memory
	ready    chan struct{}
	ended    chan struct{}

	mu   sync.Mutex
	snap snapshot
}

// ErrEnded is the answer of a Logger whose source has ended.
var ErrEnded = errors.New("recording has ended")

// Prepare brings the card into order and numbers the session. A card that is
// missing or broken is no error: recording begins when it comes. Open the source
// before, so that what the bus sends meanwhile waits in the kernel.
func Prepare(o Options) (*Logger, Recovery, error) {
	if o.Card == nil || o.State == nil || o.Clock == nil || o.Source == nil {
		return nil, Recovery{}, errors.New("logger: card, state, clock and source are needed")
	}
	if _, err := segment.ParseDevice(string(o.Device)); err != nil {
		return nil, Recovery{}, fmt.Errorf("logger: %w", err)
	}
	l := newLogger(o)
	if err := l.recorder.unjudged; err != nil {
		return nil, Recovery{}, fmt.Errorf("logger: %w", err)
	}
	var rec Recovery
	if err := l.recorder.checkCard(); err != nil {
		rec.Problems = append(rec.Problems, err)
	} else if rec, err = l.recorder.attach(); err != nil {
		rec.Problems = append(rec.Problems, err)
	}
	l.recorder.publish()
	return l, rec, nil
}

func newLogger(o Options) *Logger {
	l := &Logger{
		o: o.withDefaults(), memories: make(chan memory, 64), ready: make(chan struct{}), ended: make(chan struct{}),
		snap: snapshot{since: time.Now()},
	}
	l.tell = newTeller(&l.o)
	l.keep = newKeeper(&l.o, l.tell)
	l.recorder = newRecorder(l)
	return l
}

// Run records until the source ends, drains the queue, finishes and seals. When
// ctx ends it closes the source, which has the same effect. It returns the error
// of a source that did not end in order.
func (l *Logger) Run(ctx context.Context) error {
	defer close(l.ended)
	stop := context.AfterFunc(ctx, func() { l.o.Source.Close() })
	defer stop()
	var tellers, keepers sync.WaitGroup
	keepersStop := make(chan struct{})
	tellers.Go(l.tell.run)
	tellers.Go(l.keepMemories)
	keepers.Go(func() {
		<-l.ready // the card is the recorder's until a segment is open
		l.keep.run(keepersStop)
	})
	go l.recorder.queue.capture(l.o.Source, l.o.Patient)
	err := l.recorder.run()
	close(keepersStop)
	keepers.Wait()
	l.recorder.publish()
	close(l.tell.lines)
	close(l.memories)
	tellers.Wait()
	if !ended(err) {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Ready is closed when the recorder works: a segment is open, or it waits for a
// card that takes one.
func (l *Logger) Ready() <-chan struct{} { return l.ready }

// String names the component.
func (l *Logger) String() string { return "recorder" }

// GoString names it too: its judges hold keys.
func (l *Logger) GoString() string { return l.String() }

// Rotate seals the running segment and waits until its seal line is written; a
// name without numbers means that there was none. With final, for a box that is
// about to lose its power, the next segment is opened by the next event only.
func (l *Logger) Rotate(ctx context.Context, final bool) (segment.Name, error) {
	var name segment.Name
	var done <-chan struct{}
	err := l.ask(ctx, func(r *recorder) { name, done = r.rotate(final) })
	if err != nil || done == nil {
		return name, err
	}
	select {
	case <-done:
		return name, nil
	case <-ctx.Done():
		return name, fmt.Errorf("seal segment %s: %w", name, ctx.Err())
	}
}

// Report records what a member on this machine says of itself: a security event,
// limited as those of judges are, and, if it is not 0, its state. The bus must have
// a judge. e.Time is a stamp of the kernel, 0 is now. It does not wait for the card.
func (l *Logger) Report(bus uint8, e cancrypt.SecurityEvent, state can.State) {
	select {
	case l.recorder.reports <- memberReport{bus, e, state}:
	default:
		l.o.Log.Warn("event of a member not recorded: too many at once", "bus", bus, "kind", e.Kind)
	}
}

// Note records a security event that somebody else has seen; Time 0 is now. It
// does not wait for the card.
func (l *Logger) Note(s mdf.Security) {
	select {
	case l.recorder.noted <- s:
	default:
		l.o.Log.Warn("security event not recorded: too many at once", "bus", s.Bus, "kind", s.Kind)
	}
}

// Renumber hands in the session that the bucket's device.json names, read over a
// verified connection. If that is not below ours, not more than 100,000 above,
// and nothing of this session was sent yet, the session gets a number above it:
// state/session first, then the folder by one rename; files and seal lines keep
// the old number. It returns the number in force. Only the first word of a run
// counts, 0 is none: later ones may name this very run. Nothing may be uploading
// meanwhile.
func (l *Logger) Renumber(ctx context.Context, bucket uint32) (session uint32, err error) {
	for {
		busy := false
		asked := l.ask(ctx, func(r *recorder) { session, busy, err = r.renumber(bucket) })
		if asked != nil || !busy {
			return session, errors.Join(asked, err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return session, ctx.Err()
		}
	}
}

// ask lets the recorder's goroutine do something.
func (l *Logger) ask(ctx context.Context, do func(*recorder)) error {
	done := make(chan struct{})
	select {
	case l.recorder.asked <- func(r *recorder) { defer close(done); do(r) }:
	case <-l.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// Continue makes a Logger with other Options after Run has returned. It goes on
// with the next split of the same session, and its first segment has a gap over
// the time between.
func (l *Logger) Continue(o Options) *Logger {
	next := newLogger(o)
	next.recorder.follow(l.recorder)
	next.keep.chain = l.keep.chain
	next.keep.shared = l.keep.view()
	next.recorder.publish()
	return next
}
