package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Touched is a setting that another configuration would change, and the scope
// that such a change needs.
type Touched struct {
	Path  string
	Scope Scope
}

// Touches lists what next would change, by effective values: a default that is
// spelled out touches nothing. Buses are compared by interface, so that no
// order of the list moves a setting to another bus; the path of a bus that is
// left out has its present index. A source may give next when its own scope is
// no more than every Scope listed.
func (c *Config) Touches(next *Config) []Touched {
	var out []Touched
	old, new := reflect.ValueOf(c).Elem(), reflect.ValueOf(next).Elem()
	for _, r := range rows(old.Type()) {
		if r.key != "buses" {
			out = append(out, r.touched(old.FieldByIndex(r.index), new.FieldByIndex(r.index), r.key)...)
		}
	}
	for i := range next.Buses {
		out = append(out, busTouched(c.bus(next.Buses[i].Interface), &next.Buses[i], i)...)
	}
	for i := range c.Buses {
		if left := next.bus(c.Buses[i].Interface); left.Interface == "" {
			out = append(out, busTouched(&c.Buses[i], left, i)...)
		}
	}
	return out
}

// bus is the one of an interface, or a blank one.
func (c *Config) bus(iface string) *Bus {
	if i := slices.IndexFunc(c.Buses, func(b Bus) bool { return b.Interface == iface }); i >= 0 {
		return &c.Buses[i]
	}
	blank := new(Bus)
	defaults(reflect.ValueOf(blank).Elem())
	blank.Cancrypt.Cancrypt = c.Cancrypt
	return blank
}

func busTouched(old, new *Bus, i int) []Touched {
	return sectionTouched(reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem(), fmt.Sprintf("buses[%d]", i))
}

func sectionTouched(old, new reflect.Value, path string) (out []Touched) {
	for _, r := range rows(old.Type()) {
		out = append(out, r.touched(old.FieldByIndex(r.index), new.FieldByIndex(r.index), join(path, r.key))...)
	}
	return out
}

func (r row) touched(old, new reflect.Value, path string) []Touched {
	switch {
	case reflect.DeepEqual(old.Interface(), new.Interface()):
		return nil
	case old.Kind() == reflect.Struct && r.below != nil:
		return sectionTouched(old, new, path)
	case r.weakness(new) > r.weakness(old):
		return []Touched{{path, Local}}
	}
	return []Touched{{path, r.scope}}
}

// weakness ranks the values of a setting that has an order of strength, 0 for
// the strongest; a value that is absent is the weakest.
func (r row) weakness(v reflect.Value) int {
	switch {
	case len(r.strong) == 0:
		return 0
	case r.strong[0] == "more":
		return -int(v.Int())
	}
	if i := slices.Index(r.strong, show(v)); i >= 0 {
		return i
	}
	return len(r.strong)
}
