package config

// Setting is a value that a file names.
type Setting struct {
	Path    string // where it stands: buses[0].filter[1].every.count
	Field   string // which field it is: buses[].filter[].every.count
	Line    int
	Value   string // as the file could say it; "[secret]" for a secret, the number of entries for a list, "set" for a section
	Default string // what holds where the file does not name it
}

// NonDefaults lists what a file sets to something else than its default, in
// the order of lines. A list or an optional section (buses[].control) is a
// setting itself, and so is each value inside it.
func (c *Config) NonDefaults() []Setting {
	var out []Setting
	for _, s := range c.settings {
		if s.Value != s.Default {
			out = append(out, s)
		}
	}
	return out
}
