package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"canseal/can"
	"canseal/decode"
	"canseal/decode/input"
	"canseal/mdf"
	"canseal/mdf/buslog"
)

// summary is what a run came to.
type summary struct {
	s *settings

	Files     int            `json:"files"`
	Sessions  []sessionNotes `json:"sessions"`
	Finished  int            `json:"sessions_finished_before"` // by an earlier run: not read
	Frames    uint64         `json:"frames"`
	Written   uint64         `json:"frames_written"`         // of logs
	Timeless  uint64         `json:"frames_before_1970"`     // that a log has no room for
	Outside   uint64         `json:"items_outside_the_time"` // --from, --to
	Aside     uint64         `json:"files_outside_the_time"` // by their keys: not read
	Objects   uint64         `json:"objects_no_recordings"`  // of a bucket, by their keys
	Others    uint64         `json:"objects_of_others"`      // of a bucket: devices that are not wanted
	Decoded   uint64         `json:"frames_decoded"`
	Parts     uint64         `json:"frames_of_transport"`
	Assembled uint64         `json:"messages_assembled"`
	Lost      uint64         `json:"messages_incomplete"`
	Foreign   uint64         `json:"messages_assembled_unknown"`
	Stray     uint64         `json:"frames_of_transport_stray"`
	NotWanted uint64         `json:"frames_not_wanted"`
	Unknown   uint64         `json:"frames_unknown"`
	NoSignal  uint64         `json:"frames_without_signals"` // remote frames, error messages
	Encrypted uint64         `json:"frames_encrypted"`
	Rows      uint64         `json:"rows"`
	Signals   int            `json:"signals"` // on a page
	Outputs   int            `json:"files_written"`
	Bytes     int64          `json:"bytes_written"`

	NotAuthentic uint64 `json:"frames_not_authentic"` // left out by --authentic-only

	Gaps      uint64            `json:"gaps"`
	GapFrames uint64            `json:"frames_lost"` // that gaps tell of, at least
	Clocks    map[string]uint64 `json:"frames_by_clock"`
	Verdicts  map[string]uint64 `json:"frames_by_verdict"`
	Raw       map[string]uint64 `json:"records_not_can"`
	IDs       []unknownID       `json:"unknown_ids"`
	MoreIDs   uint64            `json:"frames_of_more_unknown_ids"`
	Dropped   []note            `json:"inputs_left_out"`
	Damaged   []note            `json:"damage"`
	Missing   []note            `json:"missing"`
	Warnings  []string          `json:"warnings"`

	verdicts [256]uint64
	ids      map[unknownKey]uint64
}

type sessionNotes struct {
	Device   string `json:"device"`
	Session  uint32 `json:"session"`
	Segments int    `json:"segments"`
	Frames   uint64 `json:"frames"`
}

type note struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

type unknownID struct {
	Bus    uint8  `json:"bus"`
	ID     string `json:"id"`
	Frames uint64 `json:"frames"`
}

type unknownKey struct {
	bus      uint8
	extended bool
	id       uint32
}

// mostIDs bounds the unknown identifiers that are counted one by one.
const mostIDs = 1 << 16

func newSummary(s *settings) *summary {
	return &summary{
		s: s, Warnings: s.warnings, Clocks: map[string]uint64{}, Verdicts: map[string]uint64{}, Raw: map[string]uint64{},
		ids: map[unknownKey]uint64{},
	}
}

// count notes what every item says.
func (s *summary) count(it *input.Item) {
	switch it.Type {
	case buslog.Frame:
		s.Frames++
		s.verdicts[it.Verdict]++
		if it.Encrypted {
			s.Encrypted++
		}
	case buslog.Side:
		if gap, is := it.Side.(mdf.Gap); is {
			s.Gaps++
			s.GapFrames += max(1, gap.Count)
		}
	}
}

// unknown notes a frame that was not decoded.
func (s *summary) unknown(it *input.Item) {
	if it.Frame.Flags&(can.Remote|can.Error) != 0 {
		s.NoSignal++
		return
	}
	s.Unknown++
	key := unknownKey{it.Bus, it.Frame.Is(can.Extended), it.Frame.ID}
	if _, known := s.ids[key]; known || len(s.ids) < mostIDs {
		s.ids[key]++
	} else {
		s.MoreIDs++
	}
}

