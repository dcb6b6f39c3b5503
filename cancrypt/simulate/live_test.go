package simulate

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
)

// hub is a bus between lines in this process, without bit times.
type hub struct {
	mu    sync.Mutex
	lines []*hubLine
	last  int64
}

// hubLine is one process's way to the hub.
type hubLine struct {
	hub    *hub
	events chan can.Event
}

func (h *hub) line() *hubLine {
	l := &hubLine{h, make(chan can.Event, 1<<16)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, l)
	return l
}

func (l *hubLine) Send(f can.Frame) error {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = max(h.last+1000, time.Now().UnixNano())
	for _, other := range h.lines {
		e := can.Event{Time: h.last, Bus: 1, Dir: can.OtherTx, Frame: f}
		if other == l {
			e.Dir = can.Tx
		}
		other.events <- e
	}
	return nil
}

func (l *hubLine) Run(handle func(can.Event)) error {
	for e := range l.events {
		handle(e)
	}
	return nil
}

// Close takes the line off the hub.
func (l *hubLine) Close() error {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, other := range h.lines {
		if other == l {
			h.lines = append(h.lines[:i], h.lines[i+1:]...)
			close(l.events)
		}
	}
	return nil
}

// TestProcessesThatShareABus plays one device in each process, and attackers in
// one of their own.
func TestProcessesThatShareABus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		logger := h.line()
		g := group(t, 5)
		var mu sync.Mutex
		var truth []Truth
		var group sync.WaitGroup
		start := func(o Options) {
			o.Group, o.Length, o.Quiet = g, 20*time.Second, true
			o.Truth = func(w *Truth) {
				mu.Lock()
				defer mu.Unlock()
				truth = append(truth, *w)
			}
			line := h.line()
			group.Go(func() {
				if err := Live(context.Background(), o, line); err != nil {
					t.Error(err)
				}
			})
		}
		for i, a := range g.Members {
			time.Sleep(time.Duration(10*i) * time.Millisecond)
			start(Options{Devices: []uint8{a}, Seed: uint64(a)})
		}
		start(Options{Devices: []uint8{}, Attacks: attacks(t, "inject@3,from=3s", "replay@3,from=3s", "guess@1,from=3s", "announce@3,from=3s", "flood@100,from=3s")})
		group.Wait()
		logger.Close()
		trial, err := NewTrial(&g)
		if err != nil {
			t.Fatal(err)
		}
		for e := range logger.events {
			trial.Hear(&e)
		}
		r := Compare(trial.Log, truth, time.Millisecond)
		told(t, r)
		for _, p := range r.Problems(0.999) {
			t.Error(p)
		}
	})
}
