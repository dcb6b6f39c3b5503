// Canseal is the operator's tool: it asks the daemon, prepares and reads
// cards, and demonstrates the whole way from a bus to a bucket.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
)

func main() {
	log.SetOutput(io.Discard) // net/http puts a server's words there
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintf(stderr, "canseal: %v\n", err)
	}
	return appliance.ExitCode(err)
}

// errReported ends a command whose output has already said what is wrong.
var errReported = errors.New("failed")

// place is where a command finds the card and the daemon.
type place struct {
	root, state string
	cmd         *cobra.Command
}

func (p *place) flags(cmd *cobra.Command) {
	p.cmd = cmd
	cmd.Flags().StringVar(&p.root, "root", appliance.DefaultRoot, "the card's folder")
	cmd.Flags().StringVar(&p.state, "state", "", "the daemon's state folder (default $STATE_DIRECTORY, else ROOT/state)")
}

// stateDir is the state folder as the daemon chooses it.
func (p *place) stateDir() string { return appliance.StateDir(p.root, p.state) }

// far tells whether the daemon is that of another machine.
func (p *place) far() bool { return flagOf(p.cmd, "remote") != "" }

// daemon connects to the daemon of this place.
func (p *place) daemon() (*appliance.Client, error) {
	if p.far() {
		return dialRemote(p.cmd)
	}
	return appliance.Dial(p.stateDir())
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "canseal",
		Short: "operate a canseal logger, and read its cards",
		Long: `Canseal operates a canseal logger: it asks the running daemon, prepares cards, checks what they hold,
and demonstrates the whole way from a bus to a bucket on one machine.
` + appliance.ExitCodesHelp,
		Example:       "  canseal demo\n  canseal status --watch\n  canseal verify /media/card",
		Version:       appliance.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	remoteFlags(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return appliance.Usage(err) })
	root.AddCommand(demoCommand(), statusCommand(), segmentsCommand(), rotateCommand(), configCommand(), s3Command(), clockCommand(), verifyCommand(), judgeCommand(), certsCommand(), repairCommand(), simulateCommand(), keysCommand(), pairCommand(), tailCommand(), tokenCommand(), probeCommand())
	wrapArgs(root)
	return root
}

// wrapArgs makes a wrong number of arguments, and a command that is none, an
// error of the command line.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if cmd.HasSubCommands() {
		check = func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("no command %q", args[0])
			}
			return nil
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return appliance.Usage(argumentError(cmd, err))
		}
		return nil
	}
	for _, c := range cmd.Commands() {
		wrapArgs(c)
	}
}

// argumentError shows how a command is written, with its arguments if it has any.
func argumentError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() {
		return err
	}
	return fmt.Errorf("%w; wanted: %s", err, strings.TrimSuffix(cmd.UseLine(), " [flags]"))
}

// isTerminal tells whether a person is looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printable keeps what others have written from ruling the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// absolute cleans a path for people to copy.
func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}