func (s *summary) rows(b *decode.Batch) { s.Rows += uint64(b.Len()) }

func (s *summary) file(bytes int64) {
	s.Outputs++
	s.Bytes += bytes
}

// decoded adds what a decoder counted.
func (s *summary) decoded(d decode.Stats) {
	s.Decoded += d.Decoded
	s.Parts += d.Parts
	s.Assembled += d.Messages
	s.Foreign += d.Foreign
	s.Lost += d.Lost
	s.Stray += d.Stray
}

// finish collects what the inputs say once they are read.
func (s *summary) finish(in *input.Input) {
	for code, n := range s.verdicts {
		if n > 0 {
			s.Verdicts[can.Verdict(code).String()] = n
		}
	}
	for _, d := range in.Dropped {
		s.Dropped = append(s.Dropped, note{d.Name, d.Why})
	}
	for _, session := range in.Sessions {
		s.session(session)
	}
	s.missing(in)
	if s.s.trust != nil {
		s.Damaged = append(s.Damaged, s.s.trust.bad...)
	}
	for key, n := range s.ids {
		s.IDs = append(s.IDs, unknownID{key.bus, key.text(), n})
	}
	slices.SortFunc(s.IDs, func(a, b unknownID) int {
		return cmp.Or(cmp.Compare(b.Frames, a.Frames), cmp.Compare(a.Bus, b.Bus), cmp.Compare(a.ID, b.ID))
	})
}

func (k unknownKey) text() string {
	if k.extended {
		return fmt.Sprintf("%08X", k.id)
	}
	return fmt.Sprintf("%03X", k.id)
}

func (s *summary) session(session *input.Session) {
	notes := sessionNotes{Device: session.Device, Session: session.Number, Segments: len(session.Segments)}
	for _, segment := range session.Segments {
		if segment.Aside {
			s.Aside++
			continue
		}
		r := &segment.Report
		s.Files++
		s.Outside += r.Outside
		notes.Frames += r.Frames
		for clock, n := range r.Clocks {
			if n > 0 {
				s.Clocks[input.Clock(clock).String()] += n
			}
		}
		for group, n := range r.Raw {
			s.Raw[group] += n
		}
		s.damage(segment)
	}
	if !session.Aside() {
		s.Sessions = append(s.Sessions, notes)
	}
}

func (s *summary) damage(segment *input.Segment) {
	r, name := &segment.Report, segment.File.Name
	if segment.Err != nil {
		s.Damaged = append(s.Damaged, note{name, segment.Err.Error()})
	}
	if !r.Whole() {
		why := fmt.Sprintf("%d damaged parts, %d bytes, %d bad records", r.Damaged, r.Lost, r.Bad)
		if len(r.Damages) > 0 {
			why += fmt.Sprintf("; first at %d: %v", r.Damages[0].Offset, r.Damages[0].Err)
		}
		s.Damaged = append(s.Damaged, note{name, why})
	}
	if r.Late > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %d items out of order", name, r.Late))
	}
}

// missing finds holes in the numbers of sessions and splits.
func (s *summary) missing(in *input.Input) {
	var before *input.Session
	for _, session := range in.Sessions {
		if session.Number == 0 {
			continue
		}
		if before != nil && before.Device == session.Device {
			s.hole(session.Device+", session", before.Number, session.Number)
		}
		before = session
		last := uint32(0)
		for _, segment := range session.Segments {
			s.hole(fmt.Sprintf("%s, session %08d, split", session.Device, session.Number), last, segment.Split)
			last = segment.Split
		}
	}
}

// hole notes the numbers between two.
func (s *summary) hole(of string, last, next uint32) {
	switch {
	case next <= last+1:
	case next == last+2:
		s.Missing = append(s.Missing, note{fmt.Sprintf("%s %08d", of, last+1), "not among the inputs"})
	default:
		s.Missing = append(s.Missing, note{fmt.Sprintf("%ss %08d to %08d", of, last+1, next-1), "not among the inputs"})
	}
}

// verdict is the error that the run ends with.
func (s *summary) verdict() error {
	if len(s.Damaged) > 0 {
		return errDamaged
	}
	return nil
}

func (s *summary) print(w io.Writer) error {
	if s.s.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	_, err := io.WriteString(w, s.text())
	return err
}

