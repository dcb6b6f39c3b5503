package input

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"time"

	"canseal/mdf"
	"canseal/mdf/buslog"
)

// Items yields what the session holds, segment after segment, each by recorded
// time. The segment's Report and Err are filled then; an error of one costs the
// rest of that segment.
func (s *Session) Items() iter.Seq[*Item] {
	return func(yield func(*Item) bool) {
		if s.Aside() {
			return
		}
		s.neighbours()
		s.changes.rewind()
		for _, segment := range s.Segments {
			if segment.Err == nil && !segment.Aside && !s.segment(segment, yield) {
				return
			}
		}
	}
}

// span is the items that are wanted.
type span struct {
	from, to       int64
	hasFrom, hasTo bool
}

func newSpan(from, to time.Time) span {
	return span{from.UnixNano(), to.UnixNano(), !from.IsZero(), !to.IsZero()}
}

func (s *span) holds(t int64) bool {
	return !(s.hasFrom && t < s.from || s.hasTo && t >= s.to)
}

// segment yields the items of one segment; false if the caller has enough.
func (s *Session) segment(segment *Segment, yield func(*Item) bool) bool {
	r, err := s.in.read(segment)
	if err != nil {
		segment.Err = err
		return true
	}
	segment.Report = Report{}
	out := Item{Segment: segment}
	wanted := newSpan(s.in.o.From, s.in.o.To)
	d := dates{ours: segment.Header.Ours, clocks: segment.clocks, boot: s.in.boot(s, segment)}
	if d.outside(segment, &wanted) {
		segment.Report.Outside = segment.survey.Records
		return true
	}
	for it, err := range s.items(r) {
		if err != nil {
			segment.Err = wrap(segment, err)
			return true
		}
		if s.finish(&out, it, &d); !wanted.holds(it.Time) {
			segment.Report.Outside++
			continue
		}
		if it.Type == buslog.Frame {
			segment.Report.Clocks[out.Clock]++
		}
		if !yield(&out) {
			return false
		}
	}
	return true
}

// outside tells whether nothing of a segment is wanted, as far as its survey
// can tell.
func (d *dates) outside(s *Segment, wanted *span) bool {
	v := s.survey
	if !s.known || v.Records == 0 || s.Header.Sorted {
		return false
	}
	first, _ := d.at(v.First)
	last, _ := d.at(v.Last)
	return first == last && (wanted.hasTo && v.First+first >= wanted.to || wanted.hasFrom && v.Last+last < wanted.from)
}

// finish corrects the times of an item and settles its verdict.
func (s *Session) finish(out *Item, it *buslog.Item, d *dates) {
	out.Item = it
	out.Shift, out.Clock = d.at(it.Time)
	switch it.Type {
	case buslog.Frame:
		if s.changes.settle(&it.Event) {
			out.Segment.Report.Settled++
		}
	case buslog.Side:
		if sender, is := it.Side.(mdf.Sender); is {
			s.changes.sender(sender)
		}
		it.Side = d.side(it.Side)
	}
	it.Time += out.Shift
}

// side corrects the times of a side record.
func (d *dates) side(rec mdf.Record) mdf.Record {
	fix := func(t *int64) {
		shift, _ := d.at(*t)
		*t += shift
	}
	switch r := rec.(type) {
	case mdf.Gap:
		fix(&r.From)
		fix(&r.To)
		fix(&r.Time)
		return r
	case mdf.VerdictChange:
		fix(&r.From)
		fix(&r.To)
		fix(&r.Time)
		return r
	case mdf.State:
		fix(&r.Time)
		return r
	case mdf.Security:
		fix(&r.Time)
		return r
	case mdf.Sender:
		fix(&r.Time)
		return r
	case mdf.Plain:
		fix(&r.Time)
		return r
	case mdf.Clock:
		fix(&r.Time)
		return r
	}
	return rec
}

// items yields the items of an open segment as they were recorded.
func (s *Session) items(r *reader) iter.Seq2[*buslog.Item, error] {
	report := &r.segment.Report.Report
	if r.log != nil {
		if r.segment.known {
			r.log.Surveyed(r.segment.survey)
		}
		return r.log.Items(report)
	}
	c := &candump{lines: bufio.NewReaderSize(r.text, maxLine), buses: newBuses(s.in.o.Buses), report: report}
	return func(yield func(*buslog.Item, error) bool) {
		for {
			it, err := c.next()
			if errors.Is(err, io.EOF) || !yield(it, err) || err != nil {
				return
			}
		}
	}
}
