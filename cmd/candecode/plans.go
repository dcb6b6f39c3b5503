package main

import (
	"path"

	"canseal/decode"
	"canseal/decode/dbc"
)

// plans are the messages of one device.
type plans struct {
	wanted *decode.Plan
	all    *decode.Plan // nil: all are wanted
}

// planner makes the plans of devices.
type planner struct {
	s        *settings
	byDevice map[string]*plans
}

func newPlanner(s *settings) planner { return planner{s, map[string]*plans{}} }

// of returns the plans of a device.
func (p *planner) of(device string) (made *plans, err error) {
	if made = p.byDevice[device]; made != nil {
		return made, nil
	}
	made = &plans{}
	o := decode.PlanOptions{Order: p.s.order()}
	if len(p.s.messages) > 0 {
		if made.all, err = decode.NewPlan(device, p.s.rules, o); err != nil {
			return nil, err
		}
		o.Keep = p.keep
	}
	made.wanted, err = decode.NewPlan(device, p.s.rules, o)
	p.byDevice[device] = made
	return made, err
}

func (p *planner) keep(m *dbc.Message) bool {
	for _, pattern := range p.s.messages {
		if ok, _ := path.Match(pattern, m.Name); ok {
			return true
		}
	}
	return false
}

// notWanted tells that a message has a frame, but is not among those chosen.
func (p *plans) notWanted(f *decode.Frame) bool {
	return p.all != nil && p.all.Message(f.Bus, f.ID, f.Flags) != nil
}
