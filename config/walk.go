package config

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// walk goes through the nodes of a file along the table of settings, fills a
// configuration and collects problems.
type walk struct {
	cfg      *Config
	problems []Problem
	places   map[string]place // of all that the file names
	faulty   map[string]bool  // paths with a problem
	around   map[string]bool  // the sections around them
}

type place struct{ key, value *yaml.Node }

// Default is the configuration of an empty file: it does not hold, since some
// settings have no default.
func Default() *Config {
	c := new(Config)
	defaults(reflect.ValueOf(c).Elem())
	return c
}

// defaults gives every field of a struct its default.
func defaults(v reflect.Value) {
	for _, r := range rows(v.Type()) {
		field := v.FieldByIndex(r.index)
		switch {
		case r.initial != "":
			field.Set(reflect.ValueOf(literal(r.initial, r.kind)).Convert(field.Type()))
		case field.Kind() == reflect.Struct && r.below != nil:
			defaults(field)
		}
	}
}

func (w *walk) root(n *yaml.Node) {
	w.places[""] = place{n, n}
	if w.plain(n, "") {
		w.section(n, reflect.ValueOf(w.cfg).Elem(), "")
	}
}

// problem notes what is wrong at a node.
func (w *walk) problem(n *yaml.Node, path, got, want, hint string) {
	w.silence(path)
	w.problems = append(w.problems, Problem{path, n.Line, n.Column, got, want, hint})
}

// silence keeps a path from having more problems: one mistake is told once.
func (w *walk) silence(path string) {
	w.faulty[path] = true
	for path != "" {
		path = parent(path)
		w.around[path] = true
	}
}

// sound tells whether the paths are free of problems, with what is in them and
// what they are in.
func (w *walk) sound(paths ...string) bool {
	for _, path := range paths {
		if w.around[path] {
			return false
		}
		for ; path != ""; path = parent(path) {
			if w.faulty[path] {
				return false
			}
		}
	}
	return !w.faulty[""]
}

// has tells whether the file names the path, without a problem.
func (w *walk) has(path string) bool {
	_, named := w.places[path]
	return named && w.sound(path)
}

// plain refuses what hides a value from the reader: aliases, anchors, tags.
func (w *walk) plain(n *yaml.Node, path string) bool {
	var got string
	switch {
	case n.Kind == yaml.AliasNode:
		got = "an alias (*)"
	case n.Anchor != "":
		got = "an anchor (&)"
	case n.Style&yaml.TaggedStyle != 0:
		got = "a tag (!)"
	default:
		return true
	}
	w.problem(n, path, got, "the value itself", "a text that starts with * & or ! needs quotes")
	return false
}

// value reads a node into v, which holds the default.
func (w *walk) value(n *yaml.Node, r row, v reflect.Value, path string) {
	switch {
	case !w.plain(n, path):
	case v.Kind() == reflect.Pointer:
		held := reflect.New(v.Type().Elem())
		if r.below != nil {
			defaults(held.Elem())
		}
		w.value(n, r, held.Elem(), path)
		v.Set(held)
	case v.Type() == reflect.TypeFor[Secret]():
		w.secret(n, r, v.Addr().Interface().(*Secret), path)
	case r.list:
		w.list(n, r, v, path)
	case r.kind != nil:
		w.scalar(n, r, v, path)
	default:
		w.section(n, v, path)
	}
}

func (w *walk) scalar(n *yaml.Node, r row, v reflect.Value, path string) {
	want := r.entryWanted()
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		w.problem(n, path, describe(n), want, "")
		return
	}
	text := r.fromYAML11(n)
	if text == "" && r.like != nil && r.initial == "" && !r.need { // the same as absent
		return
	}
	value, err := r.kind.parse(text)
	switch {
	case err != nil:
		w.problem(n, path, quote(text), want, err.Error())
	case r.kind.bare && n.Style != 0:
		w.problem(n, path, quote(text)+" in quotes", want, "remove the quotes")
	case r.like != nil && !r.like.MatchString(text), !allowed(r.is, reflect.ValueOf(value)):
		w.problem(n, path, quote(text), want, "")
	default:
		v.Set(reflect.ValueOf(value).Convert(v.Type()))
	}
}

// entryWanted says what a single value has to be, also inside a list.
func (r row) entryWanted() string {
	r.list, r.length = false, nil
	return r.wanted()
}

