package input

import (
	"io"
	"time"

	"canseal/mdf/buslog"
)

// Clock says how far the time of an item can be trusted.
type Clock uint8

const (
	Recorded Clock = iota
	Synchronised
	Corrected
	Unknown
)

// Clocks lists the texts of the codes in order.
var Clocks = []string{"recorded", "synchronised", "corrected", "unknown"}

func (c Clock) String() string { return Clocks[c] }

// File is one file that may hold a recording.
type File struct {
	Name string // path or key, as people know it
	Size int64  // bytes; less than 0: unknown
	Open func() (Content, error)
}

// Content is an open file. One that is no io.ReaderAt is read once, from its
// begin.
type Content = io.ReadCloser

// Options say what of the files is wanted.
type Options struct {
	Devices  []string                               // empty: all
	From, To time.Time                              // frames with From <= t < To; zero: no bound
	Password func(device string) (string, error)    // for encrypted containers; nil: they are refused
	Buses    map[string]uint8                       // interfaces of candump logs; nil: canN is N+1
	Keep     func(*Segment) (keep bool, why string) // nil: all
	Window   int                                    // bytes for putting frames in order; 0: 64 MiB
}

// Item is one record of a session. It is borrowed: valid until the next turn.
// Time, and the times of Side, are corrected.
type Item struct {
	*buslog.Item
	Clock   Clock
	Shift   int64    // ns that were added to the recorded time
	Segment *Segment // that holds it
}

// Segment is one file of a session.
type Segment struct {
	File    File
	Device  string // by its path, else as the file says
	Session uint32
	Split   uint32
	Form    string        // "canseal", "MDF", "candump"; "+heatshrink", "+encrypted" behind it
	Header  buslog.Header // of MDF files, once it was opened
	Report  Report        // once it was read
	Err     error         // why it could not be read at all, or not to its end
}

// Report is what reading a segment came to.
type Report struct {
	buslog.Report
	Outside uint64    // items outside From and To
	Clocks  [4]uint64 // frames by Clock
}

// Skipped is a file that was left out.
type Skipped struct {
	Name, Why string
}
