package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"canseal/can/sim"
	"canseal/cmd/internal/appliance"
)

// daemon runs a logger on a simulated bus until the script ends: daemon CARD.
// In the card's config.yaml LISTEN is a free address, which the script finds as
// $LOGGER, and TOKEN the script's file token.
func daemon(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := l.Addr().String()
	l.Close()
	ts.Setenv("LOGGER", address)
	card, token := ts.MkAbs(args[0]), ts.MkAbs("token")
	ts.Check(os.Chmod(token, 0o600))
	config := filepath.Join(card, "config.yaml")
	text, err := os.ReadFile(config)
	ts.Check(err)
	text = []byte(strings.NewReplacer("LISTEN", address, "TOKEN", token).Replace(string(text)))
	ts.Check(os.WriteFile(config, text, 0o600))
	a, err := appliance.Build(context.Background(), appliance.Options{
		Root: card, StateDir: filepath.Join(card, "state"), Source: sim.New(sim.Options{Seed: 1, Rate: 200, Pace: 1}),
	})
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx, ctx) })
	ts.Defer(func() { stop(); running.Wait() })
}
