package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// withKeys is a configuration with these two lines for the keys.
func withKeys(access, secret string) string {
	return "version: 1\nbuses: [{interface: can0}]\nupload:\n  mode: medium\n  endpoint: https://store.example\n  bucket: trucks\n" +
		"  access_key: " + access + "\n  secret_key: " + secret + "\n"
}

// No way of printing a secret, or anything that holds one, shows it.
func TestSecretsArePrintedAsSuch(t *testing.T) {
	c := parsed(t, withKeys("AKhunter2", "hunter2"))
	s := c.Upload.SecretKey
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	logger.Info("x", "secret", s, "config", c, "in", struct{ s Secret }{s})
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s, "upload", c.Upload)
	printed := []string{
		logged.String(), s.String(), s.GoString(), s.Source(), fmt.Sprint(c.NonDefaults(), c.Warnings(), c.Touches(Default())),
		fmt.Sprint(errors.New("x"), s), told([]Problem{{Got: fmt.Sprint(s)}}),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		for _, x := range []any{s, &s, c, *c, c.Upload, []Secret{s}, map[string]Secret{"k": s}, struct{ s Secret }{s}, struct{ p *Secret }{&s}} {
			printed = append(printed, fmt.Sprintf(verb, x))
		}
	}
	asJSON, _ := json.Marshal(c)
	asYAML, _ := yaml.Marshal(c.Upload)
	for _, text := range append(printed, string(asJSON), string(asYAML)) {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74") || strings.Contains(text, "68756E74") {
			t.Errorf("printed: %s", text)
		}
	}
	if !strings.Contains(string(asJSON), redacted) || fmt.Sprintf("%+v", s) != redacted {
		t.Errorf("%s, %+v", asJSON, s)
	}
}

// A damaged secret is not quoted, and the error says what to do.
func TestADamagedSecretNamesTheRemedy(t *testing.T) {
	_, err := oneLine("state folder", []byte("hunter2\nhunter3\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "write the secret") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v", err)
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stored := func(content string, err error) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(content), err }
	}
	vars := map[string]string{"KEY": "of the variable"}
	for name, row := range map[string]struct {
		key    string
		stored func() ([]byte, error)
		want   string
		err    error
	}{
		"by value":               {key: "hunter2", want: "hunter2"},
		"by value in quotes":     {key: `"hunter\"2"`, want: `hunter"2`},
		"by value, a number":     {key: "0123", want: "0123"},
		"stored":                 {key: "stored", stored: stored("of the state folder\n", nil), want: "of the state folder"},
		"stored, and not there":  {key: "stored", stored: stored("", os.ErrNotExist), err: os.ErrNotExist},
		"stored, and empty":      {key: "stored", stored: stored("\n", nil), err: ErrNoSecret},
		"of a file":              {key: "{file: " + file("good", "of the file\r\n", 0o600) + "}", want: "of the file"},
		"of a missing file":      {key: "{file: " + dir + "/none}", err: os.ErrNotExist},
		"of an empty file":       {key: "{file: " + file("empty", "", 0o600) + "}", err: ErrNoSecret},
		"of a variable":          {key: "{env: KEY}", want: "of the variable"},
		"of a variable not set":  {key: "{env: NONE}", err: ErrNoSecret},
		"of a file open to many": {key: "{file: " + file("open", "x", 0o640) + "}", err: ErrExposed},
	} {
		t.Run(name, func(t *testing.T) {
			if row.err == ErrExposed && runtime.GOOS == "windows" {
				t.Skip("files have no modes here")
			}
			got, err := parsed(t, withKeys("AK", row.key)).Upload.SecretKey.Resolve(row.stored, func(name string) string { return vars[name] })
			if got != row.want || !errors.Is(err, row.err) {
				t.Errorf("%q, %v; wanted %q, %v", got, err, row.want, row.err)
			}
		})
	}
	for name, path := range map[string]string{"two lines": file("two", "a\nb\n", 0o600), "too long": file("long", strings.Repeat("x", 1<<20), 0o600), "a folder": dir} {
		if got, err := parsed(t, withKeys("AK", "{file: "+path+"}")).Upload.SecretKey.Resolve(nil, nil); err == nil || got != "" {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := (Secret{}).Resolve(nil, nil); !errors.Is(err, ErrNoSecret) {
		t.Error(err)
	}
}

// Only the secret changes, to the byte. It stands at @.
func TestAdopt(t *testing.T) {
	texts := map[string]string{
		"block style":         withKeys("AK", "@"),
		"with a comment":      withKeys("AK", "@   # of the truck"),
		"CRLF":                strings.ReplaceAll(withKeys("AK", "@"), "\n", "\r\n"),
		"byte order mark":     "\ufeff" + withKeys("AK", "@"),
		"byte order mark, 1":  "\ufeff" + `{"upload": {"secret_key": @}}`,
		"flow style":          "upload: {access_key: hunter2, secret_key: @, region: hunter2}\n",
		"behind wide letters": `{"device": {"meta": "bücher 温度 🚚"}, "upload": {"secret_key": @}}`,
		"on the next line":    withKeys("AK", "\n      @"),
		"no line end":         strings.TrimSuffix(withKeys("AK", "@"), "\n"),
		"the same twice":      withKeys("hunter2", "@"),
		"another order":       "upload:\n  secret_key: @\n  mode: medium\nversion: 1\n",
		"the reference":       strings.Replace(string(example()), "secret_key: stored", "secret_key: @", 1),
	}
	for name, text := range texts {
		for _, written := range []string{"hunter2", `"hunter2"`, "'hunter2'", `"h\"2 # \\"`, `'h''2 # "'`, `"\u0041\x42"`, "a/b+c=", `"stored:"`, "p@ss"} {
			got, err := Adopt([]byte(strings.Replace(text, "@", written, 1)), "upload.secret_key")
			if want := strings.Replace(text, "@", "stored", 1); err != nil || string(got) != want {
				t.Errorf("%s, %s: %v\n%s\nwanted:\n%s", name, written, err, got, want)
			}
		}
	}
}

func TestNotAdopted(t *testing.T) {
	for name, text := range map[string]string{
		"no secret":      smallest,
		"by file":        withKeys("AK", "{file: /x}"),
		"several lines":  withKeys("AK", "\"hunter2\n   hunter3\""),
		"block":          withKeys("AK", "|\n    hunter2"),
		"an anchor":      withKeys("AK", "&a hunter2"),
		"no YAML":        "{",
		"another secret": withKeys("AK", ""),
	} {
		if got, err := Adopt([]byte(text), "upload.secret_key"); err == nil || got != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	if got, err := Adopt([]byte(withKeys("AK", "stored")), "upload.secret_key"); err != nil || string(got) != withKeys("AK", "stored") {
		t.Errorf("adopted again: %v\n%s", err, got)
	}
}
