package input

import "slices"

// aside tells whether nothing of a file is wanted, as far as can be told
// without opening it.
func (in *Input) aside(f File) bool {
	return !in.o.To.IsZero() && !f.Start.IsZero() && !f.Start.Before(in.o.To) ||
		!in.o.From.IsZero() && !f.End.IsZero() && f.End.Before(in.o.From)
}

// Aside tells whether nothing of the session is wanted: Items then yields
// nothing, and reads nothing.
func (s *Session) Aside() bool {
	return !slices.ContainsFunc(s.Segments, func(t *Segment) bool { return !t.Aside })
}

// next tells whether segment i follows one that is wanted: it may settle
// verdicts of that one.
func (s *Session) next(i int) bool { return i > 0 && !s.Segments[i-1].Aside }

// dateBy looks for good clock anchors in segments of a session that are not
// wanted, as long as some that are wanted have none: first in those behind
// them, because clocks are set rather than lost.
func (s *Session) dateBy(other *Session) {
	first := max(0, slices.IndexFunc(other.Segments, func(t *Segment) bool { return !t.Aside }))
	for _, segment := range slices.Concat(other.Segments[first:], other.Segments[:first]) {
		if !s.undated() {
			return
		}
		if segment.Aside && segment.Err == nil && !segment.known {
			segment.Err = other.surveyOne(segment)
		}
	}
}

// undated tells whether a segment that is wanted has no good anchor of its boot
// so far.
func (s *Session) undated() bool {
	return slices.ContainsFunc(s.Segments, func(t *Segment) bool {
		return !t.Aside && t.known && t.Header.Ours && len(s.in.boot(s, t).good) == 0
	})
}

// Place is what the path of a recording says, as the card and the bucket have
// it: DEVICE/SESSION/SPLIT.
type Place struct {
	Device         string // 8 hex digits, upper case
	Session, Split uint32
}

// PlaceOf reads a path; false: it is not of that form.
func PlaceOf(path string) (Place, bool) {
	k, ok := parseKey(path)
	return Place{k.device, k.session, k.split}, ok
}

// IsRecording tells whether a file is named like a recording.
func IsRecording(name string) bool { return recording(name) }
