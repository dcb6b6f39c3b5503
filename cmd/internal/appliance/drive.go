package appliance

import (
	"context"
	"os"
	"sync"
	"time"

	"canseal/segment"
)

// driveEnd tells how long the last end of a drive took: what a box whose power
// is about to go has to be given.
type driveEnd struct {
	Time    string `json:"time"`
	Sealed  string `json:"sealed,omitempty"` // SESSION/SPLIT; absent: nothing was open
	SealMS  int64  `json:"seal_ms"`
	OfferMS int64  `json:"offer_ms,omitempty"` // until the store had every segment
	Left    string `json:"left,omitempty"`     // why it has not
}

// drive ends drives: by SIGPWR, or on demand of canseal rotate --final.
type drive struct {
	powerFails <-chan os.Signal
	offer      chan struct{} // something was sealed to be offered

	mu   sync.Mutex
	last *driveEnd
}

func newDrive(powerFails <-chan os.Signal) *drive {
	return &drive{powerFails: powerFails, offer: make(chan struct{}, 1)}
}

func (d *drive) facts() *driveEnd {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		return nil
	}
	last := *d.last
	return &last
}

func (d *drive) note(change func(*driveEnd)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		d.last = &driveEnd{}
	}
	change(d.last)
}

// endDrive makes the running segment durable, sealed and on its way to the
// store. Recording goes on with the next event: the power may stay.
func (a *Appliance) endDrive(ctx context.Context) (segment.Name, error) {
	began := time.Now()
	name, err := a.live().logger.Rotate(ctx, true)
	if err != nil {
		return name, err
	}
	took := time.Since(began)
	sealed := ""
	if name != (segment.Name{}) {
		sealed = name.String()
	}
	a.drive.note(func(d *driveEnd) {
		*d = driveEnd{Time: rfc3339(a.clock.Now().Time), Sealed: sealed, SealMS: took.Milliseconds()}
	})
	a.log.Info("end of the drive: sealed", "segment", sealed, "took", took)
	a.journal.Add("stop", "end of the drive", 0, map[string]any{"sealed": sealed, "seal_ms": took.Milliseconds()})
	select {
	case a.drive.offer <- struct{}{}:
	default:
	}
	return name, nil
}

// offerLast gives the store what is left, for as long as the grace lasts.
func (a *Appliance) offerLast(ctx context.Context) {
	if a.live().uploader == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	began := time.Now()
	left := ""
	if err := a.live().uploader.Drain(ctx); err != nil {
		left = err.Error()
	}
	took := time.Since(began)
	a.drive.note(func(d *driveEnd) { d.OfferMS, d.Left = max(took.Milliseconds(), 1), left })
	a.log.Info("end of the drive: offered", "took", took, "left", left)
}

// watchPower ends the drive when the power is about to go.
func (a *Appliance) watchPower(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.drive.powerFails:
			if _, err := a.endDrive(ctx); err != nil {
				a.log.Error("end of the drive: not sealed", "error", err)
			}
		case <-a.drive.offer:
			a.offerLast(ctx)
		}
	}
}
