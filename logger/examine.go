package logger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

// startOf reads the HD start of a file.
func startOf(fsys durable.FS, name string) (int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := openMDF(f)
	if err != nil {
		return 0, err
	}
	return r.Header().Start, nil
}

func openMDF(f durable.File) (*mdf.Reader, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return mdf.Open(f, size)
}

// examine reads a whole finished file for its seal line: all but what only the
// chain knows (Prev, Dropped), and Late. Of a file that is damaged behind its head
// the line tells what can be read, and a *mdf.CorruptError comes with it; without
// a line its SHA256 is empty.
func examine(fsys durable.FS, name string) (line segment.SealLine, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return line, err
	}
	defer f.Close()
	r, err := openMDF(f)
	if err != nil {
		return line, fmt.Errorf("examine %s: %w", name, err)
	}
	facts, damage := factsOf(r.Header()), error(nil)
	for record, err := range r.Records() {
		if err != nil {
			damage = fmt.Errorf("examine %s: %w", name, err)
			facts.gaps++ // of unknown size: the rest
			break
		}
		facts.count(record)
	}
	if damage != nil && !corrupt(damage) {
		return line, damage
	}
	line = facts.line()
	if r.Sorted() {
		line.Form = formPacked
	}
	if r.End() == "orderly" && damage == nil {
		line.End = "orderly"
	}
	line.SHA256, line.Size, err = hashFile(f)
	return line, errors.Join(damage, err)
}

// corrupt tells an error that another try will not mend.
func corrupt(err error) bool {
	var c *mdf.CorruptError
	return errors.As(err, &c)
}

// facts is what a seal line tells about the records of a segment.
type facts struct {
	header      mdf.Header
	first, last int64
	frames      uint64
	gaps, lost  uint64
	clock       int // the worst of clockStates
}

func factsOf(h mdf.Header) facts { return facts{header: h} }

func (f *facts) count(record mdf.Record) {
	switch v := record.(type) {
	case *mdf.Frame:
		if f.frames == 0 {
			f.first, f.last = v.Time, v.Time
		}
		f.frames++
		f.first, f.last = min(f.first, v.Time), max(f.last, v.Time)
	case mdf.Gap:
		f.gaps++
		f.lost += v.Count
	case mdf.Clock:
		f.clock = max(f.clock, clockRank(v.Synchronised, v.BelowFloor))
	}
}

// Forms of a segment in its seal line.
const (
	formRaw    = "raw" // finished, unsorted
	formPacked = "dz"  // sorted, compressed
)

// clockStates are the words of a seal line, the better first.
func clockStates() [3]string { return [...]string{"synchronised", "unsynchronised", "below_floor"} }

func clockRank(synchronised, belowFloor bool) int {
	switch {
	case belowFloor:
		return 2
	case synchronised:
		return 0
	}
	return 1
}

func (f *facts) line() segment.SealLine {
	line := segment.SealLine{
		Device: segment.Device(f.header.Device), Session: f.header.Session, Split: f.header.Split,
		Start: moment(f.header.Start), Form: formRaw, Frames: f.frames, Gaps: f.gaps, Lost: f.lost,
		End: "cut", Clock: clockStates()[f.clock], Config: f.header.ConfigSHA256,
	}
	if f.frames > 0 {
		line.First, line.Last = moment(f.first), moment(f.last)
	}
	if !isHash(line.Config) {
		line.Config = segment.FirstPrev
	}
	return line
}

func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// hashFile reads a file back from its start.
func hashFile(f io.ReaderAt) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.CopyBuffer(struct{ io.Writer }{h}, onlyReader{io.NewSectionReader(f, 0, 1<<62)}, make([]byte, 64<<10))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// onlyReader hides the other methods, so that CopyBuffer keeps to its buffer.
type onlyReader struct{ io.Reader }
