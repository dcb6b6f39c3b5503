package mdf

import (
	"encoding/binary"
	"errors"
	"fmt"

	"canseal/can"
)

// finish makes a finished file of one whose records, length bytes of them, are
// durable. First what the file says of its records, then its name: a power cut
// leaves a file that Repair brings to the same end.
func finish(f File, o *outline, length int64, s *Stats, end string) error {
	if err := patchCounts(f, o, length, s, end); err != nil {
		return fmt.Errorf("write counts: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync counts: %w", err)
	}
	if _, err := f.WriteAt(identification(true), 0); err != nil {
		return fmt.Errorf("write identification: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync identification: %w", err)
	}
	return nil
}

func patchCounts(f File, o *outline, length int64, s *Stats, end string) error {
	u64 := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
	for rid, n := range s.Records {
		if o.cycles[rid] == 0 {
			continue
		}
		if _, err := f.WriteAt(u64(n), o.cycles[rid]); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(u64(uint64(dtHeader+length)), o.stream-dtHeader+lengthAt); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(end), o.endAt)
	return err
}

// Report tells what Repair found and did.
type Report struct {
	Empty   bool   // the header is incomplete: the file holds nothing and may be removed; nothing else is set
	Already bool   // it was finished before: no byte was changed
	Orderly bool   // the recording ended in order
	Cut     bool   // the recording was cut: a gap with reason can.LostCut ends it now
	Kept    int64  // bytes of records kept
	Dropped int64  // bytes cut off behind them
	Header  Header // as the file has it
	Stats   Stats  // of the file as it is now
}

// Repair finishes a file that its Writer did not finish. It keeps every record
// up to the last right mark, cuts off the rest and appends a gap; a recording
// that had ended in order keeps its end. Repair may be cut itself at any time:
// the next one brings the file to the same bytes, and changes none of a file
// that is finished. A file that is none of ours, or damaged where no power cut
// reaches, is a *CorruptError and is left alone.
func Repair(f File) (Report, error) {
	size, err := f.Size()
	if err != nil {
		return Report{}, fmt.Errorf("size: %w", err)
	}
	o, err := parse(f, size)
	if err != nil {
		var c *CorruptError
		if errors.As(err, &c) && size <= headerLimit(f, size) {
			return Report{Empty: true}, nil
		}
		return Report{}, err
	}
	if o.finished {
		return already(f, o, size)
	}
	found, err := o.scan(f, size)
	if err != nil {
		return Report{}, err
	}
	if o.end == endOrderly && o.stream+o.length == size && found.kept == size {
		rep := o.report(found.stats.Stats, o.length)
		return rep, finish(f, o, o.length, &found.stats.Stats, endOrderly)
	}
	return cut(f, o, size, found)
}

// headerLimit is a size that a file with records is longer than: that of the
// longest header, or of the one that the file's own comment asks for.
func headerLimit(f File, size int64) int64 {
	h := Header{Comment: string(make([]byte, 256)), ConfigSHA256: string(make([]byte, 64))}
	p, o := parser{r: f, size: size}, &outline{}
	if hd, err := p.block(idSize, "HD", 6, 32); err == nil && p.comment(o, hd.links[5]) == nil {
		h.Cancrypt = o.header.Cancrypt
	}
	h.Plain = true
	return int64(len(metadata(&h)))
}

// already reports on a finished file.
func already(f File, o *outline, size int64) (Report, error) {
	found, err := o.scan(f, o.until(size))
	if err != nil {
		return Report{}, err
	}
	rep := o.report(found.all.Stats, o.length)
	rep.Already = true
	return rep, found.why
}

// cut ends a recording behind its last right mark.
func cut(f File, o *outline, size int64, found scan) (Report, error) {
	if err := f.Truncate(found.kept); err != nil {
		return Report{}, fmt.Errorf("cut at %d: %w", found.kept, err)
	}
	gap := cutGap(o.header.Start, found.stats.tail)
	if _, err := f.WriteAt(gap, found.kept); err != nil {
		return Report{}, fmt.Errorf("write gap: %w", err)
	}
	if err := f.Sync(); err != nil {
		return Report{}, fmt.Errorf("sync gap: %w", err)
	}
	o.end = endCut
	kept := found.kept - o.stream
	s := found.stats.Stats
	s.Records[ridGap]++
	rep := o.report(s, kept)
	rep.Dropped = size - found.kept
	return rep, finish(f, o, kept+int64(len(gap)), &s, endCut)
}

// cutGap returns the record that ends a cut recording, at the time of the last
// frame kept. No mark follows it, so that a repair that is cut itself starts
// again at the same place.
func cutGap(start, tail int64) []byte {
	gap := make([]byte, 1+find(ridGap).size)
	encode(gap, ridGap, &Gap{Time: tail, From: tail, To: tail, Reason: can.LostCut}, start)
	return gap
}

func (o *outline) report(s Stats, kept int64) Report {
	return Report{Orderly: o.end == endOrderly, Cut: o.end == endCut, Kept: kept, Header: o.header, Stats: s.total()}
}
