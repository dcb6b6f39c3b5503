package logger

import (
	"crypto"
	"log/slog"
	"math"
	"time"

	"canseal/can"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

// Options of a Logger. Card, State, Device, Clock and Source are needed; the
// zero value of everything else is the default.
type Options struct {
	Card   durable.FS // ROOT
	State  durable.FS // the state folder
	Device segment.Device
	Clock  *clock.Clock
	Source can.Source // all buses, already open; the Logger reads and closes it
	Header mdf.Header // what is the same for all segments; the Logger fills the rest
	Buses  []Bus

	SplitSize   int64         // bytes, 32 MB
	SplitTime   time.Duration // 0: off
	SplitOffset time.Duration // from midnight UTC
	Flush       time.Duration // longest time a record stays in memory, 1 s
	KeepFree    Reserve
	KeepUnsent  bool // unsent: keep; else the oldest unsent goes, and is counted
	// Compress sorts and compresses finished segments before they are sealed
	// (mdf.Compress), at the lowest priority.
	Compress bool
	// LeaveOutErrors leaves the error messages of the kernel out (error_frames:
	// false); gaps and states stay.
	LeaveOutErrors bool
	// Queue is the number of events that wait at most between capture and
	// recorder, 131,072.
	Queue int
	// Patient makes a source that can wait (a replay) wait for the recorder.
	// Never for a bus: there it moves the loss into the kernel.
	Patient bool
	// BucketSession is the session that the bucket's device.json names; 0: unknown.
	BucketSession uint32

	// Sending tells whether a segment is on its way to the store: retention spares
	// it as long as it can. Goroutines call it at once. nil: none is.
	Sending func(segment.Name) bool
	// CheckCard tells whether the card is there (see WatchCard); goroutines call it
	// as they need. nil: it is.
	CheckCard func() error
	// CardID tells one card from another (see CardID). When it changes, recovery
	// and numbering come before the next segment. nil, or empty: unknown; a card
	// that was away counts as another one in any case.
	CardID func() string
	// Links tells the state of the links, for Status. nil: unknown.
	Links func() []Link
	// SealKey returns the key that signs seal records, nil without one. It is asked
	// for each line, so that a renewed key counts from then on; after an error the
	// line is written unsigned. Recording does not wait for it. nil: there is none.
	SealKey func() (crypto.Signer, error)
	// Sealed is called when a segment is ready for upload. It must not block.
	Sealed func()
	// Synced is told after each sync how many frames of a segment are durable by
	// then: a promise that a test of power cuts can hold the recorder to. The
	// recorder waits for it. nil: nobody is told.
	Synced func(n segment.Name, frames uint64)
	// Tap is told what is recorded: frames, by bus in the order in which they are
	// written, with the verdicts that they have by then. It is called where frames
	// are recorded and must not block; the events are borrowed. nil: nobody is.
	Tap func([]can.Event)
	// Event takes a line for events.jsonl. It is called from a goroutine of its
	// own and may block; when 256 lines wait, further ones are counted and left out.
	Event func(kind, what string, bus uint8, detail map[string]any)
	Log   *slog.Logger // nil: none
}

// Bus is a bus as it is configured.
type Bus struct {
	Number    uint8 // 1-8
	Interface string
	Role      string   // of CANcrypt: off, judge, member
	Filter    []Filter // nil: everything is recorded
	Control   *Control // nil: recording never pauses
	Judge     *Judge   // nil: frames are not judged
}

// Link is what is known of a bus's interface.
type Link struct {
	Number      uint8
	Interface   string
	State       can.State // 10-15; 0: unknown
	Controller  can.State // 20-26; 0: unknown
	Bitrate     uint32    // bit/s
	DataBitrate uint32
	ListenOnly  bool
	FD          bool
	Differs     []string // how the settings are not what they should be, in words
	Problem     string   // why the interface is not open, or could not be set
	LeftOut     uint64   // messages that the source left out: no frames, or its own frames that shall not be logged
	Unlogged    uint64   // of LeftOut: its own frames
	Filtered    uint64   // frames that Bus.Filter leaves out and the kernel therefore did not hand over
	// FilteredUnknown: there may be more of these.
	FilteredUnknown bool
	Stamps          string // hardware, software
	ReceiveBuffer   int    // bytes granted
}

// Reserve is the room that segments never use: a share of the card, or bytes.
// Both zero: 5 %.
type Reserve struct {
	Percent float64
	Bytes   int64
}

// Of is the reserve in bytes of a card of total bytes.
func (r Reserve) Of(total int64) int64 {
	switch {
	case r.Bytes > 0:
		return r.Bytes
	case r.Percent > 0:
		return int64(math.Ceil(float64(total) * r.Percent / 100))
	}
	return total / 20
}

func (o Options) withDefaults() Options {
	if o.SplitSize <= 0 {
		o.SplitSize = 32_000_000
	}
	if o.Flush <= 0 {
		o.Flush = time.Second
	}
	if o.Sending == nil {
		o.Sending = func(segment.Name) bool { return false }
	}
	if o.CheckCard == nil {
		o.CheckCard = func() error { return nil }
	}
	if o.CardID == nil {
		o.CardID = func() string { return "" }
	}
	if o.Links == nil {
		o.Links = func() []Link { return nil }
	}
	if o.SealKey == nil {
		o.SealKey = func() (crypto.Signer, error) { return nil, nil }
	}
	if o.Sealed == nil {
		o.Sealed = func() {}
	}
	if o.Synced == nil {
		o.Synced = func(segment.Name, uint64) {}
	}
	if o.Event == nil {
		o.Event = func(string, string, uint8, map[string]any) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
