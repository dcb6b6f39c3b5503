package socketcan

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
)

// desk stands in for ports: it notes what is sent and when, in ms.
type desk struct {
	start    time.Time
	fails    func(ms int64) error
	sent     []sending
	opened   int
	unlogged int
}

type sending struct {
	ms int64
	id uint32
}

func (d *desk) send(f can.Frame, log bool) error {
	ms := time.Since(d.start).Milliseconds()
	if d.fails != nil {
		if err := d.fails(ms); err != nil {
			return err
		}
	}
	if !log {
		d.unlogged++
	}
	d.sent = append(d.sent, sending{ms, f.ID})
	return nil
}

func (d *desk) Close() error { return nil }

// transmit runs a list for a time and returns the desk.
func transmit(t *testing.T, list []Timed, lasts time.Duration, fails func(ms int64) error) *desk {
	t.Helper()
	d := &desk{fails: fails}
	synctest.Test(t, func(t *testing.T) {
		d.start = time.Now()
		ctx, stop := context.WithTimeout(t.Context(), lasts)
		defer stop()
		tr := NewTransmitter(TransmitOptions{Bus: 1, List: list})
		tr.open = func() (sender, error) { d.opened++; return d, nil }
		if err := tr.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return d
}

func timed(id uint32, delay, period int) Timed {
	const ms = time.Millisecond
	return Timed{Frame: can.Frame{ID: id}, Delay: time.Duration(delay) * ms, Period: time.Duration(period) * ms, Log: true}
}

func TestFramesGoOutByDelayAndPeriod(t *testing.T) {
	list := []Timed{timed(1, 0, 100), timed(2, 50, 0), timed(3, 100, 200), timed(4, 0, 0)}
	d := transmit(t, list, 350*time.Millisecond, nil)
	want := []sending{{0, 1}, {0, 4}, {50, 2}, {100, 1}, {100, 3}, {200, 1}, {300, 1}, {300, 3}}
	if !slices.Equal(d.sent, want) || d.opened != 1 {
		t.Fatalf("sent %v, want %v; %d ports", d.sent, want, d.opened)
	}
}

func TestAListOfSingleFramesEnds(t *testing.T) {
	d := transmit(t, []Timed{{Frame: can.Frame{ID: 7}}}, time.Hour, nil)
	if len(d.sent) != 1 || d.unlogged != 1 {
		t.Fatalf("sent %v, %d of them not logged", d.sent, d.unlogged)
	}
}

// While nothing can be sent the list stands still: afterwards distances are
// kept, nothing is repeated and nothing comes in a burst.
func TestTheListStandsStillWithoutALink(t *testing.T) {
	down := errors.New("down")
	list := []Timed{timed(1, 0, 100), timed(2, 30, 0)}
	d := transmit(t, list, 850*time.Millisecond, func(ms int64) error {
		if ms < 250 || ms > 450 && ms < 700 {
			return down
		}
		return nil
	})
	want := []sending{{300, 1}, {330, 2}, {400, 1}, {700, 1}, {800, 1}}
	if !slices.Equal(d.sent, want) {
		t.Fatalf("sent %v, want %v", d.sent, want)
	}
}

func TestALateListDoesNotCatchUp(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newSchedule([]Timed{timed(1, 0, 10)}, now)
	late := now.Add(95 * time.Millisecond)
	s.sent(s.next(), late)
	if got := s.next().due; got != late.Add(10*time.Millisecond) {
		t.Fatalf("due %v after %v, want a period later", got.Sub(now), late.Sub(now))
	}
}
