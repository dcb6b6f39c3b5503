package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Every setting has a scope of its own or from the section around it, a
// default that is allowed, and an order of strength made of its choices.
func TestTable(t *testing.T) {
	walkFields(reflect.TypeFor[Config](), "", false, func(path string, sf reflect.StructField, scoped bool) {
		if !scoped {
			t.Errorf("%s has no scope", path)
		}
		if scope := sf.Tag.Get("scope"); !slices.Contains([]string{"", "local", "signed", "air"}, scope) {
			t.Errorf("%s: scope %q", path, scope)
		}
		r := newRow(sf, Local)
		if r.initial != "" {
			value := reflect.ValueOf(literal(r.initial, r.kind))
			if !allowed(r.is, value) || r.like != nil && !r.like.MatchString(r.initial) {
				t.Errorf("%s: its default %s is not allowed", path, r.initial)
			}
		}
		for _, value := range r.strong {
			if value != "more" && r.kind.want != "true or false" && !slices.ContainsFunc(r.is, func(c choice) bool { return c.text == value }) {
				t.Errorf("%s: %s is no choice", path, value)
			}
		}
	})
}

// walkFields calls f for every value of the table, by reflection alone.
func walkFields(t reflect.Type, prefix string, scoped bool, f func(path string, sf reflect.StructField, scoped bool)) {
	for _, sf := range reflect.VisibleFields(t) {
		if sf.Anonymous || !sf.IsExported() {
			continue
		}
		path, elem := join(prefix, sf.Tag.Get("yaml")), element(sf.Type)
		here := scoped || sf.Tag.Get("scope") != ""
		if kindOf(elem) == nil && elem.Kind() == reflect.Struct && elem != reflect.TypeFor[Secret]() {
			walkFields(elem, path, here, f)
			continue
		}
		f(path, sf, here)
	}
}

func TestTagsAreKnown(t *testing.T) {
	known := []string{"yaml", "default", "is", "like", "want", "len", "need", "scope", "strong"}
	tag := regexp.MustCompile(`([a-z_]+):"`)
	walkFields(reflect.TypeFor[Config](), "", false, func(path string, sf reflect.StructField, _ bool) {
		names := strings.Split(tag.ReplaceAllString(string(sf.Tag), "\x00$1\x00"), "\x00")
		for i := 1; i < len(names); i += 2 {
			if !slices.Contains(known, names[i]) {
				t.Errorf("%s: tag %s", path, names[i])
			}
		}
	})
}

// The reference as written lacks exactly what nobody can guess; with its
// examples it holds.
func TestReference(t *testing.T) {
	_, problems := Parse(Reference())
	var missing []string
	for _, p := range problems {
		if p.Got != "" {
			t.Error(p)
		}
		missing = append(missing, p.Path)
	}
	if want := []string{"upload.endpoint", "upload.bucket", "upload.access_key", "upload.secret_key"}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, wanted %v", missing, want)
	}
	c := parsed(t, string(example()))
	if c.Buses[1].Transmit[0].Data.String() != "0201050000000000" || c.Cancrypt.Table[0].Encrypt != 2 || *c.Buses[0].Filter[0].Every.Count != 10 {
		t.Errorf("%+v", c)
	}
	if len(c.Warnings()) != 0 {
		t.Errorf("%v", c.Warnings())
	}
}

// What the reference says without its examples is the defaults, and the name
// of a bus.
func TestReferenceSaysTheDefaults(t *testing.T) {
	filled := string(Reference())
	for _, line := range []string{"endpoint: https://store", "bucket: trucks", "access_key: AKEX", "secret_key: stored"} {
		filled = strings.Replace(filled, "#"+line, line, 1)
	}
	var fields []string
	for _, s := range parsed(t, filled).NonDefaults() {
		fields = append(fields, s.Field)
	}
	want := []string{"version", "buses", "buses[].interface", "upload.endpoint", "upload.bucket", "upload.access_key", "upload.secret_key"}
	if !slices.Equal(fields, want) {
		t.Errorf("not the defaults: %v", fields)
	}
}

