package logger

import (
	"log/slog"
	"sync/atomic"
)

// waitingLines bounds the lines for events.jsonl that wait for the card.
const waitingLines = 256

// facts of an event line: short strings and numbers.
type detail = map[string]any

type event struct {
	kind, what string
	bus        uint8
	detail     detail
}

// teller hands lines to events.jsonl, which is on the card and may be slow, from
// a goroutine of its own.
type teller struct {
	lines   chan event
	sink    func(kind, what string, bus uint8, detail map[string]any)
	log     *slog.Logger
	leftOut atomic.Uint64
}

func newTeller(o *Options) *teller {
	return &teller{lines: make(chan event, waitingLines), sink: o.Event, log: o.Log}
}

// tell never blocks.
func (t *teller) tell(kind, what string, bus uint8, d detail) {
	select {
	case t.lines <- event{kind, what, bus, d}:
	default:
		t.leftOut.Add(1)
	}
}

// run writes lines until the channel is closed.
func (t *teller) run() {
	for e := range t.lines {
		if n := t.leftOut.Swap(0); n > 0 {
			t.log.Warn("event lines left out", "count", n)
		}
		t.sink(e.kind, e.what, e.bus, e.detail)
	}
}
