package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine performs steps. It remembers the programs in the background.
type machine struct {
	background map[string]*background
}

func newMachine() *machine { return &machine{background: map[string]*background{}} }

// verb is one kind of step with its least number of arguments.
type verb struct {
	least int
	do    func(m *machine, args []string) error
}

// verbs cannot be a variable: until performs steps itself.
func verbs(name string) (verb, bool) {
	v, ok := map[string]verb{
		"mod":    {1, func(_ *machine, a []string) error { return loadModule(a[0], strings.Join(a[1:], " ")) }},
		"add":    {2, func(_ *machine, a []string) error { return addLink(a[0], a[1], a[2:]) }},
		"set":    {2, func(_ *machine, a []string) error { return configure(a[0], a[1:]) }},
		"up":     {1, func(_ *machine, a []string) error { return setUp(a[0], true) }},
		"down":   {1, func(_ *machine, a []string) error { return setUp(a[0], false) }},
		"rename": {2, func(_ *machine, a []string) error { return rename(a[0], a[1]) }},
		"del":    {1, func(_ *machine, a []string) error { return deleteLink(a[0]) }},
		"show":   {1, func(_ *machine, a []string) error { return show(a[0]) }},
		"env":    {1, func(_ *machine, a []string) error { return os.Setenv(a[0], strings.Join(a[1:], " ")) }},
		"mkdir":  {1, func(_ *machine, a []string) error { return os.MkdirAll(a[0], 0o755) }},
		"mount":  {3, func(_ *machine, a []string) error { return mount(a[0], a[1], a[2], strings.Join(a[3:], ",")) }},
		"umount": {1, func(_ *machine, a []string) error { return unix.Unmount(a[0], 0) }},
		"clock":  {1, func(_ *machine, a []string) error { return setClock(a[0]) }},
		"run":    {1, func(_ *machine, a []string) error { return run(a) }},
		"bg":     {2, func(m *machine, a []string) error { return m.start(a[0], a[1:]) }},
		"signal": {2, func(m *machine, a []string) error { return m.signal(a[0], a[1]) }},
		"wait":   {2, func(m *machine, a []string) error { return m.wait(a[0], a[1], a[2:]) }},
		"until":  {3, func(_ *machine, a []string) error { return until(a[0], a[1], a[2:]) }},
		"sleep":  {1, func(_ *machine, a []string) error { return sleep(a[0]) }},
		"sync":   {0, func(*machine, []string) error { unix.Sync(); return nil }},
	}[name]
	return v, ok
}

func (m *machine) step(words []string) error {
	if len(words) == 0 {
		return errors.New("no step given")
	}
	v, ok := verbs(words[0])
	if !ok {
		return fmt.Errorf("unknown step %q", words[0])
	}
	if len(words)-1 < v.least {
		return fmt.Errorf("%s wants %d arguments or more", words[0], v.least)
	}
	return v.do(m, words[1:])
}

func mount(device, dir, kind, options string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(device, dir, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

func loadModule(name, parameters string) error {
	f, err := os.Open(env("vmmod", "/mod") + "/" + name + ".ko")
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), parameters, 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load module %s: %w", name, err)
	}
	return nil
}

func setClock(text string) error {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return err
	}
	v := unix.NsecToTimeval(t.UnixNano())
	return unix.Settimeofday(&v)
}

func sleep(text string) error {
	d, err := time.ParseDuration(text)
	time.Sleep(d)
	return err
}

// until repeats a condition until it holds or the time is over.
func until(limit, kind string, args []string) error {
	d, err := time.ParseDuration(limit)
	if err != nil {
		return err
	}
	for end := time.Now().Add(d); ; time.Sleep(20 * time.Millisecond) {
		ok, err := holds(kind, args)
		if err != nil || ok {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v", d)
		}
	}
}

func holds(kind string, args []string) (bool, error) {
	switch kind {
	case "file":
		_, err := os.Stat(args[0])
		return err == nil, nil
	case "text":
		text, err := os.ReadFile(args[0])
		return err == nil && bytes.Contains(text, []byte(strings.Join(args[1:], " "))), nil
	case "run":
		return exec.Command(args[0], args[1:]...).Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", kind)
}
