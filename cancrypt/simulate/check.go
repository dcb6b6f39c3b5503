package simulate

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"canseal/can"
)

// Judged is a frame of a log with the verdict that it has in the end.
type Judged struct {
	Time    int64 // ns since 1970 UTC
	Frame   can.Frame
	Verdict can.Verdict
}

// Tally counts verdicts.
type Tally map[can.Verdict]int

// Sum counts all.
func (t Tally) Sum() (n int) {
	for _, k := range t {
		n += k
	}
	return n
}

// Of counts some.
func (t Tally) Of(list ...can.Verdict) (n int) {
	for _, v := range list {
		n += t[v]
	}
	return n
}

// Report is what the comparison of a log with the truth found.
type Report struct {
	Frames  int `json:"frames"`  // of the log that the truth knows
	Strange int `json:"strange"` // of the log that it does not
	Missing int `json:"missing"` // of the truth, after the log's first frame, that the log lacks

	First time.Duration `json:"first_verdict_ns"` // from the log's first frame to its first verdict on a key; negative: none

	Before    Tally `json:"before"`    // honest listed frames before that
	Listed    Tally `json:"listed"`    // honest listed frames after it, of devices in the group
	Disturbed Tally `json:"disturbed"` // the same, of sequences that an attack fell into, or that broke off for 10 ms
	Silent    Tally `json:"silent"`    // the same, of devices that keep silent or are joining
	Beats     Tally `json:"beats"`     // honest heartbeats after it
	Vouched   Tally `json:"vouched"`   // honest heartbeat-only frames after it
	Others    Tally `json:"others"`    // other honest frames after it

	Attacks map[Kind]Tally `json:"attacks"` // after it

	disturbed map[*Truth]bool
}

// Share returns the share of authentic ones among honest listed frames, 0-1.
func (r *Report) Share() float64 {
	return float64(r.Listed.Of(can.Authentic, can.ChecksumOK, can.AuthenticUnderGuessing)) / float64(max(1, r.Listed.Sum()))
}

// Compare holds a log's verdicts against the truth. Frames are the same when all
// their bytes are and their times differ by less than slack, the nearest one
// first; lists need no order.
func Compare(log []Judged, truth []Truth, slack time.Duration) *Report {
	r := &Report{
		First: -1, Before: Tally{}, Listed: Tally{}, Disturbed: Tally{}, Silent: Tally{}, Beats: Tally{}, Vouched: Tally{}, Others: Tally{},
		Attacks: map[Kind]Tally{},
	}
	log, truth = slices.Clone(log), slices.Clone(truth)
	slices.SortStableFunc(log, func(a, b Judged) int { return cmp.Compare(a.Time, b.Time) })
	slices.SortStableFunc(truth, func(a, b Truth) int { return cmp.Compare(a.Time, b.Time) })
	from := r.begin(log)
	known := index(truth)
	r.disturbed = disturbed(truth)
	for i := range log {
		t := known.take(&log[i], int64(slack))
		if t == nil {
			r.Strange++
			continue
		}
		r.Frames++
		r.count(t, &log[i], from)
	}
	if len(log) > 0 {
		r.Missing = known.left(log[0].Time+int64(slack), log[len(log)-1].Time-int64(slack))
	}
	return r
}

// begin finds the first frame whose verdict needs a key, and returns its time.
func (r *Report) begin(log []Judged) int64 {
	for i := range log {
		switch log[i].Verdict {
		case can.Authentic, can.ChecksumOK, can.HeartbeatOK, can.AuthenticUnderGuessing, can.Vouched, can.VouchedTwice:
			r.First = time.Duration(log[i].Time - log[0].Time)
			return log[i].Time
		}
	}
	return never
}

