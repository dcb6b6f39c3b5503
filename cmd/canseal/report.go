package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"canseal/can"
	securitymode "canseal/internal/mode"
)

// report is what a demo found out.
type report struct {
	Mode     string        `json:"mode"`
	Version  string        `json:"tls_version,omitempty"`
	Suite    string        `json:"tls_suite,omitempty"`
	Duration time.Duration `json:"-"`
	Sent     int           `json:"frames_sent"`
	Got      int           `json:"frames_in_the_bucket"`
	Lost     int           `json:"frames_lost"`
	Extra    int           `json:"frames_too_many"`
	Counted  int           `json:"frames_counted_as_lost"`
	Card     string        `json:"card"`
	First    string        `json:"first_difference,omitempty"`
	Kinds    kinds         `json:"kinds"`
	Segments int           `json:"segments"`
	Bytes    int64         `json:"bytes"`
	Dir      string        `json:"dir"`
	Kept     bool          `json:"kept"`
	Group    *groupReport  `json:"cancrypt"`
	GroupBus uint8         `json:"cancrypt_bus"`
}

// kinds counts the frames sent.
type kinds struct {
	Classic int `json:"classic"`
	FD      int `json:"fd"`
	Remote  int `json:"remote"`
	Error   int `json:"error"`
}

func (k *kinds) count(f *can.Frame) {
	switch {
	case f.Is(can.Error):
		k.Error++
	case f.Is(can.Remote):
		k.Remote++
	case f.Is(can.FD):
		k.FD++
	default:
		k.Classic++
	}
}

func (r *report) ok() bool { return r.equal() && len(r.Group.Problems) == 0 }

// equal reports whether all came back as it was sent.
func (r *report) equal() bool { return r.Lost == 0 && r.Extra == 0 && r.Sent > 0 && r.Segments > 0 }

// hold compares what was sent with what came back, frame by frame in the
// order of time. A frame that differs in anything is one lost and one too many.
func (r *report) hold(sent, got []can.Event) {
	r.Got = len(got)
	for i := range sent {
		r.Kinds.count(&sent[i].Frame)
	}
	byTime(sent)
	byTime(got)
	i, j := 0, 0
	for i < len(sent) || j < len(got) {
		switch {
		case i < len(sent) && j < len(got) && same(&sent[i], &got[j]):
			i++
			j++
		case j == len(got) || i < len(sent) && sent[i].Time <= got[j].Time:
			r.Lost++
			r.differs("lost", &sent[i])
			i++
		default:
			r.Extra++
			r.differs("too many", &got[j])
			j++
		}
	}
}

func (r *report) differs(how string, e *can.Event) {
	if r.First == "" {
		r.First = fmt.Sprintf("%s: bus %d, %s", how, e.Bus, can.AppendCandump(nil, e, fmt.Sprintf("sim%d", e.Bus-1)))
	}
}

// byTime sorts; events of equal times by bus.
func byTime(events []can.Event) {
	sort.SliceStable(events, func(a, b int) bool {
		x, y := &events[a], &events[b]
		return x.Time < y.Time || x.Time == y.Time && x.Bus < y.Bus
	})
}

// same compares all that a frame is: bus, time, direction, identifier, flags,
// DLC, length and data.
func same(a, b *can.Event) bool {
	return a.Bus == b.Bus && a.Time == b.Time && a.Dir == b.Dir && a.Frame == b.Frame
}

func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := io.WriteString(w, r.text())
	return err
}

func (r *report) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-16s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("frames sent", "%9s   %s classic, %s FD, %d remote, %d error", thousands(r.Sent),
		thousands(r.Kinds.Classic), thousands(r.Kinds.FD), r.Kinds.Remote, r.Kinds.Error)
	line("in the bucket", "%9s   in %d segments, %.1f MB", thousands(r.Got), r.Segments, float64(r.Bytes)/1e6)
	if r.equal() {
		line("lost", "%9s   bus, time, identifier, flags, length and data of every frame are equal", "0")
	} else {
		line("lost", "%9s   and %s that were never sent", thousands(r.Lost), thousands(r.Extra))
		line("of these counted", "%9s   in the log, as gaps; card: %s", thousands(r.Counted), r.Card)
		line("first", "%s", r.First)
	}
	fmt.Fprintln(&b)
	r.Group.lines(r.GroupBus, line)
	fmt.Fprintln(&b)
	line("mode", "%s", r.security())
	r.where(&b, line)
	return b.String()
}

func (r *report) security() string {
	if r.Suite == "" {
		return r.Mode + ": http, every request and every 64 KiB signed; anyone on the way can read, and forge the answers"
	}
	device := ""
	if row, _ := securitymode.Of(r.Mode); row.Device {
		device = ", the device by its certificate device.crt"
	}
	return fmt.Sprintf("%s: %s, %s, the store verified against certs_server.p7b%s", r.Mode, r.Version, r.Suite, device)
}

func (r *report) where(b *strings.Builder, line func(name, format string, args ...any)) {
	if !r.Kept && r.ok() {
		line("files", "removed; --keep or --dir keeps them")
		line("next", "canseal demo --keep, then look around; docs/operations.md puts it on a real bus")
		return
	}
	line("card", "%s", filepath.Join(r.Dir, "card"))
	line("bucket", "%s", filepath.Join(r.Dir, "bucket"))
	line("next", "canseal verify %s", filepath.Join(r.Dir, "card"))
	fmt.Fprintf(b, "  %-16s canseal segments list --root %s\n", "", filepath.Join(r.Dir, "card"))
}

// thousands writes 40012 as 40,012.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
