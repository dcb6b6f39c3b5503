package dbc

import "strconv"

// finish turns the drafts into messages: long names, formats, multiplexers.
func (p *parser) finish() {
	long := p.nodeNames()
	network := p.valueOf(p.file.Attributes, "ProtocolType") == "J1939"
	for _, d := range p.drafts {
		p.multiplex(d)
		d.collect()
		p.describeMessage(d, network)
		rename(d.Senders, long)
		d.Senders = unique(d.Senders)
		p.file.Messages = append(p.file.Messages, d.Message)
		for i := range d.Signals {
			rename(d.Signals[i].Receivers, long)
		}
	}
}

// nodeNames gives the units their long names, and returns those by short name.
func (p *parser) nodeNames() map[string]string {
	long := map[string]string{}
	for i := range p.file.Nodes {
		n := &p.file.Nodes[i]
		if l := n.Attributes["SystemNodeLongSymbol"]; l != "" {
			long[n.Name] = l
			n.Name = l
		}
	}
	return long
}

func rename(names []string, long map[string]string) {
	for i, n := range names {
		if l := long[n]; l != "" {
			names[i] = l
		}
	}
}

// unique drops names that were there before.
func unique(names []string) []string {
	seen, kept := map[string]bool{}, names[:0]
	for _, n := range names {
		if !seen[n] {
			kept = append(kept, n)
		}
		seen[n] = true
	}
	return kept
}

// collect moves the signals that were kept into the message.
func (d *draft) collect() {
	index := map[string]int{}
	for _, s := range d.signals {
		if d.byName[s.ShortName] == s {
			index[s.ShortName] = len(index)
		}
	}
	for _, s := range d.signals {
		if d.byName[s.ShortName] != s {
			continue
		}
		if s.ranges != nil {
			s.Mux = &Mux{Signal: index[s.parent], Ranges: s.ranges}
		}
		d.Signals = append(d.Signals, s.Signal)
	}
}

// describeMessage sets what attributes say.
func (p *parser) describeMessage(d *draft, network bool) {
	if l := d.Attributes["SystemMessageLongSymbol"]; l != "" {
		d.Name = l
	}
	switch p.valueOf(d.Attributes, "VFrameFormat") {
	case "StandardCAN_FD", "ExtendedCAN_FD", "14", "15":
		d.FD = true
	case "J1939PG", "3":
		d.J1939 = d.Extended
	}
	d.J1939 = d.J1939 || network && d.Extended
	d.CycleTime, _ = strconv.Atoi(p.valueOf(d.Attributes, "GenMsgCycleTime"))
	p.signalNames(d)
	for i := range d.Signals {
		s := &d.Signals[i]
		spn, _ := strconv.ParseUint(p.valueOf(s.Attributes, "SPN"), 10, 32)
		s.SPN = uint32(spn)
	}
}

// signalNames gives signals their long names, unless two would have the same.
func (p *parser) signalNames(d *draft) {
	taken := map[string]bool{}
	for i := range d.Signals {
		taken[d.Signals[i].Name] = true
	}
	for i := range d.Signals {
		s := &d.Signals[i]
		long := s.Attributes["SystemSignalLongSymbol"]
		switch {
		case long == "" || long == s.Name:
		case taken[long]:
			p.warn(s.Line, "signal %s.%s keeps its short name: another one is called %s", d.Name, s.Name, long)
		default:
			taken[long] = true
			s.Name = long
		}
	}
}
