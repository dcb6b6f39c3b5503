package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"canseal/cmd/internal/appliance"
	"canseal/internal/samples"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"candecode": main})
}

// The scripts say what a user types and sees.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: os.Getenv("CANSEAL_UPDATE") != "",
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "flip": flip, "cut": cut, "card": makeCard},
	})
}

// exits runs a program and wants an exit code: exits CODE PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = err.Error()
	}
	if want := args[0]; got != "exit status "+want && got != want {
		ts.Fatalf("%v: %s, wanted exit code %s", args[1:], got, want)
	}
}

// flip changes one bit: flip FILE OFFSET.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	content, err := os.ReadFile(name)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	content[at] ^= 1
	ts.Check(os.WriteFile(name, content, 0o644))
}

// cut shortens a file by so many bytes: cut FILE BYTES.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	info, err := os.Stat(name)
	ts.Check(err)
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(name, info.Size()-n))
}

func TestTheVersionIsThatOfTheOtherPrograms(t *testing.T) {
	if version != appliance.Version {
		t.Errorf("candecode %s, canseal %s", version, appliance.Version)
	}
}

// candecode runs the program in this process.
func candecode(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if code := run(args, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
	return out.String(), errs.String()
}

// logFacts is what other programs find in a log of a real vehicle.
type logFacts struct {
	File    string
	Candump struct{ SHA256 string }
}

func sampleLogs(t *testing.T) (all []logFacts) {
	t.Helper()
	samples.JSON(t, "expected/logs.json", &all)
	if len(all) == 0 {
		t.Fatal("no logs")
	}
	return all
}

func TestLogsOfVehiclesAsCandumpTextAreWhatOthersFindInThem(t *testing.T) {
	for _, log := range sampleLogs(t) {
		out, _ := candecode(t, "-q", "--format", "candump", filepath.Join(samples.Dir(t), filepath.FromSlash(log.File)))
		sum := sha256.Sum256([]byte(strings.ReplaceAll(out, " T\n", "\n"))) // the others do not tell who sent
		if got := hex.EncodeToString(sum[:]); got != log.Candump.SHA256 {
			t.Errorf("%s: SHA-256 %s, wanted %s", log.File, got, log.Candump.SHA256)
		}
	}
}

// mixed holds frames of every kind.
const mixed = `(1735270496.916858) can0 110#00112233
(1735270497.000001) can1 18FEF1FE#0011223344556677
(1735270497.100001) can0 123#R
(1735270497.100002) can0 123#R4
(1735270497.100003) can0 123##51122334455667788
(1735270497.100004) can0 1FFFFFFF##7112233445566778899AABBCC
(1735270497.100005) can0 20000040#0000000000000000
(1735270497.100006) can0 123#1122334455667788_C
(1735270498.100007) can1 7FF#11 T
(1735289999.100007) can1 00000001#
`

func TestASCIsWhatLog2ascWrites(t *testing.T) {
	log2asc, err := exec.LookPath("log2asc")
	if err != nil {
		absent(t, "peers", "can-utils", err)
	}
	inputs := []string{filepath.Join(t.TempDir(), "mixed.log")}
	if err := os.WriteFile(inputs[0], []byte(mixed), 0o666); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("CANSEAL_SAMPLES"); dir != "" || exists("../../../shared/samples") {
		inputs = append(inputs, filepath.Join(samples.Dir(t), "candump", "obd2-uds-car.log"))
	}
	for _, name := range inputs {
		cmd := exec.Command(log2asc, "-I", name, "can0", "can1", "can2", "can3", "can4", "can5", "can6", "can7", "can8")
		cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got, _ := candecode(t, "-q", "--format", "asc", name)
		if got != string(want) {
			t.Errorf("%s: %s", name, difference(got, string(want)))
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// difference names the first line that differs.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got\n" + g[i] + "\nwanted\n" + w[i]
		}
	}
	return "one is longer"
}

// absent skips a test that wants a program of others, or fails it if
// CANSEAL_REQUIRE holds word.
func absent(t *testing.T, word, what string, err error) {
	t.Helper()
	if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), word) {
		t.Fatalf("%s not run: %s: %v", t.Name(), what, err)
	}
	t.Skipf("%s not run: %s: %v", t.Name(), what, err)
}

func TestCandumpTextOfCandumpTextIsTheSame(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mixed.log")
	if err := os.WriteFile(name, []byte(mixed), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, _ := candecode(t, "-q", "--format", "candump", name); out != mixed {
		t.Error(difference(out, mixed))
	}
}
