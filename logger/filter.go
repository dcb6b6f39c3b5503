package logger

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	"canseal/can"
)

// Filter is one entry of a bus's filter list. The first whose rule has a frame
// decides; a frame that none has is left out.
type Filter struct {
	Rule  can.Rule
	Every Every // of what passes
}

// Every thins out what a filter lets pass, per identifier. At most one of its
// fields is set; the zero value lets everything pass. The first frame of an
// identifier always passes.
type Every struct {
	Count  int           // one frame of so many
	Time   time.Duration // none before so long after the last that passed
	Change []byte        // only frames in which a bit under this mask, from byte 0, differs from the frame before; bytes that a frame has not are a difference
}

func (e *Every) none() bool { return e.Count <= 1 && e.Time <= 0 && len(e.Change) == 0 }

// fate is what becomes of a frame.
type fate uint8

const (
	pass     fate = iota
	filtered      // by the list
	thinned       // by the prescaler
	paused        // by the control
)

const (
	// places is how many 29-bit identifiers of a bus a filter has room for. When
	// three quarters are taken, all are forgotten.
	places     = 4096
	placesUsed = places / 4 * 3
	direct     = 2 << 11 // 11-bit identifiers, of data and of remote frames
	taken      = 1 << 31 // in place.key
	remoteBit  = 1 << 29 // in keys of 29-bit identifiers
)

// filter decides frame by frame what of a bus is recorded. It is pure, bounded
// in memory and allocates nothing per frame.
type filter struct {
	list  []Filter
	masks [][8]uint64    // of list: Every.Change, little-endian
	short [direct]uint16 // by identifier | remote<<11: 1 + index into list; 0: none
	long  [places]place  // open addressing by 29-bit identifier | remote<<29
	used  int            // places taken
	past  []past         // by index into short, then into long; nil: nothing thins out
	words [][8]uint64    // the same: masked payloads; nil: no mask
}

type place struct {
	key  uint32 // taken | identifier; 0: free
	rule uint16 // as in filter.short
}

// past is what a thinning rule remembers of an identifier.
type past struct {
	known bool
	bytes uint8  // under the mask
	left  uint32 // frames still to be left out
	at    int64  // stamp of the last that passed, ns
}

// newFilter compiles a list; nil lets everything pass and has no filter.
func newFilter(list []Filter) *filter {
	if list == nil {
		return nil
	}
	f := &filter{list: slices.Clone(list), masks: make([][8]uint64, len(list))}
	for i := range f.list {
		every := &f.list[i].Every
		every.Change = every.Change[:min(len(every.Change), can.MaxData)]
		if !every.none() && f.past == nil {
			f.past = make([]past, direct+places)
		}
		if len(every.Change) > 0 && f.words == nil {
			f.words = make([][8]uint64, direct+places)
		}
		for j, b := range every.Change {
			f.masks[i][j/8] |= uint64(b) << (j % 8 * 8)
		}
	}
	for id := range f.short {
		f.short[id] = f.find(&can.Frame{ID: uint32(id) & 0x7FF, Flags: can.Flags(id>>11) * can.Remote})
	}
	return f
}

// find walks the list: 1 + index of the first rule that has the frame.
func (f *filter) find(frame *can.Frame) uint16 {
	for i := range f.list {
		if f.list[i].Rule.Has(frame) {
			return uint16(i + 1)
		}
	}
	return 0
}

// decide says what becomes of a data or remote frame. A nil filter lets it pass.
func (f *filter) decide(e *can.Event) fate {
	if f == nil {
		return pass
	}
	rule, at := f.rule(&e.Frame)
	if rule == 0 || f.list[rule-1].Rule.Reject {
		return filtered
	}
	if f.past == nil || f.list[rule-1].Every.none() || f.due(int(rule-1), at, e) {
		return pass
	}
	return thinned
}

// rule finds the entry for a frame and the index of what is remembered of it.
func (f *filter) rule(frame *can.Frame) (rule uint16, at int) {
	remote := uint32(0)
	if frame.Flags&can.Remote != 0 {
		remote = 1
	}
	if frame.Flags&can.Extended == 0 {
		at = int(frame.ID&0x7FF | remote<<11)
		return f.short[at], at
	}
	return f.lookUp(taken|remote*remoteBit|frame.ID&(remoteBit-1), frame)
}

// lookUp finds a 29-bit identifier, or gives it a place.
func (f *filter) lookUp(key uint32, frame *can.Frame) (rule uint16, at int) {
	at = home(key)
	for f.long[at].key != 0 {
		if f.long[at].key == key {
			return f.long[at].rule, direct + at
		}
		at = (at + 1) % places
	}
	if f.used == placesUsed {
		f.forget()
		at = home(key)
	}
	f.used++
	f.long[at] = place{key, f.find(frame)}
	return f.long[at].rule, direct + at
}

// home is where the search for a key begins (Fibonacci hashing).
func home(key uint32) int { return int(key * 2654435769 >> (32 - bits.TrailingZeros32(places))) }

// forget makes room: 29-bit identifiers begin again, with a frame that passes.
func (f *filter) forget() {
	f.used = 0
	f.long = [places]place{}
	if f.past != nil {
		clear(f.past[direct:])
	}
}

// due tells whether a thinning rule lets a frame pass.
func (f *filter) due(rule, at int, e *can.Event) bool {
	p, every := &f.past[at], &f.list[rule].Every
	switch {
	case every.Count > 1:
		if p.left > 0 {
			p.left--
			return false
		}
		p.left = uint32(every.Count - 1)
		return true
	case every.Time > 0:
		// A clock that was set back must not silence an identifier.
		if since := e.Time - p.at; p.known && 0 <= since && since < int64(every.Time) {
			return false
		}
		p.known, p.at = true, e.Time
		return true
	}
	return f.changed(p, rule, at, &e.Frame)
}

// changed compares what is under the mask with the frame before.
func (f *filter) changed(p *past, rule, at int, frame *can.Frame) bool {
	mask := f.list[rule].Every.Change
	bytes := min(frame.Len, uint8(len(mask)))
	changed := !p.known || p.bytes != bytes
	for i := range (len(mask) + 7) / 8 {
		word := binary.LittleEndian.Uint64(frame.Data[8*i:]) & f.masks[rule][i]
		changed = changed || f.words[at][i] != word
		f.words[at][i] = word
	}
	p.known, p.bytes = true, bytes
	return changed
}
