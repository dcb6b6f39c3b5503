// Canseald is the appliance's daemon: it records CAN buses onto a card and
// uploads what it has sealed.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/segment"
)

func main() {
	leaveRoomForCapture()
	log.SetOutput(io.Discard) // net/http puts a server's words there
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// leaveRoomForCapture lets one goroutine more run than there are processors. The
// thread that compresses has the lowest priority: where another program keeps the
// only processor busy, it would hold the right to run Go for seconds without
// running, and the thread that captures would wait for it while frames are lost.
func leaveRoomForCapture() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	}
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, grace, stop := stopSignals()
	defer stop()
	cmd := command(grace, stderr)
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "canseald: %v\n", err)
	}
	return appliance.ExitCode(err)
}

// inTerminal tells whether a terminal controls this program: then SIGHUP says
// that it closes, else that the card is to be read again.
func inTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// reloads gives SIGHUP to a program without a terminal.
func reloads() <-chan os.Signal {
	if signal.Ignored(syscall.SIGHUP) || inTerminal() {
		return nil
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// stopSignals returns two contexts: ctx ends at the first SIGTERM, SIGINT or
// SIGHUP (a terminal that closes), grace at the second. Grace bounds the services' last work, never the seal.
func stopSignals() (ctx, grace context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	grace, hurry := context.WithCancel(context.Background())
	signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more must not end the recording
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	if !signal.Ignored(syscall.SIGHUP) && inTerminal() { // not with nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		for range signals {
			if ctx.Err() != nil {
				hurry()
			}
			cancel()
		}
	}()
	return ctx, grace, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
		hurry()
	}
}

func command(grace context.Context, stderr io.Writer) *cobra.Command {
	var o appliance.Options
	cmd := &cobra.Command{
		Use:   "canseald",
		Short: "record CAN buses onto a card and upload what is sealed",
		Long: `Canseald records the CAN buses that config.yaml names into MDF4 segments below ROOT/LOG
and uploads each sealed segment to the S3 bucket that config.yaml names, exactly once.

SIGTERM seals the running segment, offers it for upload and ends; a second one skips the upload.
SIGPWR (the power is about to go) seals and offers it too, as canseal rotate --final does, and goes on
with the next frame; device.json and the log tell how long it took.
SIGHUP reads the card again, as canseal config reload does; in a terminal it ends the program.
` + appliance.ExitCodesHelp,
		Example:       "  canseald --root /media/card --state /var/lib/canseal",
		Args:          cobra.NoArgs,
		Version:       appliance.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var level slog.LevelVar
			o.Log, o.Level = appliance.NewLog(stderr, &level), &level
			if os.Getenv(promisesVariable) == "1" {
				o.Synced = promiseOn(cmd.OutOrStdout())
			}
			o.PowerFails, o.Reloads = powerFails(), reloads()
			return appliance.Run(cmd.Context(), grace, o)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return appliance.Usage(err) })
	cmd.Flags().StringVar(&o.Root, "root", appliance.DefaultRoot, "the card's folder")
	cmd.Flags().StringVar(&o.ConfigFile, "config", "", "configuration file (default ROOT/config.yaml)")
	cmd.Flags().StringVar(&o.StateDir, "state", "", "folder of secrets and counters (default $STATE_DIRECTORY, else ROOT/state)")
	return cmd
}

// promisesVariable, set to 1, makes canseald print each of its promises. Tests
// that cut the power hold it to them; it is no part of the program's interface.
const promisesVariable = "CANSEAL_PROMISES"

// promiseOn prints "PROMISE SESSION SPLIT FRAMES" after each sync: so many
// frames of this segment survive whatever happens from now on.
func promiseOn(w io.Writer) func(segment.Name, uint64) {
	return func(n segment.Name, frames uint64) {
		fmt.Fprintf(w, "PROMISE %d %d %d\n", n.Session, n.Split, frames)
	}
}