// text is the summary for people.
func (s *summary) text() string {
	p := &page{}
	p.line("read", "%s frames of %d files, %d sessions", thousands(s.Frames), s.Files, len(s.Sessions))
	p.some(uint64(s.Finished), "finished", "sessions by an earlier run: not read again")
	p.counts("clock", s.Clocks, input.Recorded.String())
	p.counts("verdict", s.Verdicts, can.NotChecked.String())
	p.some(s.Outside, "outside", "frames and records outside --from and --to")
	p.some(s.Aside, "outside", "files outside --from and --to by their names: not read")
	p.some(s.Others, "left out", "recordings of other devices: not read")
	p.some(s.Objects, "left out", "objects that are no recordings by their names")
	p.some(s.NotAuthentic, "left out", "frames that are not authentic (--authentic-only)")
	switch {
	case s.s.plot != "":
		s.decoding(p)
		p.line("drawn", "%s rows, %d signals", thousands(s.Rows), s.Signals)
	case s.s.tables():
		s.decoding(p)
		p.line("written", "%s rows, %d files, %.1f MB below %s", thousands(s.Rows), s.Outputs, float64(s.Bytes)/1e6, s.s.output)
	default:
		p.line("written", "%s frames", thousands(s.Written))
	}
	p.some(s.Timeless, "left out", "frames before 1970, for which the format has no time")
	p.some(s.Encrypted, "encrypted", "frames with ciphertext")
	if s.Gaps > 0 {
		p.line("gaps", "%s, at least %s frames lost", thousands(s.Gaps), thousands(s.GapFrames))
	}
	p.counts("not CAN", s.Raw, "")
	p.notes("missing", s.Missing)
	p.notes("left out", s.Dropped)
	p.notes("damage", s.Damaged)
	for i, w := range s.Warnings {
		if i == mostNotes {
			p.line("warning", "and %d more", len(s.Warnings)-i)
			break
		}
		p.line("warning", "%s", w)
	}
	return p.String()
}

func (s *summary) decoding(p *page) {
	p.line("decoded", "%s frames", thousands(s.Decoded))
	p.some(s.Assembled, "assembled", fmt.Sprintf("messages of %s frames", thousands(s.Parts)))
	p.some(s.Lost, "incomplete", "messages of transport protocols")
	p.some(s.Stray, "stray", "frames of transport protocols that belong to no message")
	p.some(s.Foreign, "unknown", "assembled messages that no DBC file has")
	p.some(s.NotWanted, "not wanted", "frames left out by --messages and --signals")
	p.some(s.NoSignal, "no signals", "remote frames and error messages")
	if s.Unknown > 0 {
		p.line("unknown", "%s frames of %d identifiers that no DBC file has: %s", thousands(s.Unknown), len(s.IDs), s.firstIDs())
	}
}

// firstIDs names the unknown identifiers that most frames have.
func (s *summary) firstIDs() string {
	var all []string
	for _, id := range s.IDs[:min(len(s.IDs), 5)] {
		all = append(all, fmt.Sprintf("can%d %s (%s)", int(id.Bus)-1, id.ID, thousands(id.Frames)))
	}
	if len(s.IDs) > len(all) {
		all = append(all, "...")
	}
	return strings.Join(all, ", ")
}

// page is a text of named lines.
type page struct{ strings.Builder }

func (p *page) line(name, format string, args ...any) {
	fmt.Fprintf(p, "%-11s %s\n", name, shown(fmt.Sprintf(format, args...)))
}

func (p *page) some(n uint64, name, what string) {
	if n > 0 {
		p.line(name, "%s %s", thousands(n), what)
	}
}

// counts prints numbers by name, unless all are of the ordinary one.
func (p *page) counts(name string, counts map[string]uint64, ordinary string) {
	if _, only := counts[ordinary]; only && len(counts) == 1 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		p.line(name, "%s %s", thousands(counts[key]), key)
	}
}

// mostNotes bounds the lines about one thing; --json has all.
const mostNotes = 20

func (p *page) notes(name string, notes []note) {
	for i, n := range notes {
		if i == mostNotes {
			p.line(name, "and %d more", len(notes)-i)
			return
		}
		p.line(name, "%s: %s", n.What, n.Why)
	}
}

// thousands writes 40012 as 40,012.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// shown makes words of files and command lines fit for a terminal.
func shown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
