package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"canseal/can"
	"canseal/cancrypt/simulate"
	"canseal/cmd/internal/appliance"
	"canseal/mdf"
)

// slack is how far the clocks of a logger and of a simulator are apart: they
// take the same stamps on one machine.
const slack = 20 * time.Millisecond

// judge holds logs against truth lists.
func (s *simulation) judge(w io.Writer, logs []string) error {
	if len(logs) == 0 || s.truth == "" {
		return appliance.Usage(errors.New("--check wants --truth and the segments of a logger"))
	}
	var truth []simulate.Truth
	for _, name := range strings.Split(s.truth, ",") {
		list, err := readTruth(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		truth = append(truth, list...)
	}
	judged, err := readVerdicts(logs, s.bus)
	if err != nil {
		return err
	}
	r := simulate.Compare(judged, truth, slack)
	problems := r.Problems(s.share)
	if s.json {
		err = printJSON(w, checked{r, r.Share(), problems})
	} else {
		r.Text(w)
		for _, p := range problems {
			fmt.Fprintln(w, "  not good:", p)
		}
	}
	if len(problems) > 0 {
		return errReported
	}
	return err
}

// checked is the JSON form of a comparison.
type checked struct {
	*simulate.Report
	Share    float64  `json:"share"`
	Problems []string `json:"problems"`
}

func readTruth(name string) ([]simulate.Truth, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return simulate.ReadTruth(f)
}

// verdictLog is the frames of a session with the verdicts that they have in the
// end.
type verdictLog struct {
	bus    uint8
	frames []simulate.Judged
	open   map[identity][]int // pending or vouched frames, in order
	sender map[identity]uint8 // of heartbeat-only identifiers
}

type identity struct {
	id       uint32
	extended bool
	bus      uint8
}

// newVerdictLog takes the frames of one bus; 0: of all.
func newVerdictLog(bus uint8) *verdictLog {
	return &verdictLog{bus: bus, open: map[identity][]int{}, sender: map[identity]uint8{}}
}

// readVerdicts reads segments of one session, in the order given.
func readVerdicts(names []string, bus uint8) ([]simulate.Judged, error) {
	l := newVerdictLog(bus)
	for _, name := range names {
		if err := l.read(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return l.frames, nil
}

func (l *verdictLog) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := mdf.Open(f, info.Size())
	if err != nil {
		return err
	}
	for record, err := range r.Records() {
		if err != nil {
			return err
		}
		l.take(record)
	}
	return nil
}

func (l *verdictLog) take(record mdf.Record) {
	switch v := record.(type) {
	case *mdf.Frame:
		if l.bus != 0 && v.Bus != l.bus {
			return
		}
		if v.Verdict == can.Pending || v.Verdict == can.Vouched {
			of := identity{v.Frame.ID, v.Frame.Is(can.Extended), v.Bus}
			l.open[of] = append(l.open[of], len(l.frames))
		}
		l.frames = append(l.frames, simulate.Judged{Time: v.Time, Frame: v.Frame, Verdict: v.Verdict})
	case mdf.Sender:
		if v.HeartbeatOnly {
			l.sender[identity{v.ID, v.Extended, v.Bus}] = v.Sender
		}
	case mdf.VerdictChange:
		if v.Scope != mdf.ScopeSender {
			l.settle(identity{v.ID, v.Extended, v.Bus}, &v)
			return
		}
		for of, a := range l.sender {
			if a == v.Sender && of.bus == v.Bus {
				l.settle(of, &v)
			}
		}
	}
}

// settle applies a late verdict to the frames of an identifier (docs/formats.md
// C2): a pending one gets any, a vouched one only "vouched twice".
func (l *verdictLog) settle(of identity, v *mdf.VerdictChange) {
	kept := l.open[of][:0]
	for _, n := range l.open[of] {
		j := &l.frames[n]
		if j.Time >= v.From && j.Time <= v.To && (j.Verdict == can.Pending || v.Verdict == can.VouchedTwice) {
			j.Verdict = v.Verdict
		}
		if j.Verdict == can.Pending || j.Verdict == can.Vouched {
			kept = append(kept, n)
		}
	}
	l.open[of] = kept
}
