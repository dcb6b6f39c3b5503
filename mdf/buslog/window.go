package buslog

import (
	"cmp"
	"io"
	"slices"
)

const (
	recordCost   = 64   // bytes of a record in the window beside its own
	leastBatch   = 2048 // records
	defaultRoom  = 32 << 20
	shiftsPerRow = 16 // of an insertion sort, before another one is better
)

// window puts records in order that step back in time by at most span. It
// takes them in batches: what is older than the newest record by span or more
// is in its place after sorting.
type window struct {
	p       *pass
	span    int64
	room    int // bytes of records kept from batch to batch
	late    *uint64
	held    []record
	ready   int // held[:ready] are to be handed out
	out     int // of those, how many were
	newest  int64
	emitted int64 // time of the last handed out
	over    bool
}

func (f *File) window(p *pass, span int64) *window {
	return &window{p: p, span: span, room: f.room, late: &p.report.Late, newest: -timeLimit, emitted: -timeLimit}
}

// next returns the next record, valid until the call after; io.EOF at the end.
func (w *window) next() (*record, error) {
	for w.out == w.ready {
		if w.over && len(w.held) == w.out {
			return nil, io.EOF
		}
		w.load()
	}
	r := &w.held[w.out]
	w.out++
	if r.time < w.emitted {
		*w.late++
	} else {
		w.emitted = r.time
	}
	return r, nil
}

// load takes the next batch, at least as many as are kept, sorts, and decides
// what is in its place.
func (w *window) load() {
	kept := copy(w.held, w.held[w.ready:])
	w.held, w.out, w.ready = w.held[:kept], 0, 0
	for i := range w.held {
		w.held[i].keep()
	}
	w.p.recycle()
	w.take(kept + max(leastBatch, kept))
	sortRecords(w.held)
	w.ready = len(w.held)
	if !w.over {
		w.ready, _ = slices.BinarySearchFunc(w.held, w.newest-w.span, func(r record, t int64) int { return cmp.Compare(r.time, t) })
		w.spill()
	}
}

// take reads records until so many are held, or enough bytes of new ones.
func (w *window) take(goal int) {
	w.held = slices.Grow(w.held, goal-len(w.held))
	for bytes := 0; len(w.held) < goal && bytes < w.room && !w.over; {
		from := len(w.held)
		n := w.p.next(w.held[from:min(goal, from+256)])
		w.held = w.held[:from+n]
		for i := from; i < len(w.held); i++ {
			w.newest = max(w.newest, w.held[i].time)
			bytes += recordCost + len(w.held[i].data)
		}
		w.over = n == 0
	}
}

// spill hands out more where too much would be kept.
func (w *window) spill() {
	left := 0
	for i := len(w.held) - 1; i >= w.ready; i-- {
		if left += recordCost + len(w.held[i].data); left > w.room {
			w.ready = i + 1
			return
		}
	}
}

func compare(a, b record) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	return cmp.Compare(a.g.rank, b.g.rank)
}

// sortRecords sorts by time and rank; what is equal keeps its order. Records
// are nearly in order as a rule: then insertion is best.
func sortRecords(all []record) {
	shifts := 0
	for i := 1; i < len(all); i++ {
		if !less(&all[i], &all[i-1]) {
			continue
		}
		r, j := all[i], i
		for ; j > 0 && less(&r, &all[j-1]); j-- {
			all[j] = all[j-1]
		}
		all[j] = r
		if shifts += i - j; shifts > shiftsPerRow*len(all) {
			slices.SortStableFunc(all, compare)
			return
		}
	}
}

func less(a, b *record) bool {
	return a.time < b.time || a.time == b.time && a.g.rank < b.g.rank
}
