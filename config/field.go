package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
)

// Scope says who may change a setting over the air. The greater may do more:
// an object may touch what has at least the scope of its source.
type Scope uint8

const (
	Local  Scope = iota // only at the box: the card, or canseal there
	Signed              // also an object that the pinned signer has signed
	Air                 // any source that ota.policy permits
)

func (s Scope) String() string { return [...]string{"local", "signed", "air"}[s] }

// Field is a row of the table of settings, for people and tools.
type Field struct {
	Path    string   // such as buses[].check.bitrate
	Default string   // as the file would say it; "" = absent or empty
	Want    string   // what is allowed, in words
	Need    bool     // the section or list entry that it stands in must name it
	Scope   Scope    // for a value that is not weakened; see Strong
	Strong  []string // where not empty, its values from the strongest on; weakening it is local
	Doc     string   // what it is for; from the comments of the reference file
}

// Fields lists every setting in the order of the structs: sections, lists and
// optional sections first, then what is in them.
func Fields() []Field {
	return list(rows(reflect.TypeFor[Config]()), "", docs())
}

func list(rows []row, prefix string, docs map[string]string) []Field {
	var out []Field
	for _, r := range rows {
		path := prefix + r.key
		out = append(out, Field{path, r.initial, r.wanted(), r.need, r.scope, r.strong, docs[path]})
		if r.typ.Kind() == reflect.Slice && r.kind == nil {
			path += "[]"
		}
		out = append(out, list(r.below, path+".", docs)...)
	}
	return out
}

// ScopeOf is the scope of the setting at a path with or without indexes; what
// is not in the table is local.
func ScopeOf(path string) Scope {
	for _, f := range list(rows(reflect.TypeFor[Config]()), "", nil) {
		if f.Path == fieldPath(path) {
			return f.Scope
		}
	}
	return Local
}

var index = regexp.MustCompile(`\[[0-9]*\]`)

// fieldPath replaces the indexes of a path by [].
func fieldPath(path string) string { return index.ReplaceAllString(path, "[]") }

// row is a Field as the code uses it.
type row struct {
	key     string
	index   []int        // of the struct field, for FieldByIndex
	typ     reflect.Type // without a pointer
	kind    *kind        // of the value, or of the entries of a list of values; nil for structs and lists of structs
	list    bool
	initial string
	is      []choice
	like    *regexp.Regexp
	want    string
	length  []choice
	need    bool
	scope   Scope
	strong  []string
	below   []row // of the section, or of the entries of the list
}

// choice is an alternative of a tag "is": a range, or with equal ends one value.
type choice struct {
	text     string
	from, to any // nil = no limit
}

// rows is the table of a struct of this package, made once.
func rows(t reflect.Type) []row { return tables()[t] }

var tables = sync.OnceValue(func() map[reflect.Type][]row {
	all := map[reflect.Type][]row{}
	tabulate(all, reflect.TypeFor[Config](), Local)
	tabulate(all, reflect.TypeFor[secretPlace](), Local)
	return all
})

func tabulate(all map[reflect.Type][]row, t reflect.Type, scope Scope) []row {
	var out []row
	for _, sf := range reflect.VisibleFields(t) {
		if sf.Anonymous || !sf.IsExported() {
			continue
		}
		r := newRow(sf, scope)
		if elem := element(sf.Type); r.kind == nil && elem.Kind() == reflect.Struct {
			r.below = tabulate(all, elem, r.scope)
		}
		out = append(out, r)
	}
	all[t] = out
	return out
}

// newRow reads the tags of a struct field. A tag that cannot be read is a
// mistake in config.go and panics; the tests walk all of them.
func newRow(sf reflect.StructField, scope Scope) row {
	tag := sf.Tag.Get
	r := row{
		key: tag("yaml"), index: sf.Index, typ: sf.Type, initial: tag("default"), want: tag("want"),
		need: tag("need") == "true", scope: scope, strong: strings.Fields(tag("strong")),
	}
	if r.typ.Kind() == reflect.Pointer {
		r.typ = r.typ.Elem()
	}
	r.kind = kindOf(r.typ)
	if r.kind == nil && r.typ.Kind() == reflect.Slice {
		r.list, r.kind = true, kindOf(r.typ.Elem())
	}
	for s := Local; s <= Air; s++ {
		if s.String() == tag("scope") {
			r.scope = s
		}
	}
	if like := tag("like"); like != "" {
		r.like = regexp.MustCompile("^(?:" + like + ")$")
	}
	r.is = choices(tag("is"), r.kind)
	r.length = choices(tag("len"), &wholeNumber)
	return r
}

func choices(tag string, k *kind) []choice {
	var out []choice
	for text := range strings.SplitSeq(tag, "|") {
		from, to, ranged := strings.Cut(text, "..")
		if !ranged {
			to = from
		}
		if text != "" {
			out = append(out, choice{text, literal(from, k), literal(to, k)})
		}
	}
	return out
}

// literal is the value that a tag spells out, nil where it spells none.
func literal(text string, k *kind) any {
	if text == "" {
		return nil
	}
	value, err := k.parse(text)
	if err != nil {
		panic(fmt.Sprintf("tag of a setting: %q: %v", text, err))
	}
	return value
}

// element is the type of a list's entries, else of the value itself.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// allowed tells whether one of the choices has the value.
func allowed(choices []choice, value reflect.Value) bool {
	for _, c := range choices {
		if (c.from == nil || !less(value, reflect.ValueOf(c.from))) && (c.to == nil || !less(reflect.ValueOf(c.to), value)) {
			return true
		}
	}
	return len(choices) == 0
}

// less orders numbers; of two texts the one that differs is always "less", so
// that a range of texts holds exactly its own value.
func less(a, b reflect.Value) bool {
	switch {
	case a.CanInt():
		return a.Int() < b.Int()
	case a.CanFloat():
		return a.Float() < b.Float()
	}
	return a.String() != b.String()
}

// wanted says in words what is allowed.
func (r row) wanted() string {
	switch {
	case r.list && len(r.length) == 0:
		return "a list"
	case r.list:
		return "a list of " + strings.ReplaceAll(spell(r.length, "", " entries"), " from ", "")
	case r.want != "":
		return r.want
	case r.kind == nil:
		return "a section"
	case len(r.is) == 0:
		return r.kind.want
	}
	return spell(r.is, r.kind.want, "")
}

// spell says choices in words: "0s or a time from 10s to 24h".
func spell(choices []choice, what, unit string) string {
	var words []string
	for _, c := range choices {
		from, to, ranged := strings.Cut(c.text, "..")
		switch {
		case !ranged:
			words = append(words, c.text)
		case to == "":
			words = append(words, what+" from "+from+" on")
		default:
			words = append(words, what+" from "+from+" to "+to)
		}
	}
	if n := len(words); n > 1 {
		words = []string{strings.Join(words[:n-1], ", "), words[n-1]}
	}
	return strings.Join(words, " or ") + unit
}
