package mdf

import (
	"encoding/binary"
	"math"
)

// Stats counts the records of a file.
type Stats struct {
	Frames  uint64         // records of frames, errors and remote frames included
	Gaps    uint64         // Gap records
	Lost    uint64         // sum of their counts
	First   int64          // earliest time of a frame, ns since 1970-01-01 UTC; 0: there is none
	Last    int64          // latest time of a frame
	Records [ridEnd]uint64 // by record id
}

// tally counts records while they are walked.
type tally struct {
	Stats
	tail int64 // time of the last frame in file order; the start of the file before it
}

// newTally is the tally of nothing.
func newTally(start int64) tally {
	return tally{Stats: Stats{First: math.MaxInt64, Last: math.MinInt64}, tail: start}
}

// add counts a record, given with its id. A frame without a time is a
// *CorruptError; at is the record's address.
func (t *tally) add(rec []byte, start, at int64) error {
	rid := rec[0]
	if rid <= ridError {
		time, ok := absolute(binary.LittleEndian.Uint64(rec[1:]), start)
		if !ok {
			return corrupt(at+1, "a time in ns", "bytes %x", rec[1:9])
		}
		t.tail = time
		t.First, t.Last = min(t.First, time), max(t.Last, time)
	}
	if rid == ridGap {
		t.Lost += binary.LittleEndian.Uint64(rec[1+24:])
	}
	if rid < ridEnd {
		t.Records[rid]++
	}
	return nil
}

// total fills in what follows from the counts by record id.
func (s Stats) total() Stats {
	for _, n := range s.Records[ridData8 : ridError+1] {
		s.Frames += n
	}
	s.Gaps = s.Records[ridGap]
	if s.Frames == 0 {
		s.First, s.Last = 0, 0
	}
	return s
}