// Every setting stands in the reference, with the scope that the table has.
func TestReferenceSaysEverything(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal(example(), &root); err != nil {
		t.Fatal(err)
	}
	scopes, named := map[string]string{}, map[string]bool{}
	marks(root.Content[0], "", "", scopes, named)
	for _, f := range Fields() {
		if strings.HasPrefix(f.Path, "buses[].cancrypt.") && f.Path != "buses[].cancrypt.role" {
			continue // those of section cancrypt
		}
		if !named[f.Path] && !slices.Contains([]string{"buses[].filter[].every.time", "buses[].filter[].every.change", "cancrypt.heartbeat_only[].match", "cancrypt.heartbeat_only[].producer", "cancrypt.heartbeat_only[].deliver"}, f.Path) {
			t.Errorf("%s is not in the reference", f.Path)
		}
		if mark := scopes[f.Path]; mark != "" && mark != strings.ToUpper(f.Scope.String()[:1]) {
			t.Errorf("%s: the reference says [%s], the table %s", f.Path, mark, f.Scope)
		}
		if leaf := !strings.ContainsAny(f.Path, "[{"); leaf && f.Default != "" && scopes[f.Path] == "" {
			t.Errorf("%s has no mark of scope", f.Path)
		}
	}
}

// marks collects the first mark of each comment; what stands in braces has
// that of its line.
func marks(n *yaml.Node, path, line string, scopes map[string]string, named map[string]bool) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at, mark := join(path, key.Value), ""
		if n.Style&yaml.FlowStyle != 0 {
			mark = line
		}
		if found := regexp.MustCompile(`\[([LSA])\]`).FindStringSubmatch(key.LineComment + value.LineComment + key.HeadComment); found != nil {
			mark = found[1]
		}
		named[at], scopes[at] = true, mark
		marks(value, at, mark, scopes, named)
	}
	for _, entry := range n.Content {
		if n.Kind == yaml.SequenceNode {
			marks(entry, path+"[]", line, scopes, named)
		}
	}
}

// The comments of the reference are the descriptions of the settings.
func TestDocs(t *testing.T) {
	docs := map[string]string{}
	for _, f := range Fields() {
		docs[f.Path] = f.Doc
		if strings.ContainsAny(f.Doc, "[]#") || strings.HasPrefix(f.Doc, ",") || strings.HasPrefix(f.Doc, ";") {
			t.Errorf("%s: %q", f.Path, f.Doc)
		}
	}
	for path, want := range map[string]string{
		"log.flush":              "100ms..10s; at most this much is lost in a power cut",
		"upload.mode":            "off | low | medium | high",
		"upload.endpoint":        "the scheme must fit the mode",
		"buses":                  "1..8 entries",
		"buses[].check":          "what is named is compared with the link, a difference is a state",
		"buses[].filter":         "first match wins, no match = left out; no list = everything",
		"upload.quirks":          "auto | on, off | sha256, crc32c, md5 | sha256, etag_only",
		"buses[].cancrypt.event": "500ms | 1s | 2s | other up to 25500ms",
	} {
		if docs[path] != want {
			t.Errorf("%s: %q, wanted %q", path, docs[path], want)
		}
	}
}

func TestScopes(t *testing.T) {
	for path, want := range map[string]Scope{
		"log.flush": Air, "log.unsent": Local, "log.compress": Signed, "buses[].interface": Signed, "buses[0].transmit": Local,
		"buses[3].transmit[1].data": Local, "buses[].cancrypt.role": Local, "buses[].filter[].match": Signed, "cancrypt.key": Local,
		"tls.pin_sha256": Local, "tls.renew_before": Air, "ota.every": Air, "ota.signer": Local, "upload.secret_key": Local,
		"upload.quirks.checksum": Local, "nonsense": Local, "": Local,
	} {
		if got := ScopeOf(path); got != want {
			t.Errorf("%s is %v, wanted %v", path, got, want)
		}
	}
}
