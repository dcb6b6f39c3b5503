package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Setting is a value that a file names.
type Setting struct {
	Path    string // where it stands: buses[0].filter[1].every.count
	Field   string // which field it is: buses[].filter[].every.count
	Line    int    // of the key, with Column
	Column  int
	Value   string // as the file could say it; "[secret]", "[3]" for a list of 3 sections, "set" for an optional section
	Default string // what holds where the file does not name it

	differs bool
}

// NonDefaults lists what a file sets to something else than its default, in
// the order of lines. A list or an optional section (buses[].control) is a
// setting itself, and so is each value inside it.
func (c *Config) NonDefaults() []Setting {
	var out []Setting
	for _, s := range c.settings {
		if s.differs {
			out = append(out, s)
		}
	}
	return out
}

// show prints a value as the file could say it. Lists of values are printed
// whole, of lists of sections only the length.
func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Secret:
		if !x.Named() {
			return ""
		}
		return x.String()
	case time.Duration:
		return showTime(x)
	case fmt.Stringer:
		if v.Kind() != reflect.Pointer {
			return x.String()
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return showHeld(v)
	case reflect.Slice:
		return showList(v)
	}
	return fmt.Sprint(v.Interface())
}

func showHeld(v reflect.Value) string {
	switch {
	case v.IsNil():
		return ""
	case rows(v.Type().Elem()) != nil:
		return "set"
	}
	return show(v.Elem())
}

func showList(v reflect.Value) string {
	if rows(v.Type().Elem()) != nil {
		return fmt.Sprintf("[%d]", v.Len())
	}
	var texts []string
	for i := range v.Len() {
		texts = append(texts, show(v.Index(i)))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
