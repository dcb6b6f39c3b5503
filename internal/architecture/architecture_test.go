package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// mayImport is the import table: for each package of ours (longest matching
// pattern wins) the packages of ours that it may import directly.
var mayImport = map[string][]string{
	"can":                    {},
	"can/socketcan":          {"can"},
	"can/sim":                {"can"},
	"mdf":                    {"can"},
	"mdf/buslog":             {"can", "mdf"},
	"mdf/container":          {},
	"cancrypt":               {"can"},
	"cancrypt/offline":       {"can", "cancrypt", "mdf"},
	"cancrypt/simulate":      {"can", "cancrypt"},
	"cancrypt/node":          {"can", "cancrypt", "internal/*"},
	"segment":                {"internal/durable"},
	"logger":                 {"segment", "cancrypt", "mdf", "can", "internal/*"},
	"uploader":               {"segment", "internal/*"},
	"uploader/s3":            {"uploader", "certs", "internal/*"},
	"certs":                  {"internal/*"},
	"config":                 {"internal/*"},
	"config/ota":             {"internal/*"},
	"decode":                 {"mdf", "can", "decode/dbc", "decode/j1939", "decode/isotp"},
	"decode/dbc":             {"can"},
	"decode/j1939":           {"can", "decode/internal/*"},
	"decode/isotp":           {"can", "decode/internal/*"},
	"decode/input":           {"can", "mdf", "mdf/*"},
	"decode/table":           {"can", "mdf", "decode", "decode/dbc"},
	"decode/text":            {"can", "decode/table"},
	"decode/parquet":         {"decode/table"},
	"decode/folder":          {},
	"decode/plot":            {},
	"decode/bucket":          {"decode/input", "uploader", "uploader/s3"},
	"decode/internal/*":      {},
	"link/control":           {},
	"link/mqtt":              {"can"},
	"link/probe":             {"can"},
	"internal/*":             {"internal/*"},
	"internal/mix":           {"can"},
	"internal/*/*":           {"internal/*", "internal/*/*"},
	"cmd/internal/appliance": {"can", "can/*", "cancrypt", "cancrypt/node", "mdf", "segment", "logger", "uploader", "uploader/s3", "certs", "config", "link/*", "config/ota", "internal/*"},
	"cmd/internal/reach":     {"certs", "config", "internal/*", "uploader/s3"},
	"cmd/internal/vouch":     {"certs", "segment", "internal/*"},
	"cmd/*":                  {"*", "*/*", "cmd/internal/*"},
}

// owners are the outside modules and who may import them, tests aside.
var owners = map[string][]string{
	"github.com/minio/minio-go/v7":   {"uploader/s3"},
	"go.mozilla.org/pkcs7":           {"certs"},
	"github.com/brutella/can":        {"can/socketcan"},
	"github.com/klauspost/compress":  {"mdf", "mdf/buslog", "decode/parquet"},
	"github.com/pierrec/lz4/v4":      {"mdf/buslog"},
	"github.com/apache/arrow/go":     {"decode/parquet"},
	"github.com/pion/dtls/v3":        {"link/probe"},
	"go.bug.st/serial":               {"link/probe"},
	"github.com/eclipse/paho.golang": {"link/mqtt"},
	"github.com/flynn/noise":         {"link/control"},
	"golang.org/x/crypto":            {"link/control"},
	"gopkg.in/yaml.v3":               {"config"},
	"github.com/spf13/cobra":         {"cmd/canseal", "cmd/canseald", "cmd/candecode", "cmd/internal/reach", "cmd/internal/vouch"},
	"filippo.io/age":                 {"cancrypt/node"},
	"golang.org/x/sys":               {"can/socketcan", "internal/durable", "internal/clock", "internal/terminal", "internal/vmtest", "internal/vmtest/vminit", "internal/vmtest/slcan"},
}

// neverLinked are the packages that a program must not hold, however deep.
var neverLinked = map[string][]string{
	"cmd/canseald":  {"canseal/internal/s3test", "canseal/can/sim", "canseal/cancrypt/simulate", "github.com/apache/arrow"},
	"cmd/canseal":   {"github.com/apache/arrow"},
	"cmd/candecode": {"canseal/logger", "canseal/internal/s3test", "canseal/can/socketcan"},
}

const module = "canseal"

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestPackagesImportOnlyWhatTheTableAllows(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := ours(p.ImportPath)
		allowed, ok := lookup(name)
		if !ok {
			t.Errorf("%s stands in no row of the import table", name)
		}
		for _, imp := range p.Imports {
			if target := ours(imp); target != "" && !matchesAny(allowed, target) {
				t.Errorf("%s imports %s; it may import %v", name, target, allowed)
			}
		}
	}
}

func TestEachLibraryHasItsOwner(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := ours(p.ImportPath)
		for _, imp := range p.Imports {
			if ours(imp) != "" || !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
				continue
			}
			if !allowedLibrary(name, imp) {
				t.Errorf("%s imports %s, which is not its own", name, imp)
			}
		}
	}
}

func TestProgramsDoNotLinkWhatTheyMustNot(t *testing.T) {
	for program, never := range neverLinked {
		for _, p := range list(t, "-deps", "./"+program) {
			for _, bad := range never {
				if strings.HasPrefix(p.ImportPath, bad) {
					t.Errorf("%s links %s", program, p.ImportPath)
				}
			}
		}
	}
}

func allowedLibrary(name, imp string) bool {
	for library, who := range owners {
		if imp == library || strings.HasPrefix(imp, library+"/") {
			return slices.Contains(who, name)
		}
	}
	return false
}

// lookup finds the row of a package: by its own name, else by pattern.
func lookup(name string) ([]string, bool) {
	if allowed, ok := mayImport[name]; ok {
		return allowed, true
	}
	for pattern, allowed := range mayImport {
		if ok, _ := path.Match(pattern, name); ok {
			return allowed, true
		}
	}
	return nil, false
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

// ours returns the name below the module, "" for packages of others.
func ours(importPath string) string {
	name, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	return name
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports"}, args...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
