// Candecode turns recordings of CAN buses into what people open: tables of
// signals, and logs of other tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/reach"
)

const version = "0.1.0" // MAJOR.MINOR.PATCH, that of all programs

// Exit codes; their numbers mean the same in all programs.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitDamaged = 6 // decoded, but parts of the input could not be read
)

// memoryWanted is what the collector keeps the memory below as long as it can,
// in bytes, unless GOMEMLIMIT says otherwise.
const memoryWanted = 192 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryWanted)
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	var usage usageError
	var lacking *reach.UsageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errDamaged): // the summary has said what
		return exitDamaged
	case errors.As(err, &usage), errors.As(err, &lacking):
		fmt.Fprintf(stderr, "candecode: %s (see --help)\n", shown(err.Error()))
		return exitUsage
	}
	fmt.Fprintf(stderr, "candecode: %s\n", shown(err.Error()))
	return exitFailure
}

// errDamaged ends a run that could not read all of its input.
var errDamaged = errors.New("parts of the input could not be read")

// usageError is an error of the command line.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func command() *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use:   "candecode [flags] INPUT...",
		Short: "turn recordings of CAN buses into tables and logs",
		Long: `Candecode reads recordings of CAN buses and writes tables of signals, or logs for other tools.

An INPUT is a file, a glob, a folder with all below it, a whole card, s3://BUCKET/FOLDER, or - for standard input:
MF4 files of canseal and others in any state, containers of the CANedge, candump logs. Segments of one session are
joined in order. Of a bucket only those objects are fetched that --device, --from and --to do not exclude by their keys.

Formats:
  csv       a folder of tables, a file for each message and day; wants --dbc and -o
  parquet   the same, typed and compressed, for DuckDB, Spark, Athena, pandas, Polars
  arrow     the same as Arrow IPC files
  candump   the text that canplayer takes
  asc       the text that log2asc makes
  raw-csv   a line for each frame
or --plot FILE.html: a page that draws the signals, and shades what is missing or not authentic.
Beside the tables of messages stand canseal_unknown (frames that no DBC file knows), canseal_gaps (frames known to be
missing) and canseal_verdicts (verdicts that were settled later).

Exit codes: 0 done; 1 failed; 2 wrong command line; 6 done, but parts of the input could not be read,
or --verify found changed ones.`,
		Example: `  candecode --dbc car.dbc -o tables /media/card
  candecode --dbc can0=engine.dbc --dbc can1=body.dbc --format csv -o tables 'LOG/*/00000017/*.MF4'
  candecode --format candump 00000001.MF4 | canplayer vcan0=can0
  candecode --dbc car.dbc --signals 'Engine*' --plot drive.html 00000001.MF4
  candecode --dbc car.dbc -o tables --endpoint-url https://s3.example.com --device A1B2C3D4 --from 2026-11-20 s3://fleet
  candecode --format asc -o drive.asc --from 2026-11-20T08:00:00Z --to 2026-11-20T09:00:00Z LOG`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("wanted: what to decode")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return decodeAll(cmd, &f, args) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f.register(cmd)
	return cmd
}
