package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxSize is the greatest size of a configuration in bytes.
const MaxSize = 256 << 10

// maxProblems is how many problems are listed one by one.
const maxProblems = 100

// Version is the newest version of the file that this program knows.
const Version = 1

// Parse reads a configuration. Either there are no problems and the
// configuration holds, or it is nil and every problem of the file is listed,
// in the order of lines. Nothing in a problem is a secret.
func Parse(file []byte) (*Config, []Problem) {
	root, problem := document(file)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	w := &walk{cfg: Default(), places: map[string]place{}, faulty: map[string]bool{}, around: map[string]bool{}}
	if problem := newer(root); problem != nil {
		return nil, []Problem{*problem}
	}
	w.root(root)
	w.rules()
	if len(w.problems) > 0 {
		return nil, ordered(w.problems)
	}
	w.cfg.Device.ID = strings.ToUpper(w.cfg.Device.ID)
	slices.SortStableFunc(w.cfg.settings, func(a, b Setting) int { return cmp.Compare(a.Line, b.Line) })
	return w.cfg, nil
}

func ordered(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], Problem{Got: fmt.Sprintf("%d more problems", more)})
	}
	return problems
}

// document is the root of the one document of the file.
func document(file []byte) (*yaml.Node, *Problem) {
	if p := readable(file); p != nil {
		return nil, p
	}
	d := yaml.NewDecoder(bytes.NewReader(file))
	var first, second yaml.Node
	err := d.Decode(&first)
	if errors.Is(err, io.EOF) {
		return nil, &Problem{Got: "an empty file", Want: "a configuration", Hint: "canseal config init writes one"}
	}
	if err == nil {
		err = d.Decode(&second)
		if err == nil {
			return nil, &Problem{Line: second.Line, Column: second.Column, Got: "a second document", Want: "one", Hint: "remove the line --- and what follows"}
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, syntax(file, err)
	}
	return first.Content[0], nil
}

// readable finds what makes a file no text at all.
func readable(file []byte) *Problem {
	const want = "UTF-8 text"
	switch {
	case len(file) > MaxSize:
		return &Problem{Got: fmt.Sprintf("%d bytes", len(file)), Want: fmt.Sprintf("at most %d", MaxSize)}
	case bytes.HasPrefix(file, []byte("\xff\xfe")), bytes.HasPrefix(file, []byte("\xfe\xff")), len(file) > 1 && (file[0] == 0) != (file[1] == 0):
		return &Problem{Got: "UTF-16 text", Want: want, Hint: "save the file as UTF-8"}
	case !utf8.Valid(file):
		return &Problem{Line: 1 + bytes.Count(file[:invalid(file)], []byte("\n")), Column: 1, Got: "bytes that are not UTF-8", Want: want}
	}
	return nil
}

// invalid is the place of the first byte that is not UTF-8.
func invalid(file []byte) (at int) {
	for at < len(file) {
		r, size := utf8.DecodeRune(file[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// quoted is what a message of package yaml may quote from the file: the name
// of an anchor, which may be a secret that starts with a star.
var quoted = regexp.MustCompile(`'[^' ]{2,}'`)

// syntax is the problem of a file that is not YAML.
func syntax(file []byte, err error) *Problem {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	if _, rest, ok := strings.Cut(what, ": "); ok && strings.HasPrefix(what, "line ") {
		what = rest
	}
	line, text := firstBad(file)
	p := &Problem{Line: line, Column: 1, Got: "no YAML: " + quoted.ReplaceAllString(what, "…"), Want: "YAML"}
	p.Hint = "look at the indentation, colons, quotes and brackets of this line"
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	switch {
	case strings.Contains(text[:indent], "\t"):
		p.Hint = "indent with blanks, not with tabs"
	case special.MatchString(text):
		p.Hint = "a value that starts with one of * & @ % ` ! needs quotes"
	}
	return p
}

var special = regexp.MustCompile("[:-] +[*&@%`!]")

// firstBad is the line behind the longest start of the file that is YAML: that
// is where a person has to look, while the parser names the start of the
// section, or the end of the file. The search is a bisection; since a start
// may end inside a list or text of several lines, it looks a few lines
// further, but not in a file so large that this takes seconds.
func firstBad(file []byte) (line int, text string) {
	ahead := 8
	if len(file) > MaxSize/8 {
		ahead = 1
	}
	lines := strings.SplitAfter(string(file), "\n")
	good, bad := 0, len(lines)
	for bad-good > 1 {
		middle := (good + bad) / 2
		if n := firstGood(lines, middle, min(middle+ahead, bad)); n > 0 {
			good = n
		} else {
			bad = middle
		}
	}
	return good + 1, lines[good]
}

// firstGood is the least n from..to-1 for which the first n lines are YAML, or
// 0.
func firstGood(lines []string, from, to int) int {
	for n := from; n < to; n++ {
		if isYAML(lines[:n]) {
			return n
		}
	}
	return 0
}

func isYAML(lines []string) bool {
	var n yaml.Node
	return yaml.Unmarshal([]byte(strings.Join(lines, "")), &n) == nil
}

// newer refuses a file of a later version at once: what else it says cannot be
// judged.
func newer(root *yaml.Node) *Problem {
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if n, err := strconv.Atoi(value.Value); key.Value == "version" && err == nil && n > Version {
			return &Problem{
				Path: "version", Line: value.Line, Column: value.Column, Got: quote(value.Value), Want: strconv.Itoa(Version),
				Hint: "the file is newer than this program: update the program",
			}
		}
	}
	return nil
}

// login is the user and password of a URL.
var login = regexp.MustCompile(`//[^/@]*@`)

// quote shows a text of the file, without passwords and cut to a readable
// length.
func quote(text string) string {
	text = login.ReplaceAllString(text, "//…@")
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:59]) + "…"
	}
	return strconv.Quote(text)
}
