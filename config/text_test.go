package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"gopkg.in/yaml.v3"
)

// smallest is about the smallest configuration that holds.
const smallest = "version: 1\nbuses:\n  - interface: can0\nupload:\n  mode: off\n"

// parsed is a configuration that has to hold.
func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, problems := Parse([]byte(text))
	if c == nil {
		t.Fatalf("refused:\n%s", told(problems))
	}
	return c
}

func TestTakenTexts(t *testing.T) {
	for name, text := range map[string]string{
		"LF":                          smallest,
		"CRLF":                        strings.ReplaceAll(smallest, "\n", "\r\n"),
		"a byte order mark":           "\ufeff" + smallest,
		"both":                        "\ufeff" + strings.ReplaceAll(smallest, "\n", "\r\n"),
		"start and end of a document": "---\n" + smallest + "...\n",
		"no end of the last line":     strings.TrimSuffix(smallest, "\n"),
		"JSON":                        `{"version": 1, "buses": [{"interface": "can0"}], "upload": {"mode": "off"}}`,
		"off written as false":        strings.Replace(smallest, "mode: off", "mode: false", 1),
		"empty optional sections":     smallest + "log:\ntls:\n",
		"other languages":             smallest + "# Größe, 温度\n",
	} {
		t.Run(name, func(t *testing.T) {
			if c := parsed(t, text); c.Upload.Mode != ModeOff || c.Buses[0].Interface != "can0" || c.Log.SplitSize != 32e6 {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestDeviceIDIsUpperCase(t *testing.T) {
	if c := parsed(t, smallest+"device: {id: 0a1b2c3d}\n"); c.Device.ID != "0A1B2C3D" {
		t.Error(c.Device.ID)
	}
}

func TestRefusedTexts(t *testing.T) {
	utf16LE := func(text string) string {
		var b bytes.Buffer
		for _, u := range utf16.Encode([]rune(text)) {
			b.Write([]byte{byte(u), byte(u >> 8)})
		}
		return b.String()
	}
	for name, row := range map[string]struct{ text, want string }{
		"empty":                   {"", "config.yaml: found an empty file, wanted a configuration (canseal config init writes one)\n"},
		"blank":                   {" \n\n", "config.yaml: found an empty file, wanted a configuration (canseal config init writes one)\n"},
		"null":                    {"---\n", "config.yaml:2:1: found nothing, wanted keys with values: version, device, log, upload, tls, ota, cancrypt, link, buses\n"},
		"UTF-16 with a mark":      {utf16LE("\ufeff" + smallest), "config.yaml: found UTF-16 text, wanted UTF-8 text (save the file as UTF-8)\n"},
		"UTF-16 without":          {utf16LE(smallest), "config.yaml: found UTF-16 text, wanted UTF-8 text (save the file as UTF-8)\n"},
		"Latin 1":                 {"version: 1\n# Gr\xf6\xdfe\n", "config.yaml:2:1: found bytes that are not UTF-8, wanted UTF-8 text\n"},
		"too long":                {smallest + strings.Repeat("#", MaxSize), "config.yaml: found 262202 bytes, wanted at most 262144\n"},
		"a control character":     {"version: 1\x00\n", "config.yaml:1:1: found no YAML: control characters are not allowed, wanted YAML (look at the indentation, colons, quotes and brackets of this line)\n"},
		"a bad second document":   {smallest + "---\n\t[", ""},
		"quotes that never close": {"version: 1\nlog:\n  level: \"info\nupload:\n", "config.yaml:3:1: found no YAML: found unexpected end of stream, wanted YAML (look at the indentation, colons, quotes and brackets of this line)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c, problems := Parse([]byte(row.text))
			if c != nil || len(problems) == 0 {
				t.Fatal("taken")
			}
			if got := told(problems); row.want != "" && got != row.want {
				t.Errorf("told:\n%swanted:\n%s", got, row.want)
			}
		})
	}
}

// A file made to cost time or memory is refused within a second.
func TestHostileTexts(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	for name, text := range map[string]string{
		"an alias bomb":         bomb.String(),
		"deep lists":            "version: " + strings.Repeat("[", 200_000),
		"deep lists in a key":   "log: {level: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + "}",
		"deep blocks":           strings.Repeat("- ", 100_000),
		"many unknown keys":     manyLines(func(i int) string { return fmt.Sprintf("k%d: 1", i) }),
		"many keys twice":       manyLines(func(int) string { return "log: 1" }),
		"many buses":            "buses:\n" + manyLines(func(int) string { return "- {}" }),
		"many lines and a slip": manyLines(func(i int) string { return fmt.Sprintf("k%d: 1", i) })[:60_000] + "\n\tx",
		"a long key":            strings.Repeat("k", 200_000) + ": 1",
		"a long value":          "log: {level: " + strings.Repeat("v", 200_000) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, problems := Parse([]byte(text))
			if len(problems) == 0 || len(problems) > maxProblems+1 {
				t.Errorf("%d problems", len(problems))
			}
			for _, p := range problems {
				if len(p.In("config.yaml")) > 2000 {
					t.Errorf("a problem of %d bytes", len(p.In("config.yaml")))
				}
			}
			t.Logf("%d bytes: %v", len(text), time.Since(start).Round(time.Millisecond))
		})
	}
}

func manyLines(line func(int) string) string {
	var b strings.Builder
	for i := 0; b.Len() < MaxSize-100; i++ {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

// What package yaml calls an unknown key, and nothing else, is one here too.
func TestUnknownKeysAsYAMLSeesThem(t *testing.T) {
	shape := untyped(reflect.TypeFor[Config]())
	example := string(example())
	for i, line := range strings.Split(example, "\n") {
		key, _, ok := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if !ok || strings.HasPrefix(line, "#") || strings.Contains(key, "{") {
			continue
		}
		lines := strings.Split(example, "\n")
		lines[i] = strings.Replace(line, key+":", key+"x:", 1)
		text := strings.Join(lines, "\n")
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		_, problems := Parse([]byte(text))
		if err := d.Decode(reflect.New(shape).Interface()); err == nil || !strings.Contains(told(problems), "unknown key") {
			t.Errorf("line %d, %s: yaml says %v, we say\n%s", i+1, key, err, told(problems))
		}
	}
	d := yaml.NewDecoder(strings.NewReader(example))
	d.KnownFields(true)
	if err := d.Decode(reflect.New(shape).Interface()); err != nil {
		t.Error(err)
	}
}

// untyped is a struct type with the same keys, and values of any type.
func untyped(t reflect.Type) reflect.Type {
	var fields []reflect.StructField
	for i, r := range rows(t) {
		is := reflect.TypeFor[any]()
		if r.below != nil {
			is = untyped(element(r.typ))
			if r.typ.Kind() == reflect.Slice {
				is = reflect.SliceOf(is)
			}
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: is, Tag: reflect.StructTag(`yaml:"` + r.key + `"`)})
	}
	return reflect.StructOf(fields)
}

func FuzzParse(f *testing.F) {
	f.Add(Reference())
	f.Add(example())
	f.Add([]byte(smallest))
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("? {a: [1}\n"))
	f.Add([]byte("version: 1\nupload: {secret_key: \"a\\x41\\\"\"}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, problems := Parse(file)
		if (c == nil) != (len(problems) > 0) {
			t.Fatalf("%v, %v", c, problems)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > bytes.Count(file, []byte("\n"))+bytes.Count(file, []byte("\r"))+bytes.Count(file, []byte("\u2028"))+bytes.Count(file, []byte("\u2029"))+bytes.Count(file, []byte("\u0085"))+2 {
				t.Errorf("%v", p)
			}
		}
		if c != nil {
			c.Warnings()
			if touched := c.Touches(c); touched != nil {
				t.Errorf("touches itself: %v", touched)
			}
			if adopted, err := Adopt(file, "upload.secret_key"); err == nil && c.Upload.SecretKey.ByValue() {
				if again, problems := Parse(adopted); again == nil || !again.Upload.SecretKey.Stored() {
					t.Errorf("adopted:\n%s%s", adopted, told(problems))
				}
			}
		}
	})
}
