package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"canseal/can"
	"canseal/can/sim"
	"canseal/cancrypt/node"
	"canseal/cancrypt/simulate"
	"canseal/cmd/internal/appliance"
)

// demoGroup is the CANcrypt group of a demo, on a bus of its own behind the busy
// ones, and what is true about its frames.
type demoGroup struct {
	group simulate.Group
	bus   uint8
	truth []simulate.Truth
}

const demoDevices = 4

func newDemoGroup(buses int) (*demoGroup, error) {
	g, err := simulate.NewGroup(demoDevices)
	return &demoGroup{group: g, bus: uint8(buses + 1)}, err
}

// attacks begin when the group has its key, and take half of the time that is
// left.
func (g *demoGroup) attacks(length time.Duration) (list []simulate.Attack, err error) {
	rest := length - 1200*time.Millisecond
	if rest <= 0 {
		return nil, nil
	}
	for _, text := range []string{"inject@3", "replay@3", "guess@1", "tamper@1"} {
		a, err := simulate.ParseAttack(text)
		if err != nil {
			return nil, err
		}
		a.From, a.For = length-rest*4/5, rest/2
		list = append(list, a)
	}
	return list, nil
}

// source is the group's bus. Its devices do not fall silent when they are
// attacked: so the judge alone has to see it.
func (g *demoGroup) source(start int64, length time.Duration, seed uint64) (can.Source, error) {
	attacks, err := g.attacks(length)
	if err != nil {
		return nil, err
	}
	return simulate.New(simulate.Options{
		Group: g.group, Attacks: attacks, Seed: seed, Start: start, Length: length, Number: g.bus, Quiet: true,
		Truth: func(t *simulate.Truth) { g.truth = append(g.truth, *t) },
	})
}

// prepare puts the group's key into the appliance's key store.
func (g *demoGroup) prepare(stateDir string) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	slots, err := appliance.Keys(stateDir).Slots(node.Holder{}, node.FromProvisioning)
	if err != nil {
		return err
	}
	return slots.Put(g.group.KeyID, g.group.Key)
}

// write keeps the truth beside the card.
func (g *demoGroup) write(dir string) error {
	list, err := create(filepath.Join(dir, "truth.jsonl"))
	if err != nil {
		return err
	}
	for i := range g.truth {
		list.Write(append(g.truth[i].AppendJSON(nil), '\n'))
	}
	return list.Close()
}

// source is the busy buses and the group's, as one source in real time.
func (d *demo) source(g *demoGroup) (can.Source, error) {
	start := time.Now().UnixNano()
	busy := sim.Mixed(d.seed)
	busy.Rate, busy.Buses, busy.Start, busy.Duration = d.rate, d.buses, start, d.duration
	group, err := g.source(start, d.duration, d.seed)
	if err != nil {
		return nil, err
	}
	both := &merged{by: [2]stream{{source: sim.New(busy)}, {source: group}}}
	return can.NewPaced(both, can.PaceOptions{Factor: 1, Origin: start}), nil
}

// merged is two sources in the order of their stamps.
type merged struct{ by [2]stream }

// stream is a source with what was read of it and not delivered yet.
type stream struct {
	source can.Source
	held   [128]can.Event
	next   []can.Event
	err    error
}

// first returns the next event, nil at the end.
func (s *stream) first() *can.Event {
	for len(s.next) == 0 && s.err == nil {
		var n int
		n, s.err = s.source.Read(s.held[:])
		s.next = s.held[:n]
	}
	if len(s.next) == 0 {
		return nil
	}
	return &s.next[0]
}

func (m *merged) Read(buf []can.Event) (n int, err error) {
	for ; n < len(buf); n++ {
		a, b := m.by[0].first(), m.by[1].first()
		s := &m.by[0]
		if a == nil || b != nil && b.Time < a.Time {
			s, a = &m.by[1], b
		}
		if a == nil {
			break
		}
		buf[n] = *a
		s.next = s.next[1:]
	}
	if n == 0 && len(buf) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (m *merged) Close() error { return errors.Join(m.by[0].source.Close(), m.by[1].source.Close()) }

// groupReport is what became of the group in the log.
type groupReport struct {
	*simulate.Report
	Share    float64  `json:"share"`
	Problems []string `json:"problems"`
}

// judge holds the verdicts of the log against the truth. A demo that is too short
// for the group to start judges nothing, and that is no problem.
func (g *demoGroup) judge(log []simulate.Judged, length time.Duration) *groupReport {
	r := simulate.Compare(log, g.truth, time.Microsecond)
	j := &groupReport{Report: r, Share: r.Share()}
	if length >= 3*time.Second {
		j.Problems = r.Problems(0.999)
	}
	return j
}

// lines are the report's for people.
func (j *groupReport) lines(bus uint8, line func(name, format string, args ...any)) {
	if j.First < 0 {
		line("CANcrypt", "the demo was too short for the group on sim%d to start", bus-1)
		return
	}
	n := j.Listed.Sum()
	line("CANcrypt", "%9s   frames of %d devices on sim%d: %.2f %% authentic, from %.1f s on", thousands(n), demoDevices, bus-1, 100*j.Share, j.First.Seconds())
	for _, k := range simulate.KindNames() {
		if t := j.Attacks[simulate.Kind(k)]; t != nil {
			line("  attack", "%9s   %s: called %s", thousands(t.Sum()), simulate.Kinds[simulate.Kind(k)].Text, verdictCounts(t))
		}
	}
	for _, p := range j.Problems {
		line("  not good", "%s", p)
	}
}

// verdictCounts lists the verdicts of a tally, in the order of their codes.
func verdictCounts(t simulate.Tally) string {
	var parts []string
	for v := range can.Verdict(len(can.Verdicts)) {
		if t[v] > 0 {
			parts = append(parts, fmt.Sprintf("%q %d", v, t[v]))
		}
	}
	return strings.Join(parts, ", ")
}
