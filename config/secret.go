package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"canseal/internal/durable"
)

// Secret is a secret, or where it is to be had. It prints itself as [secret],
// whatever prints it; only Resolve tells the value.
type Secret struct {
	source secretSource
	text   *string // value, path or variable; a pointer, so that no printer meets it by reflection
}

type secretSource uint8

const (
	secretAbsent secretSource = iota
	secretValue               // text is the secret
	secretFile                // text is the path of a file
	secretEnv                 // text is the name of a variable
	secretStored              // in the state folder
)

const redacted = "[secret]"

// ErrNoSecret: the place that a configuration names has no secret.
var ErrNoSecret = errors.New("no secret there")

// maxSecret is the greatest length of a secret in bytes.
const maxSecret = 4096

// Resolve is the secret itself, from where the configuration says. stored
// reads the one in the state folder, getenv a variable. A file of a secret
// must not be open to group or others, where its file system has modes. One
// line end behind the secret is cut off.
func (s Secret) Resolve(stored func() ([]byte, error), getenv func(string) string) (string, error) {
	switch s.source {
	case secretValue:
		return *s.text, nil
	case secretFile:
		secret, err := readPrivate(*s.text)
		return oneLine("file "+*s.text, secret, err)
	case secretEnv:
		return oneLine("variable "+*s.text, []byte(getenv(*s.text)), nil)
	case secretStored:
		secret, err := stored()
		return oneLine("state folder", secret, err)
	}
	return "", fmt.Errorf("secret: %w", ErrNoSecret)
}

func oneLine(where string, secret []byte, err error) (string, error) {
	if err != nil {
		return "", fmt.Errorf("secret of %s: %w", where, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(secret), "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("secret of %s: %w", where, ErrNoSecret)
	}
	if strings.ContainsAny(text, "\r\n\x00") || len(text) > maxSecret {
		return "", fmt.Errorf("secret of %s: wanted one line of at most %d bytes; write the secret there anew, or into config.yaml once", where, maxSecret)
	}
	return text, nil
}

// ErrExposed: group or others can read or write the file of a secret.
var ErrExposed = errors.New("open to other users: chmod 600 it")

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 && durable.KeepsModes(f) {
		return nil, ErrExposed
	}
	return io.ReadAll(io.LimitReader(f, maxSecret+3))
}

// Named tells whether the configuration names a source at all.
func (s Secret) Named() bool { return s.source != secretAbsent }

// ByValue tells whether the secret stands in the configuration itself.
func (s Secret) ByValue() bool { return s.source == secretValue }

// Stored tells whether the secret is in the state folder.
func (s Secret) Stored() bool { return s.source == secretStored }

// Source says where the secret comes from, for a person: "by value",
// "file /etc/canseal.key", "variable KEY", "stored", "absent".
func (s Secret) Source() string {
	switch s.source {
	case secretValue:
		return "by value"
	case secretFile:
		return "file " + *s.text
	case secretEnv:
		return "variable " + *s.text
	case secretStored:
		return "stored"
	}
	return "absent"
}

// secret reads a secret: its value, where to have it, or the word stored.
func (w *walk) secret(n *yaml.Node, r row, s *Secret, path string) {
	want := r.wanted()
	switch {
	case n.Kind == yaml.MappingNode:
		w.secretPlace(n, s, path, want)
	case n.Kind != yaml.ScalarNode, n.Tag == "!!null", n.Value == "":
		w.problem(n, path, "no secret", want, "")
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0, strings.ContainsAny(n.Value, "\r\n\x00"), len(n.Value) > maxSecret:
		w.problem(n, path, "a text of several lines", want, "")
	case n.Value == "stored":
		s.source = secretStored
	default:
		s.source, s.text = secretValue, &n.Value
	}
}

func (w *walk) secretPlace(n *yaml.Node, s *Secret, path, want string) {
	var from secretPlace
	before := len(w.problems)
	w.section(n, reflect.ValueOf(&from).Elem(), path)
	for i := range w.problems[before:] {
		w.problems[before+i].hide(path)
	}
	switch {
	case len(w.problems) > before:
	case (from.File == "") == (from.Env == ""):
		w.problem(n, path, "a section", want, "one of file and env")
	case from.File != "":
		s.source, s.text = secretFile, &from.File
	default:
		s.source, s.text = secretEnv, &from.Env
	}
}

// hide takes what was found at and below a path out of a problem: it may be the
// secret itself, written as a key or as a path.
func (p *Problem) hide(path string) {
	if p.Path != path+".file" && p.Path != path+".env" {
		p.Path = path
	}
	p.Got = "something else"
	p.Hint = ""
}

// secretPlace is where a secret that is not in the configuration is.
type secretPlace struct {
	File string `yaml:"file" like:"/[^\\x00-\\x1f]+" want:"an absolute path"`
	Env  string `yaml:"env" like:"[A-Za-z_][A-Za-z0-9_]*" want:"the name of a variable"`
}

// Every way to print a secret ends in [secret].

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) MarshalYAML() (any, error)    { return redacted, nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
