package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"canseal/segment"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"canseal": main})
}

// The scripts say what an operator types and sees.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:       filepath.Join("testdata", "script"),
		Condition: broker,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"age":     sealAge,
			"daemon":  daemon,
			"hear":    hear,
			"waits":   waits,
			"exits":   exits,
			"flip":    flip,
			"cut":     cut,
			"pattern": pattern,
			"strip":   strip,
		},
	})
}

// exits runs a program and wants an exit code: exits CODE PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
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

// pattern wants exactly so many names: pattern COUNT GLOB.
func pattern(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if fmt.Sprint(len(names)) != args[0] {
		ts.Fatalf("%s: found %d names %v, wanted %s", args[1], len(names), names, args[0])
	}
}

// strip takes the signatures out of a seal.log, and makes its chain anew: strip FILE.
func strip(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	content, err := os.ReadFile(name)
	ts.Check(err)
	var out []byte
	prev := ""
	for line := range strings.Lines(string(content)) {
		s, err := segment.ParseSeal([]byte(line))
		ts.Check(err)
		if s.Raw, s.Key, s.Sig = nil, "", ""; prev != "" {
			s.Prev = prev
		}
		prev = s.Hash()
		out = append(out, s.Encode()...)
	}
	ts.Check(os.WriteFile(name, out, 0o644))
}
