package input

import (
	"io"
	"time"

	"canseal/mdf/buslog"
)

// Clock says how far the time of an item can be trusted.
type Clock uint8

const (
	Recorded     Clock = iota // as a file of others says
	Synchronised              // the clock was right
	Corrected                 // the clock was wrong by what is known
	Unknown                   // nobody knows when it was
)

// Clocks lists the texts of the codes in order.
var Clocks = []string{"recorded", "synchronised", "corrected", "unknown"}

func (c Clock) String() string { return Clocks[c] }

// File is one file that may hold a recording.
type File struct {
	Name string // path or key, as people know it; "-" is standard input
	Size int64  // bytes; less than 0: unknown
	Open func() (io.ReadCloser, error)

	// What is known without opening it; zero: nothing is.
	Modified   time.Time
	Start, End time.Time // nothing in it is older than Start, or younger than End
}

// Options say what of the files is wanted, and how it is read.
type Options struct {
	Devices  []string                               // empty: all
	From, To time.Time                              // items with From <= t < To; zero: no bound
	Password func(device string) (string, error)    // for encrypted containers; nil: they are refused
	Buses    map[string]uint8                       // numbers of the interfaces in candump logs; nil: canN is N+1
	Keep     func(*Segment) (why string, keep bool) // nil: all
	Window   int                                    // bytes for putting records in order; 0: 32 MiB
	Temp     string                                 // folder for what cannot be read at random; empty: the system's
}

// Item is one record of a session. It is borrowed: valid until the next turn.
// Time is corrected, and so are the times of Side. The verdict is settled.
type Item struct {
	*buslog.Item
	Clock   Clock
	Shift   int64    // ns that were added to the recorded time
	Segment *Segment // that holds it
}

// Segment is one file of a session.
type Segment struct {
	File    File
	Device  string // by its path, else as the file says; empty: unknown
	Session uint32
	Split   uint32
	Form    string        // "canseal", "MDF" or "candump", and " in heatshrink in encrypted" as it may be
	Header  buslog.Header // of MDF files
	Report  Report
	Err     error // why it could not be read, or not to its end
	Aside   bool  // nothing of it is wanted, by File.Start and End: it is not read

	inTree bool // its path says what it is
	survey buslog.Survey
	known  bool    // it was surveyed
	once   *reader // open until Input.Close
	boot   string
	clocks []anchor
}

// Report is what reading a segment came to.
type Report struct {
	buslog.Report
	Outside uint64    // items outside From and To
	Clocks  [4]uint64 // frames by Clock
	Settled uint64    // pending verdicts that were settled
}

// Skipped is a file that was left out.
type Skipped struct {
	Name, Why string
}
