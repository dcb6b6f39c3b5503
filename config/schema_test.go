package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestSchema(t *testing.T) {
	golden(t, "config.schema.json", Schema())
	if !bytes.Equal(Schema(), Schema()) {
		t.Error("differs from time to time")
	}
}

// The schema takes the reference, with its examples and without but for what
// is required, and refuses what is wrong in one value.
func TestSchemaJudges(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		text string
		ok   bool
	}{
		"reference":     {string(Reference()), true},
		"examples":      {string(example()), true},
		"smallest":      {"version: 1\nbuses: [{interface: can0}]\nupload: {mode: low}", true},
		"secret of env": {"version: 1\nbuses: [{interface: can0}]\nupload: {mode: low, secret_key: {env: KEY}}", true},
		"unknown key":   {"version: 1\nbuses: [{interface: can0, x: 1}]\nupload: {mode: low}", false},
		"missing key":   {"version: 1\nbuses: [{}]\nupload: {mode: low}", false},
		"no buses":      {"version: 1\nbuses: []\nupload: {mode: low}", false},
		"choice":        {"version: 1\nbuses: [{interface: can0}]\nupload: {mode: maximum}", false},
		"unit":          {"version: 1\nbuses: [{interface: can0}]\nupload: {mode: low}\nlog: {flush: 1}", false},
		"bound":         {"version: 1\nbuses: [{interface: can0, number: 9}]\nupload: {mode: low}", false},
		"identifier":    {"version: 1\nbuses: [{interface: can0, filter: [{match: 0x7DF, action: accept}]}]\nupload: {mode: low}", false},
	} {
		t.Run(name, func(t *testing.T) {
			var value any
			if err := yaml.Unmarshal([]byte(row.text), &value); err != nil {
				t.Fatal(err)
			}
			if err := judge(s, value, "$"); (err == nil) != row.ok {
				t.Error(err)
			}
		})
	}
}

// judge is as much of JSON Schema as the schema uses; what it does not know is
// an error.
func judge(s map[string]any, value any, at string) error {
	if or, ok := s["type"].([]any); ok && value == nil && slices.Contains(or, any("null")) {
		return nil
	}
	if is, ok := s["type"].(string); ok && !isType(is, value) {
		return fmt.Errorf("%s: %v is no %s", at, value, is)
	}
	for keyword, says := range s {
		if err := judgeKeyword(keyword, says, s, value); err != nil {
			return fmt.Errorf("%s: %s: %w", at, keyword, err)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for key, below := range value {
			if sub, ok := properties[key].(map[string]any); ok {
				if err := judge(sub, below, at+"."+key); err != nil {
					return err
				}
			}
		}
	case []any:
		for i, below := range value {
			if err := judge(s["items"].(map[string]any), below, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func judgeKeyword(keyword string, says any, s map[string]any, value any) error {
	ok := true
	switch keyword {
	case "$schema", "title", "description", "default", "properties", "items", "type":
	case "pattern":
		text, is := value.(string)
		ok = !is || regexp.MustCompile(says.(string)).MatchString(text)
	case "enum":
		ok = slices.Contains(says.([]any), value)
	case "minimum":
		ok = reflect.ValueOf(value).Convert(reflect.TypeFor[float64]()).Float() >= says.(float64)
	case "maximum":
		ok = reflect.ValueOf(value).Convert(reflect.TypeFor[float64]()).Float() <= says.(float64)
	case "minItems":
		ok = len(value.([]any)) >= int(says.(float64))
	case "maxItems":
		ok = len(value.([]any)) <= int(says.(float64))
	case "minLength":
		ok = len(value.(string)) >= int(says.(float64))
	case "required":
		for _, key := range says.([]any) {
			_, has := value.(map[string]any)[key.(string)]
			ok = ok && has
		}
	case "additionalProperties":
		for key := range value.(map[string]any) {
			_, has := s["properties"].(map[string]any)[key]
			ok = ok && has
		}
	case "anyOf":
		ok = slices.ContainsFunc(says.([]any), func(one any) bool { return judge(one.(map[string]any), value, "") == nil })
	default:
		return fmt.Errorf("unknown keyword")
	}
	if !ok {
		return fmt.Errorf("%v refuses %v", says, value)
	}
	return nil
}

func isType(name string, value any) bool {
	switch value.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case int:
		return name == "integer" || name == "number"
	case float64:
		return name == "number"
	}
	return false
}
