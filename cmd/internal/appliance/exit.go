package appliance

import (
	"errors"
	"fmt"
)

// Version of the program, MAJOR.MINOR.PATCH.
const Version = "0.1.0"

// DefaultRoot is where the card is looked for.
const DefaultRoot = "/var/lib/canseal"

// Exit codes of the programs.
const (
	ExitOK       = 0
	ExitFailure  = 1 // something did not work, or a comparison found a difference
	ExitUsage    = 2 // the command line is wrong
	ExitConfig   = 3 // the configuration is wrong, or asks for what this version does not do
	ExitLocked   = 4 // another canseald works with this state folder
	ExitNoDaemon = 5 // no canseald is running
)

// ExitCodesHelp is the part of --help that names the codes.
const ExitCodesHelp = `
Exit codes: 0 done; 1 failed; 2 wrong command line; 3 wrong configuration;
4 another canseald works with this state folder; 5 no canseald is running.`

// exitError carries its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// WithExit gives an error an exit code.
func WithExit(code int, err error) error { return &exitError{code, err} }

// Usage marks an error of the command line.
func Usage(err error) error { return &exitError{ExitUsage, fmt.Errorf("%w (see --help)", err)} }

// ExitCode returns the exit code for what a command has returned.
func ExitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, ErrNotRunning):
		return ExitNoDaemon
	default:
		return ExitFailure
	}
}