func (r *Report) count(t *Truth, j *Judged, from int64) {
	to := r.Others
	switch {
	case t.Kind != Honest && j.Time >= from:
		if to = r.Attacks[t.Kind]; to == nil {
			to = Tally{}
			r.Attacks[t.Kind] = to
		}
	case t.Kind != Honest:
		return
	case j.Time < from && (t.What == Data || t.What == Preamble):
		to = r.Before
	case j.Time < from:
		return
	case t.What == Data || t.What == Preamble:
		switch to = r.Listed; {
		case t.State != Grouped:
			to = r.Silent
		case r.disturbed[t]:
			to = r.Disturbed
		}
	case t.What == Heartbeat:
		to = r.Beats
	case t.What == Unsecured:
		to = r.Vouched
	}
	to[j.Verdict]++
}

// Grouped is the state of a device that sends secured messages as a member.
const Grouped = "grouped"

// known is the truth by frame.
type known map[can.Frame]*entries

type entries struct {
	list []*Truth // by time
	next int      // those before are taken or too old
}

func index(truth []Truth) known {
	k := known{}
	for i := range truth {
		e := k[truth[i].Frame]
		if e == nil {
			e = &entries{}
			k[truth[i].Frame] = e
		}
		e.list = append(e.list, &truth[i])
	}
	return k
}

// take finds the truth of a frame of the log, which come by time, and uses it up.
func (k known) take(j *Judged, slack int64) *Truth {
	e := k[j.Frame]
	if e == nil {
		return nil
	}
	best, distance := -1, slack
	for i := e.next; i < len(e.list) && e.list[i].Time <= j.Time+slack; i++ {
		if d := max(e.list[i].Time-j.Time, j.Time-e.list[i].Time); d < distance {
			best, distance = i, d
		}
	}
	if best < 0 {
		return nil
	}
	e.next = best + 1
	return e.list[best]
}

// left counts what was not taken between two times.
func (k known) left(from, to int64) (n int) {
	for _, e := range k {
		for _, t := range e.list[e.next:] {
			if t.Time >= from && t.Time <= to {
				n++
			}
		}
	}
	return n
}

// Problems are what must not be: an attack that passed, one whose frames are
// not seen for what they are, honest frames below a share.
func (r *Report) Problems(share float64) (problems []string) {
	if r.Frames == 0 || r.Listed.Sum() == 0 {
		return []string{"no honest listed frame was judged"}
	}
	if s := r.Share(); s < share {
		problems = append(problems, fmt.Sprintf("%.3f %% of the honest listed frames are authentic, wanted %.3f %%", 100*s, 100*share))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Attacks)) {
		t := r.Attacks[k]
		if n := t.Of(can.Authentic, can.ChecksumOK, can.Vouched, can.VouchedTwice, can.AuthenticUnderGuessing); n > 0 {
			problems = append(problems, fmt.Sprintf("%d frames of %s passed", n, k))
		}
		if own := t.Of(Kinds[k].Own...); 2*own < t.Sum() {
			problems = append(problems, fmt.Sprintf("%d of %d frames of %s are called %s", own, t.Sum(), k, names(Kinds[k].Own)))
		}
	}
	return problems
}

func names(list []can.Verdict) string {
	var s []string
	for _, v := range list {
		s = append(s, fmt.Sprintf("%q", v))
	}
	return strings.Join(s, " or ")
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) {
	fmt.Fprintf(w, "  frames known %d, not known %d, missing in the log %d\n", r.Frames, r.Strange, r.Missing)
	if r.First >= 0 {
		fmt.Fprintf(w, "  first verdict after %.3f s\n", r.First.Seconds())
	}
	for _, part := range []struct {
		name string
		t    Tally
	}{
		{"honest, listed", r.Listed}, {"honest, disturbed", r.Disturbed}, {"honest, heartbeats", r.Beats}, {"honest, heartbeat-only", r.Vouched}, {"honest, others", r.Others},
		{"honest, of silent devices", r.Silent}, {"honest, before that", r.Before},
	} {
		line(w, part.name, part.t)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Attacks)) {
		line(w, "attack "+string(k), r.Attacks[k])
	}
}

func line(w io.Writer, name string, t Tally) {
	if len(t) == 0 {
		return
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(t)) {
		parts = append(parts, fmt.Sprintf("%s %d", v, t[v]))
	}
	fmt.Fprintf(w, "  %-26s %8d   %s\n", name, t.Sum(), strings.Join(parts, ", "))
}
