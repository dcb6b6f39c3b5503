package can

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// recorded is a source of events that are there already.
type recorded struct{ events []Event }

func (r *recorded) Read(buf []Event) (int, error) {
	n := copy(buf, r.events)
	if r.events = r.events[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *recorded) Close() error { return nil }

func TestRebaseMovesAllStampsOfALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UnixNano()
		s := NewPaced(&recorded{[]Event{
			{Time: 1e9},
			{Kind: KindLost, From: 3e9, Time: 5e9},
			{Kind: KindState, Time: 7e9},
		}}, PaceOptions{Factor: 2, Rebase: true})
		events, came, err := collect(t, s)
		if want := "[0s 2s 3s]"; err != io.EOF || fmt.Sprint(came) != want {
			t.Errorf("events came at %v, %v, want %s", came, err, want)
		}
		if l := events[1]; l.From != start+1e9 || l.Time != start+2e9 {
			t.Errorf("loss from %d to %d ns behind the start, want 1e9 to 2e9", l.From-start, l.Time-start)
		}
	})
}

func TestOriginIsDueAtTheFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewPaced(&recorded{[]Event{{Time: 10e9}, {Time: 11e9}}}, PaceOptions{Factor: 1, Origin: 8e9})
		if _, came, _ := collect(t, s); fmt.Sprint(came) != "[2s 3s]" {
			t.Errorf("events came at %v, want [2s 3s]", came)
		}
	})
}

func TestASlowReaderGetsEverythingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		for i := range int64(5000) {
			events = append(events, Event{Time: i * 1e6})
		}
		s, buf, next := NewPaced(&recorded{events}, PaceOptions{Factor: 1}), make([]Event, 700), int64(0)
		for {
			n, err := s.Read(buf)
			for _, e := range buf[:n] {
				if e.Time != next*1e6 {
					t.Fatalf("event %d is stamped %d", next, e.Time)
				}
				next++
			}
			if err == io.EOF {
				break
			}
			time.Sleep(time.Second)
		}
		if next != 5000 {
			t.Errorf("%d events", next)
		}
	})
}
