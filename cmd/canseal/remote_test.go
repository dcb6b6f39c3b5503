package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"canseal/can/sim"
	"canseal/cmd/internal/appliance"
)

// daemon runs a logger on a simulated bus until the script ends: daemon CARD
// [FILE...]. In the card's config.yaml, and the other files, LISTEN is a free
// address, which the script finds as $LOGGER, PORT its port, TOKEN the script's
// file token, and WORK the script's folder.
func daemon(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := l.Addr().String()
	l.Close()
	ts.Setenv("LOGGER", address)
	_, port, _ := net.SplitHostPort(address)
	card, token := ts.MkAbs(args[0]), ts.MkAbs("token")
	_ = os.Chmod(token, 0o600) // where there is one
	words := strings.NewReplacer("LISTEN", address, "PORT", port, "TOKEN", token, "WORK", ts.MkAbs("."))
	listens := false
	for _, file := range append([]string{filepath.Join(card, "config.yaml")}, args[1:]...) {
		file = ts.MkAbs(file)
		text, err := os.ReadFile(file)
		ts.Check(err)
		listens = listens || filepath.Base(file) == "config.yaml" && strings.Contains(string(text), `listen: "LISTEN"`)
		ts.Check(os.WriteFile(file, []byte(words.Replace(string(text))), 0o600))
	}
	a, err := appliance.Build(context.Background(), appliance.Options{
		Root: card, StateDir: filepath.Join(card, "state"), Source: sim.New(sim.Options{Seed: 1, Rate: 200, Pace: 1}),
	})
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx, ctx) })
	ts.Defer(func() { stop(); running.Wait() })
	for end := time.Now().Add(20 * time.Second); listens && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f := a.Facts(); f.Link != nil && f.Link.Control != nil {
			break
		}
	}
}

// broker finds mosquitto and its client, for scripts that begin with
// [!broker] skip.
func broker(condition string) (bool, error) {
	if condition != "broker" {
		return false, fmt.Errorf("unknown condition %q", condition)
	}
	for _, name := range []string{"mosquitto", "mosquitto_sub"} {
		if _, err := installed(name); err != nil {
			if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
				return false, err
			}
			return false, nil
		}
	}
	return true, nil
}

// installed finds a program, also where administrators have theirs.
func installed(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// hear waits for a message of a topic, and prints it: hear TOPIC. It is the
// client dashboard of the broker at $LOGGER.
func hear(ts *testscript.TestScript, _ bool, args []string) {
	_, port, err := net.SplitHostPort(ts.Getenv("LOGGER"))
	ts.Check(err)
	sub, err := installed("mosquitto_sub")
	ts.Check(err)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(sub, "-h", "127.0.0.1", "-p", port, "--cafile", ts.MkAbs("ca.crt"),
			"--cert", ts.MkAbs("dashboard.crt"), "--key", ts.MkAbs("dashboard.key"), "-t", args[0], "-C", "1", "-W", "5")
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing of %s is heard: %v", args[0], err)
		}
	}
}

// waits wants a file to match some time: waits PATTERN FILE.
func waits(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[1]))
		if err == nil && want.Match(text) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not match %s: %s (%v)", args[1], args[0], text, err)
		}
	}
}
