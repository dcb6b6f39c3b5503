package appliance

import (
	"fmt"
	"slices"
	"strings"

	"canseal/config"
)

// unbuilt are the settings whose function this version does not have. A file
// may name them with their default; any other value stops the start, so that
// nobody relies on what is not done. A row ends with the work that builds it.
//
// field is a path as config.Setting.Field has it, or its beginning when it
// ends in a dot. values are the values that are refused; none: each but the
// default.
var unbuilt = []struct {
	field  string
	values []string
	what   string
}{
	{"ota.card", []string{"signed"}, "a card that needs signatures"},
}

// notInThisVersion lists what a configuration asks for and does not get, as
// problems of their own kind.
func notInThisVersion(c *config.Config) []config.Problem {
	var problems []config.Problem
	for _, s := range c.NonDefaults() {
		for _, row := range unbuilt {
			exact := row.field == s.Field
			below := strings.HasSuffix(row.field, ".") && strings.HasPrefix(s.Field, row.field)
			if (exact || below) && (row.values == nil || slices.Contains(row.values, s.Value)) {
				problems = append(problems, config.Problem{
					Path: s.Path, Line: s.Line, Column: 1, Got: s.Value, Want: fmt.Sprintf("%q, the default", s.Default),
					Hint: "not in this version: " + row.what,
				})
				break
			}
		}
	}
	return problems
}
