package can

import "strings"

// numbers gives the interfaces of a log their bus numbers.
type numbers struct {
	fixed bool // known is all there is
	known []numbered
}

type numbered struct {
	name string
	bus  uint8
}

func newNumbers(buses map[string]uint8) numbers {
	n := numbers{fixed: buses != nil}
	for name, bus := range buses {
		n.known = append(n.known, numbered{name, bus})
	}
	return n
}

// of returns the number of an interface, and whether it has one or could be
// given one.
func (n *numbers) of(name []byte) (bus uint8, ok bool) {
	for i := range n.known {
		if string(name) == n.known[i].name {
			return n.known[i].bus, n.known[i].bus <= 8
		}
	}
	if n.fixed {
		return 0, false
	}
	bus = n.free(string(name))
	if bus <= 8 {
		n.known = append(n.known, numbered{string(name), bus})
	}
	return bus, bus <= 8
}

// free chooses the number for a new name by the rule of ReplayOptions.Buses;
// 9: none is left.
func (n *numbers) free(name string) (bus uint8) {
	var taken [10]bool
	for _, k := range n.known {
		taken[k.bus] = true
	}
	if digit, is := strings.CutPrefix(name, "can"); is && len(digit) == 1 && '0' <= digit[0] && digit[0] <= '7' {
		if bus = digit[0] - '0' + 1; !taken[bus] {
			return bus
		}
	}
	for bus = 1; taken[bus]; bus++ {
	}
	return bus
}

func (n *numbers) want() string {
	if n.fixed {
		return "an interface that has a bus number up to 8"
	}
	return "no ninth interface"
}
