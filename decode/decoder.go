package decode

// Options say what a Decoder does.
type Options struct {
	Plan      *Plan
	Rows      int                // most rows of a batch (default 4096)
	Batch     func(*Batch) error // gets each full batch, and the rest at Flush
	Transport TransportOptions
}

// TransportOptions choose what is put together before it is decoded.
type TransportOptions struct {
	Off          bool     // no transport protocol at all
	PlainPayload bool     // ISO-TP: without the low length byte that the public diagnostic DBC files want in front
	ISOTP        []uint32 // identifiers with ISO-TP beside those found by the DBC files; bit 31: extended
}

// Stats counts.
type Stats struct {
	Frames, Decoded, Unknown, Parts, NoSignal uint64
	Messages                                  uint64 // put together from parts
	Lost                                      uint64 // messages of transport protocols that stayed incomplete
}

// Decoder sorts frames into batches. Its memory is bounded by the messages
// of the plan that occur. One goroutine uses it.
type Decoder struct{}

// New makes a Decoder.
func New(o Options) *Decoder { return nil }

// Add takes a frame; the error is what Options.Batch returned.
func (d *Decoder) Add(f *Frame) (Fate, error) { return 0, nil }

// Flush hands over all rows that are left and forgets incomplete messages.
func (d *Decoder) Flush() error { return nil }

// Stats returns the counts so far.
func (d *Decoder) Stats() Stats { return Stats{} }
