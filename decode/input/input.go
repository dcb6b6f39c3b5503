package input

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"canseal/mdf"
	"canseal/mdf/buslog"
)

// Input is recordings, put together as sessions. One goroutine uses it.
type Input struct {
	Sessions []*Session // by device and number; files that belong nowhere come last
	Dropped  []Skipped  // files that were left out: copies, devices that are not wanted

	o     Options
	boots map[string]*boot // by device and boot
	open  *reader          // the one opened last
	once  []*reader        // what can be read only once
}

// Session is one run of a recorder: its segments in order.
type Session struct {
	Device   string // empty: unknown
	Number   uint32 // 0: unknown
	Segments []*Segment

	in       *Input
	place    int // in Input.Sessions
	surveyed bool
	changes  changes
}

// New sorts files into sessions. Only files whose path does not say what they
// are get opened. Errors of single files are theirs (Segment.Err).
func New(files []File, o Options) *Input {
	in := &Input{o: o, boots: map[string]*boot{}}
	var all []*Segment
	for _, file := range files {
		s := &Segment{File: file, Aside: in.aside(file)}
		if in.identify(s); !in.wanted(s) {
			in.drop(s, "not of a device that is wanted")
			continue
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b *Segment) int {
		if loose := a.Device == ""; loose != (b.Device == "") {
			if loose {
				return 1
			}
			return -1
		}
		return compareSegments(a, b)
	})
	for _, s := range all {
		in.place(s)
	}
	return in
}

// identify finds out device, session and split.
func (in *Input) identify(s *Segment) {
	if k, ok := parseKey(s.File.Name); ok {
		s.Device, s.Session, s.Split, s.inTree = k.device, k.session, k.split, true
		return
	}
	r, err := in.read(s)
	if err != nil {
		s.Err = err
		return
	}
	if h := r.header(); h.Device != "" && h.Session != 0 {
		s.Device, s.Session, s.Split = strings.ToUpper(h.Device), h.Session, h.Split
	}
}

func (in *Input) wanted(s *Segment) bool {
	return len(in.o.Devices) == 0 || slices.ContainsFunc(in.o.Devices, func(d string) bool { return strings.EqualFold(d, s.Device) })
}

func (in *Input) drop(s *Segment, why string) {
	in.Dropped = append(in.Dropped, Skipped{s.File.Name, why})
}

// place puts the next segment into its session.
func (in *Input) place(s *Segment) {
	if in.o.Keep != nil {
		if why, keep := in.o.Keep(s); !keep {
			in.drop(s, why)
			return
		}
	}
	if n := len(in.Sessions); n > 0 {
		last := in.Sessions[n-1]
		before := last.Segments[len(last.Segments)-1]
		if s.same(before) {
			in.drop(s, "the same segment as "+before.File.Name)
			return
		}
		if s.joined(before) {
			last.Segments = append(last.Segments, s)
			return
		}
	}
	in.Sessions = append(in.Sessions, &Session{
		Device: s.Device, Number: s.Session, Segments: []*Segment{s}, in: in, place: len(in.Sessions),
	})
}

// Close gives back what is open.
func (in *Input) Close() error {
	err := in.shut()
	for _, r := range in.once {
		err = errors.Join(err, r.close())
	}
	in.once = nil
	return err
}

// shut closes what can be opened again.
func (in *Input) shut() error {
	if in.open == nil {
		return nil
	}
	r := in.open
	in.open = nil
	return r.close()
}

// survey walks through the segments of a session once, for clocks and verdicts.
func (s *Session) survey() {
	if s.surveyed {
		return
	}
	s.surveyed = true
	for i, segment := range s.Segments {
		if segment.Err == nil && (!segment.Aside || s.next(i)) {
			segment.Err = s.surveyOne(segment)
		}
	}
	s.dateBy(s)
}

func (s *Session) surveyOne(segment *Segment) error {
	r, err := s.in.read(segment)
	if err != nil {
		return err
	}
	if r.log == nil {
		return nil
	}
	segment.boot = r.header().BootID
	b := s.in.boot(s, segment)
	segment.survey, err = r.log.Survey(func(rec mdf.Record) {
		switch rec := rec.(type) {
		case mdf.Clock:
			segment.clocks = b.add(segment.clocks, rec)
		case mdf.VerdictChange:
			s.changes.add(rec)
		}
	})
	segment.known = err == nil
	slices.SortStableFunc(segment.clocks, byTime)
	return err
}

// neighbours surveys the sessions beside this one that ran in the same boot:
// their anchors may be good ones.
func (s *Session) neighbours() {
	s.survey()
	for _, step := range []int{-1, 1} {
		for i := s.place + step; i >= 0 && i < len(s.in.Sessions); i += step {
			other := s.in.Sessions[i]
			if other.Device == "" || other.Device != s.Device || other.Aside() && !s.undated() || !other.sharesBoot(s) {
				break
			}
			other.survey()
			s.dateBy(other)
		}
	}
}

// sharesBoot tells whether a session ran, at its begin, in a boot of another.
func (s *Session) sharesBoot(other *Session) bool {
	first := s.Segments[0]
	if !s.surveyed && first.boot == "" && first.Err == nil {
		if r, err := s.in.read(first); err == nil {
			first.boot = r.header().BootID
		}
	}
	return slices.ContainsFunc(other.Segments, func(t *Segment) bool { return t.boot != "" && t.boot == first.boot })
}

var errNoRecording = errors.New("neither MDF 4, nor a container of one, nor a candump log")

// reader is an open segment.
type reader struct {
	segment *Segment
	closers []io.Closer
	log     *buslog.File
	text    io.Reader // candump
}

func (r *reader) close() (err error) {
	for _, c := range r.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

func (r *reader) header() buslog.Header {
	if r.log == nil {
		return buslog.Header{}
	}
	return r.log.Header()
}

func wrap(s *Segment, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s: %w", s.File.Name, err)
}
