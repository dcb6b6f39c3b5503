package config

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Schema is the JSON Schema (draft 2020-12) of the configuration, for editors:
// the same bytes each time. What needs more than one value is left to Parse.
func Schema() []byte {
	root := object(rows(reflect.TypeFor[Config]()), "", docs())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "canseal configuration"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // the table holds nothing that JSON cannot say
	}
	return append(text, '\n')
}

type schema = map[string]any

func object(rows []row, path string, docs map[string]string) schema {
	properties, need := schema{}, []string{}
	for _, r := range rows {
		properties[r.key] = r.schema(join(path, r.key), docs)
		if r.need {
			need = append(need, r.key)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(need) > 0 {
		s["required"] = need
	}
	return s
}

func (r row) schema(path string, docs map[string]string) schema {
	var s schema
	switch {
	case r.typ == reflect.TypeFor[Secret]():
		s = schema{"anyOf": []schema{{"type": "string", "minLength": 1}, object(rows(reflect.TypeFor[secretPlace]()), "", nil)}}
	case r.typ.Kind() == reflect.Slice && r.kind == nil:
		s = r.array(object(r.below, path+"[]", docs))
	case r.list:
		s = r.array(r.scalar())
	case r.kind != nil:
		s = r.scalar()
	default:
		s = object(r.below, path, docs)
		if s["required"] == nil {
			s["type"] = []string{"object", "null"} // without keys it counts as absent
		}
	}
	if text := r.describe(docs[path]); text != "" {
		s["description"] = text
	}
	return s
}

// describe is the comment of the reference and what is wanted.
func (r row) describe(doc string) string {
	want := r.wanted()
	if r.kind == nil && r.want == "" || r.is == nil && r.want == "" && r.kind.bare {
		want = ""
	}
	return strings.TrimPrefix(strings.TrimSuffix(doc+". "+want, ". "), ". ")
}

func (r row) array(items schema) schema {
	s := schema{"type": "array", "items": items}
	if n := len(r.length); n > 0 {
		s["minItems"], s["maxItems"] = r.length[0].from, r.length[n-1].to
	}
	return s
}

func (r row) scalar() schema {
	s := schema{"type": r.kind.schema}
	if r.initial != "" {
		s["default"] = r.initial
		if r.kind.bare {
			s["default"] = literal(r.initial, r.kind)
		}
	}
	switch {
	case r.like != nil && r.need:
		s["pattern"] = r.like.String()
	case r.like != nil:
		s["pattern"] = "^(" + strings.TrimPrefix(r.like.String(), "^(?:") // or empty
		s["pattern"] = strings.TrimSuffix(s["pattern"].(string), ")$") + ")?$"
	case r.kind.like != "":
		s["pattern"] = r.kind.like
	}
	r.bounds(s)
	return s
}

// bounds adds what is allowed, as far as the schema can say it.
func (r row) bounds(s schema) {
	switch {
	case len(r.is) == 0 || r.kind.like != "":
	case r.kind.schema == "string":
		var texts []string
		for _, c := range r.is {
			texts = append(texts, c.text)
		}
		s["enum"] = texts
	default:
		s["minimum"], s["maximum"] = r.is[0].from, r.is[len(r.is)-1].to
	}
}