// fromYAML11 is the text of a value, where programs of YAML 1.1 have written
// off as false and on as true.
func (r row) fromYAML11(n *yaml.Node) string {
	for _, c := range r.is {
		if c.text == "off" && n.Tag == "!!bool" && n.Value == "false" || c.text == "on" && n.Tag == "!!bool" && n.Value == "true" {
			return c.text
		}
	}
	return n.Value
}

func (w *walk) list(n *yaml.Node, r row, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		w.problem(n, path, describe(n), r.wanted(), "")
		return
	}
	if !allowed(r.length, reflect.ValueOf(len(n.Content))) {
		w.problem(n, path, describe(n), r.wanted(), "")
		return
	}
	entries := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	if len(n.Content) == 0 { // the same as absent
		entries = reflect.Zero(v.Type())
	}
	entry := r
	entry.list, entry.need = false, true
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		w.places[at] = place{item, item}
		w.initial(entries.Index(i), i)
		w.value(item, entry, entries.Index(i), at)
	}
	v.Set(entries)
}

// initial gives a list entry its defaults. Those of a bus depend on its place
// and on section cancrypt.
func (w *walk) initial(v reflect.Value, i int) {
	if v.Kind() != reflect.Struct || rows(v.Type()) == nil {
		return
	}
	defaults(v)
	if bus, ok := v.Addr().Interface().(*Bus); ok {
		bus.Number = i + 1
		bus.Cancrypt.Cancrypt = w.cfg.Cancrypt
	}
}

// section reads a mapping into a struct: first which keys there are, then
// their values in the order of the table.
func (w *walk) section(n *yaml.Node, v reflect.Value, path string) {
	nodes, ok := w.keys(n, v.Type(), path)
	if !ok {
		return
	}
	for _, r := range rows(v.Type()) {
		at := join(path, r.key)
		here, named := nodes[r.key]
		switch {
		case named:
			w.places[at] = here
			w.named(here, r, v.FieldByIndex(r.index), at)
		case r.need && !w.faulty[at]:
			w.missing(at, r.wanted())
		}
	}
}

// named reads a value that the file names, and remembers that it does.
func (w *walk) named(at place, r row, v reflect.Value, path string) {
	before := reflect.New(v.Type()).Elem()
	before.Set(v)
	w.value(at.value, r, v, path)
	if v.Kind() == reflect.Struct && r.below != nil {
		return
	}
	s := Setting{
		Path: path, Field: fieldPath(path), Line: at.key.Line, Column: at.key.Column,
		Value: show(v), Default: show(before), differs: !reflect.DeepEqual(v.Interface(), before.Interface()),
	}
	if r.initial == "" && before.IsZero() {
		s.Default = ""
	}
	w.cfg.settings = append(w.cfg.settings, s)
}

// keys are the keys of a mapping with their values. An empty section counts as
// absent.
func (w *walk) keys(n *yaml.Node, t reflect.Type, path string) (map[string]place, bool) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" && path != "" {
		return nil, true
	}
	if n.Kind != yaml.MappingNode {
		w.problem(n, path, describe(n), "keys with values: "+strings.Join(keysOf(t), ", "), "")
		return nil, false
	}
	found := map[string]place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		earlier, twice := found[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			w.problem(key, path, describe(key)+" as a key", "a name", "")
		case !w.plain(key, join(path, key.Value)):
		case twice:
			w.problem(key, join(path, key.Value), "the key a second time", "it once", fmt.Sprintf("the first is in line %d", earlier.key.Line))
		case !hasKey(t, key.Value):
			w.unknown(key, t, path)
		default:
			found[key.Value] = place{key, n.Content[i+1]}
		}
	}
	return found, true
}

// missing notes a key that must be there, at the section that must have it.
func (w *walk) missing(path, want string) {
	w.problem(w.nearest(path), path, "", want, "")
}

// nearest is the node of a path, or of the section around it.
func (w *walk) nearest(path string) *yaml.Node {
	for path != "" {
		if at, ok := w.places[path]; ok {
			return at.key
		}
		path = parent(path)
	}
	return w.places[""].key
}

// describe says what kind of node was found.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a section"
	case n.Kind == yaml.SequenceNode && len(n.Content) == 1:
		return "a list of 1 entry"
	case n.Kind == yaml.SequenceNode:
		return fmt.Sprintf("a list of %d entries", len(n.Content))
	case n.Tag == "!!null":
		return "nothing"
	}
	return quote(n.Value)
}

// parent is the path of the section or list around.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
