package segment

import "canseal/internal/durable"

// Suffix is what follows SPLIT.MF4 in a name.
type Suffix string

const (
	Part   Suffix = ".part"   // being written
	Raw    Suffix = ".raw"    // finished, waits for compression
	Tmp    Suffix = ".tmp"    // the compressor's work
	Sealed Suffix = ""        // sealed
	Keep   Suffix = ".keep"   // pinned
	Upload Suffix = ".upload" // journal of a multipart upload
	Sent   Suffix = ".sent"   // receipt

	// Copy and its brothers are the work of Resolve.
	Copy  Suffix = ".new"
	Copy2 Suffix = ".new2"
	Copy3 Suffix = ".new3"
	// SentCopy is a receipt that was cut off before its rename.
	SentCopy Suffix = ".sent" + durable.Temporary
)

func copies() []Suffix { return []Suffix{Copy, Copy2, Copy3} }

// suffixes gives each suffix its place in a Set.
func suffixes() [11]Suffix {
	return [...]Suffix{Part, Raw, Tmp, Sealed, Keep, Upload, Sent, Copy, Copy2, Copy3, SentCopy}
}

func (s Suffix) bit() Set {
	for i, known := range suffixes() {
		if s == known {
			return 1 << i
		}
	}
	return 0
}

// Set is a set of suffixes: the state of a segment.
type Set uint16

// Of is the set of the given suffixes.
func Of(suffixes ...Suffix) (set Set) {
	for _, s := range suffixes {
		set |= s.bit()
	}
	return set
}

// Has reports whether s is in the set.
func (set Set) Has(s Suffix) bool { return set&s.bit() != 0 }

// Suffixes lists the set, in the order of the constants.
func (set Set) Suffixes() (list []Suffix) {
	for _, s := range suffixes() {
		if set.Has(s) {
			list = append(list, s)
		}
	}
	return list
}

// String reads like ".part .tmp"; the sealed name is ".MF4".
func (set Set) String() string {
	text := ""
	for _, s := range set.Suffixes() {
		if s == Sealed {
			s = extension
		}
		text += " " + string(s)
	}
	if text == "" {
		return "none"
	}
	return text[1:]
}

// Action is what recovery does with some names of one split.
type Action uint8

const (
	Drop     Action = iota + 1 // remove these names
	Resolve                    // they may share content: Card.Resolve, then Card.Load and AtBoot again
	Repair                     // repair the .part, then .raw or .MF4
	Compress                   // compress the .raw, or seal it as it is
	Record                     // seal.log must have a line for the .MF4; if not, make a late one
)

func (a Action) String() string {
	texts := [...]string{"none", "drop", "resolve", "repair", "compress", "record"}
	return texts[min(int(a), len(texts)-1)]
}

// Step is one action and the names that call for it.
type Step struct {
	Do    Action
	Names Set
}

// AtBoot tells what recovery does with a split of which the names in set were
// found, in this order. A Resolve is the last step, because the names are others
// after it: load the segment and ask again.
func AtBoot(set Set) (steps []Step) {
	for _, row := range bootTable() {
		names := set & row.concerns
		if names == 0 || set&row.with != row.with || set&row.without != 0 {
			continue
		}
		steps = append(steps, Step{row.do, names})
		if row.do == Resolve {
			break
		}
	}
	return steps
}

// bootRow applies when any of the names it concerns is there, with all of with
// and none of without.
type bootRow struct {
	concerns, with, without Set
	do                      Action
}

func bootTable() []bootRow {
	none, content, copied := Set(0), Of(Part, Raw, Sealed), Of(copies()...)
	every := content | copied | Of(Tmp)
	return []bootRow{
		{Of(SentCopy), none, none, Drop},
		{copied, none, none, Resolve},            // a Resolve was cut off
		{every, Of(Tmp, Sealed), none, Resolve},  // these and the next two: a rename
		{every, Of(Part, Sealed), none, Resolve}, // that FAT did half
		{every, Of(Part, Raw), none, Resolve},
		{every, Of(Tmp, Part), none, Resolve},   // the rename of a Resolve's move, done half
		{every, Of(Raw, Sealed), none, Resolve}, // compressed, the .raw not yet removed; or a rename done half
		{Of(Tmp), none, none, Drop},
		{Of(Keep, Upload, Sent), none, content, Drop},
		{Of(Part), none, none, Repair},
		{Of(Raw), none, none, Compress},
		{Of(Sealed), none, none, Record},
	}
}
