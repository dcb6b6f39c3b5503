package socketcan

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"canseal/can"
)

// Timed is a frame of a transmit list.
type Timed struct {
	Frame  can.Frame
	Delay  time.Duration // from the start of the list
	Period time.Duration // 0: sent once
	Log    bool          // the log holds it, as Tx; else it is counted as left out
}

// TransmitOptions describe a Transmitter.
type TransmitOptions struct {
	Interface string
	Bus       uint8
	Capture   *Capture // recognises the frames when they come back; may be nil
	List      []Timed
	Log       *slog.Logger // nil: silent
}

// Transmitter sends a list of frames by its own clock, which stands still while
// nothing can be sent: before the link is up, while it is down or in
// listen-only mode, and while its queue is full. So the frames keep their
// order and their distances, none is sent twice for having been late, and a
// frame that is sent once goes out when it can.
type Transmitter struct {
	o    TransmitOptions
	open func() (sender, error)
	log  *slog.Logger
}

// sender is a Port.
type sender interface {
	send(f can.Frame, log bool) error
	Close() error
}

// resendAfter is the pause after a frame that could not be sent.
const resendAfter = 100 * time.Millisecond

// NewTransmitter makes a Transmitter; Run sends.
func NewTransmitter(o TransmitOptions) *Transmitter {
	t := &Transmitter{o: o, log: o.Log}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.open = func() (sender, error) {
		return OpenPort(PortOptions{Interface: o.Interface, Bus: o.Bus, Capture: o.Capture})
	}
	return t
}

// String names the service.
func (t *Transmitter) String() string { return fmt.Sprintf("transmit on bus %d", t.o.Bus) }

// Run sends until ctx ends or everything that is sent once is sent.
func (t *Transmitter) Run(ctx context.Context) error {
	list := newSchedule(t.o.List, time.Now())
	var port sender
	defer func() {
		if port != nil {
			port.Close()
		}
	}()
	for waits := false; ; {
		next := list.next()
		if next == nil || !pause(ctx, time.Until(next.due)) {
			return nil
		}
		err := t.deliver(&port, next)
		if waits != (err != nil) {
			waits = err != nil
			t.log.Info("transmit list", "bus", t.o.Bus, "interface", t.o.Interface, "waits", waits, "error", err)
		}
		if err == nil {
			list.sent(next, time.Now())
			continue
		}
		stood := time.Now()
		if !pause(ctx, resendAfter) {
			return nil
		}
		list.stand(time.Since(stood))
	}
}

// deliver sends a frame through a port that is opened if there is none: after
// an error the interface may be another one by the same name.
func (t *Transmitter) deliver(port *sender, e *entry) (err error) {
	if *port == nil {
		p, err := t.open()
		if err != nil {
			return err
		}
		*port = p
	}
	if err = (*port).send(e.Frame, e.Log); err != nil {
		(*port).Close()
		*port = nil
	}
	return err
}

// pause waits for d and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// schedule is a list and when each of its frames is due.
type schedule []entry

type entry struct {
	Timed
	due  time.Time
	over bool // sent, and sent once
}

func newSchedule(list []Timed, start time.Time) schedule {
	s := make(schedule, len(list))
	for i, f := range list {
		s[i] = entry{Timed: f, due: start.Add(f.Delay)}
	}
	return s
}

// next returns the frame that is due first, of several the first in the list;
// nil when all is sent.
func (s schedule) next() (first *entry) {
	for i := range s {
		if e := &s[i]; !e.over && (first == nil || e.due.Before(first.due)) {
			first = e
		}
	}
	return first
}

// sent moves an entry on. One that is late by a period or more does not catch
// up.
func (s schedule) sent(e *entry, now time.Time) {
	e.over = e.Period == 0
	e.due = e.due.Add(e.Period)
	if e.due.Before(now) {
		e.due = now.Add(e.Period)
	}
}

// stand moves all that is to come, for the list's clock stood so long.
func (s schedule) stand(d time.Duration) {
	for i := range s {
		s[i].due = s[i].due.Add(d)
	}
}
