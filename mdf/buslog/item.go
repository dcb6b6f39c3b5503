package buslog

import (
	"canseal/can"
	"canseal/mdf"
)

// Type tells what an Item is.
type Type uint8

const (
	Frame Type = iota // Event and Encrypted count
	Side              // Side: a record of ours about frames, clock, states
	Raw               // Group and Data: a record that holds no CAN frame
)

// Item is one record of a file. It is borrowed: valid until the next turn.
// Time counts for all types: ns since 1970 UTC.
type Item struct {
	can.Event
	Type      Type
	Encrypted bool       // Frame: some or all data bytes are ciphertext
	Side      mdf.Record // Side: mdf.Gap, mdf.Clock and so on, by value
	Group     string     // Raw: name of its group
	Data      []byte     // Raw: the record without its id
}

// Header is what a file says of itself. What it does not say is empty.
type Header struct {
	Start     int64  // ns since 1970 UTC: time 0 of the records
	Version   string // of MDF: "4.11"
	Tool      string // that wrote the file
	Finalised bool

	Device   string // serial number of the recorder
	Session  uint32
	Split    uint32
	Comment  string
	Firmware string

	Ours        bool   // made by canseal; what follows is empty in files of others
	Sorted      bool   // compressed form
	End         string // "open", "orderly" or "cut"
	BootID      string
	ClockOffset int64 // ns added to all stamps
}

// Damage is a part of a file that could not be read.
type Damage struct {
	Offset int64 // in bytes from the start of the file
	Lost   int64 // bytes; 0: unknown
	Err    error
}

// Report is what reading a file came to.
type Report struct {
	Frames  uint64
	Side    uint64
	Raw     map[string]uint64 // records without CAN frames, by group
	Late    uint64            // items out of order, for want of room in the window
	Bad     uint64            // records whose values or payload make no sense
	Lost    int64             // bytes of damaged parts
	Damages []Damage          // the first 100
	Damaged uint64            // how many there were
}

// Whole tells that nothing was damaged.
func (r *Report) Whole() bool { return r.Damaged == 0 && r.Bad == 0 }

// mostDamages bounds the damages kept.
const mostDamages = 100

func (r *Report) damage(d Damage) {
	if len(r.Damages) < mostDamages {
		r.Damages = append(r.Damages, d)
	}
	r.Damaged++
	r.Lost += d.Lost
}

func (r *Report) bad(at int64, err error) {
	if r.Bad == 0 { // the first one as an example
		r.damage(Damage{Offset: at, Err: err})
	}
	r.Bad++
}
