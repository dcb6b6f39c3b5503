package main

import (
	"fmt"
	"strings"

	"canseal/cmd/internal/appliance"
	"canseal/link/mqtt"
	"canseal/link/probe"
)

// linkLines tell how the neighbours are: whoever controls from afar, the broker,
// the probes.
func linkLines(d *appliance.Facts) (lines []string) {
	l := d.Link
	if l == nil {
		return nil
	}
	if c := l.Control; c != nil {
		lines = append(lines, fmt.Sprintf("control: %s connections, %s refused, %s not heard",
			thousands(int(c.Accepted)), thousands(int(c.Refused)), thousands(int(c.Ignored))))
	}
	if l.MQTT != nil {
		lines = append(lines, brokerText(l.MQTT))
	}
	for i := range l.Probes {
		lines = append(lines, probeText(&l.Probes[i]))
	}
	return lines
}

func brokerText(m *mqtt.Status) string {
	state := "not connected"
	if m.Connected {
		state = "connected"
	}
	words := []string{state, thousands(int(m.Sent)) + " sent", fmt.Sprintf("%d wait", m.Waiting)}
	for _, c := range []struct {
		count uint64
		what  string
	}{{m.Dropped, "dropped"}, {m.Refused, "refused"}, {m.Guarded, "connections cut for what the broker sent"}} {
		if c.count > 0 {
			words = append(words, thousands(int(c.count))+" "+c.what)
		}
	}
	text := "mqtt: " + strings.Join(words, ", ")
	if m.Error != "" {
		text += ": " + printable(m.Error)
	}
	return text
}

func probeText(p *probe.Status) string {
	words := []string{p.State, thousands(int(p.Events)) + " events"}
	for _, c := range []struct {
		count uint64
		what  string
	}{{p.Lost, "lost"}, {p.Late, "late"}} {
		if c.count > 0 {
			words = append(words, thousands(int(c.count))+" "+c.what)
		}
	}
	if p.ClockError >= 0 {
		words = append(words, fmt.Sprintf("times within %.1f ms", float64(p.ClockError)/1000))
	}
	if p.Boots > 1 {
		words = append(words, fmt.Sprintf("began %d times", p.Boots))
	}
	return fmt.Sprintf("probe %s, bus %d: %s", p.Name, p.Bus, strings.Join(words, ", "))
}
