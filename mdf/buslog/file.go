package buslog

import (
	"fmt"
	"io"
	"iter"
	"slices"

	"canseal/can"
	"canseal/mdf"
)

// Options say how a file is read.
type Options struct {
	// Window is how many bytes of records may be held to put them in order; 0:
	// 32 MiB.
	Window int
}

// File is an MDF 4 file with the frames of a bus. One goroutine uses it.
type File struct {
	*source
	header  Header
	flags   uint16 // of what is not finalised
	end     int64  // of the records: less than size where what follows may be anything
	groups  []*dataGroup
	wrong   []Damage // of the metadata
	handled bool     // another program saved it since it was made
	chunk   int
	room    int
	survey  *Survey
}

// Open reads the head of a file of size bytes. A damaged group is no error: it
// is in the Report of Items. Of a file of ours that is not finished, what is
// read ends with its last right mark.
func Open(r io.ReaderAt, size int64, o Options) (*File, error) {
	f := &File{source: &source{r: r, size: size}, end: size, room: o.Window}
	if f.room <= 0 {
		f.room = defaultRoom
	}
	if err := f.identification(); err != nil {
		return nil, err
	}
	first, err := f.head()
	if err != nil {
		return nil, err
	}
	if err := f.layout(first); err != nil {
		return nil, err
	}
	flows := 0
	for _, d := range f.groups {
		flows += d.flows()
	}
	f.chunk = max(int(min(maxChunks/int64(max(flows, 1)), chunkSize, size))&^7, 2*maxRecord)
	f.header.Sorted = f.header.Ours && len(f.groups) > 1 && !f.handled
	return f, f.trust()
}

// maxChunks bounds the memory for reading of all groups together; each has
// two chunks of the least size at least.
const maxChunks = 32 << 20

// flows is how many chunks the stream of a data group holds.
func (d *dataGroup) flows() int {
	if d.data == 0 {
		return 0
	}
	if d.ridLen == 0 && len(d.groups) > 0 && d.groups[0].frame.payloads.kind == inBlock {
		return 2
	}
	return 1
}

// trust finds the end of what can be trusted in a file of ours that is not
// finished: behind its last right mark old clusters may hold old records.
func (f *File) trust() error {
	if !f.header.Ours || f.header.Finalised {
		return nil
	}
	ours, err := mdf.Open(f.r, f.size)
	if err != nil {
		f.wrong = append(f.wrong, Damage{Err: fmt.Errorf("the end of what was written cannot be found: %w", err)})
		return nil
	}
	f.end = ours.Kept()
	return nil
}

// openEnd tells whether a DT with so many bytes is one whose length was never
// written.
func (f *File) openEnd(length int64) bool {
	return length == 0 && !f.header.Finalised && f.flags&lastLengthOpen != 0
}

// Header returns what the file says of itself.
func (f *File) Header() Header { return f.header }

// Survey is what a walk through the whole file found before it is read.
type Survey struct {
	Back        int64  // ns: how far a record steps back behind one before it, at most
	Records     uint64 // that were seen; of a sorted file of ours only the side records
	First, Last int64  // ns since 1970 UTC: none of them lies outside
}

// Survey walks through the file, and hands its side records to side, which may
// be nil, in no certain order. Of a sorted file of ours it reads these alone.
func (f *File) Survey(side func(mdf.Record)) (Survey, error) {
	var report Report // the same damage will be found again
	found := Survey{}
	p := f.begin(&report, func(d *dataGroup) bool { return !f.header.Sorted || d.aside() })
	newest, oldest := int64(-timeLimit), int64(timeLimit)
	for some := make([]record, ahead); ; p.recycle() {
		n := p.next(some)
		if n == 0 {
			break
		}
		for i := range some[:n] {
			r := &some[i]
			oldest = min(oldest, r.time)
			if r.time < newest {
				found.Back = max(found.Back, newest-r.time)
			} else {
				newest = r.time
			}
			if r.g.stage == stageSide && side != nil {
				f.tell(r, side)
			}
		}
		if len(p.streams) == 1 && p.streams[0].head == len(p.streams[0].queue) {
			found.Records += p.streams[0].skim(&newest, &found.Back)
		}
		found.Records += uint64(n)
	}
	if f.header.Sorted {
		found.Back = 0
	}
	if found.Records > 0 { // what steps back is no older than the newest before it by more than Back
		found.First, found.Last = f.header.Start+min(oldest, newest)-found.Back, f.header.Start+newest
	}
	f.survey = &found
	return found, nil
}

// Surveyed spares Items a walk through the file that was done before.
func (f *File) Surveyed(s Survey) { f.survey = &s }

// tell hands a side record out.
func (f *File) tell(r *record, side func(mdf.Record)) {
	if rec, err := mdf.ReadSide(r.g.name, r.data[:r.g.size], f.header.Start); err == nil && rec != nil {
		side(rec)
	}
}

func (d *dataGroup) aside() bool {
	return slices.ContainsFunc(d.groups, func(g *group) bool { return g.stage == stageSide })
}

// Items yields what the file holds, by time, and counts it in report. An error
// ends it.
func (f *File) Items(report *Report) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		if f.survey == nil {
			if _, err := f.Survey(nil); err != nil {
				yield(nil, err)
				return
			}
		}
		for _, d := range f.wrong {
			report.damage(d)
		}
		p := f.begin(report, func(*dataGroup) bool { return true })
		w := f.window(p, f.survey.Back)
		var it Item
		it.Event = can.Event{Kind: can.KindFrame}
		for {
			r, err := w.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if f.item(&it, r, report) && !yield(&it, nil) {
				return
			}
		}
	}
}

// item makes an item of a record; false if it is none.
func (f *File) item(it *Item, r *record, report *Report) bool {
	it.Time = f.header.Start + r.time
	switch r.g.stage {
	case stageSide:
		return f.side(it, r, report)
	case stageRaw:
		it.Type, it.Side, it.Group, it.Data = Raw, nil, r.g.name, r.data[:r.g.size]
		report.raw(r.g.name)
		return true
	}
	if !r.g.frame.take(it, r.g.stage, r.data, r.payload()) {
		report.bad(r.g.at, corrupt(r.g.at, "a frame", "a record of %s that cannot be one: % x", r.g.name, r.data[:r.g.size]))
		return false
	}
	it.Type, it.Side, it.Data = Frame, nil, nil
	report.Frames++
	return true
}

func (f *File) side(it *Item, r *record, report *Report) bool {
	rec, err := mdf.ReadSide(r.g.name, r.data[:r.g.size], f.header.Start)
	if err != nil {
		report.bad(r.g.at, err)
		return false
	}
	if rec == nil {
		return false
	}
	it.Type, it.Side, it.Data = Side, rec, nil
	report.Side++
	return true
}

func (r *Report) raw(group string) {
	if r.Raw == nil {
		r.Raw = map[string]uint64{}
	}
	r.Raw[group]++
}
