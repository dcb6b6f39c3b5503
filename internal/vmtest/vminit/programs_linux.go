package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// exitError says how a program ended, or that it did not start.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return fmt.Sprintf("status %d: %v", e.status, e.err) }
func (e *exitError) Unwrap() error { return e.err }

// statusOf maps the error of a step to the status of the script.
func statusOf(err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.status
	}
	return statusStep
}

// ended turns the result of a program into an exitError, or nil.
func ended(err error) error {
	if err == nil {
		return nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case !ok:
		return &exitError{statusNotFound, err}
	case exit.ExitCode() < 0:
		return &exitError{statusKilled, err}
	}
	return &exitError{exit.ExitCode(), err}
}

func command(args []string) *exec.Cmd {
	c := exec.Command(args[0], args[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c
}

func run(args []string) error { return ended(command(args).Run()) }

// background is a program that runs beside the script.
type background struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; after done
}

func (m *machine) start(name string, args []string) error {
	b := &background{cmd: command(args), done: make(chan struct{})}
	if err := b.cmd.Start(); err != nil {
		return ended(err)
	}
	go func() {
		b.err = ended(b.cmd.Wait())
		close(b.done)
	}()
	m.background[name] = b
	return nil
}

func (m *machine) program(name string) (*background, error) {
	b, ok := m.background[name]
	if !ok {
		return nil, fmt.Errorf("no program called %q in the background", name)
	}
	return b, nil
}

func (m *machine) signal(name, signal string) error {
	b, err := m.program(name)
	if err != nil {
		return err
	}
	s, ok := map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1,
	}[signal]
	if !ok {
		return fmt.Errorf("unknown signal %q", signal)
	}
	return b.cmd.Process.Signal(s)
}

// wait waits for a program and compares its status with the one expected.
func (m *machine) wait(name, limit string, expected []string) error {
	b, err := m.program(name)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(limit)
	if err != nil {
		return err
	}
	want := 0
	if len(expected) > 0 {
		if want, err = strconv.Atoi(expected[0]); err != nil {
			return err
		}
	}
	select {
	case <-b.done:
		return compare(b.err, want)
	case <-time.After(d):
		return fmt.Errorf("still runs after %v", d)
	}
}

func compare(err error, want int) error {
	got := 0
	if err != nil {
		got = statusOf(err)
	}
	if got == want {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("status 0, want %d", want)
}
