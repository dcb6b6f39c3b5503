//go:build unix

package vmtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Machine is a running guest.
type Machine struct {
	cmd     *exec.Cmd
	timeout *time.Timer
	done    chan struct{} // closed when the machine has ended and its output is read
	err     error         // how the process ended; after done

	mu    sync.Mutex
	lines []string
	news  chan struct{} // closed and replaced with each line
}

// Start stages a guest and boots it. The machine is killed when the test ends
// or its time is over.
func Start(t testing.TB, g Guest) *Machine {
	t.Helper()
	Require(t, "a guest")
	k, err := find()
	if err != nil {
		t.Fatal(err)
	}
	// Short and without blanks: names of Unix sockets and words of the kernel's
	// command line are made of it.
	root, err := os.MkdirTemp("", "vm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := stage(root, k, g); err != nil {
		t.Fatalf("stage the guest: %v", err)
	}
	m, err := boot(t, k, root, g)
	if err != nil {
		t.Fatalf("boot the guest: %v", err)
	}
	return m
}

func boot(t testing.TB, k kernel, root string, g Guest) (*Machine, error) {
	limit := g.Timeout
	if limit == 0 {
		limit = DefaultTimeout
	}
	m := &Machine{cmd: exec.Command(k.program, words(root, g, limit)...), done: make(chan struct{}), news: make(chan struct{})}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // its helpers die with its group
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.cmd.Stderr = m.cmd.Stdout
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	m.timeout = time.AfterFunc(limit, m.Kill)
	go func() {
		defer close(m.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			m.line(t, s.Text())
		}
		m.err = m.cmd.Wait()
	}()
	t.Cleanup(func() {
		m.Kill()
		<-m.done
	})
	return m, nil
}

// words is the command line. The RAID benchmark at boot costs most of a
// second; without the console settings UML changes the terminal.
func words(root string, g Guest, limit time.Duration) []string {
	memory := g.Memory
	if memory == "" {
		memory = "128M"
	}
	w := []string{
		"mem=" + memory, "rootfstype=hostfs", "rootflags=" + root, "rw", "init=/vminit",
		"con=null", "con0=null,fd:1", "ssl=null", "quiet", "initcall_blacklist=raid6_select_algo",
		"uml_dir=" + root + "/uml", "vmtimeout=" + limit.String(),
	}
	if g.Disk != "" {
		w = append(w, "ubd0="+g.Disk)
	}
	return w
}

// noise is what the kernel says at every boot.
var noise = regexp.MustCompile(`^(SELinux: |mmapper_init - |Failed to initialize ubd device 0 :Couldn't|reboot: System halted)`)

func (m *Machine) line(t testing.TB, s string) {
	s = strings.TrimRight(s, "\r")
	if noise.MatchString(s) {
		return
	}
	t.Log(s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, s)
	close(m.news)
	m.news = make(chan struct{})
}

// Output returns the lines of the console so far.
func (m *Machine) Output() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.lines, "\n")
}

// Await waits until the console has shown the text.
func (m *Machine) Await(text string, limit time.Duration) error {
	end := time.After(limit)
	for {
		m.mu.Lock()
		found, news := strings.Contains(strings.Join(m.lines, "\n"), text), m.news
		m.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-news:
		case <-m.done:
			return fmt.Errorf("the machine ended without %q", text)
		case <-end:
			return fmt.Errorf("no %q within %v", text, limit)
		}
	}
}

// Kill ends the machine at once, as a power cut does.
func (m *Machine) Kill() { syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL) }

// Wait waits for the end and returns the status that vminit printed. The exit
// status of the process says nothing: it is 0 after every power-off.
func (m *Machine) Wait() (status int, err error) {
	<-m.done
	m.timeout.Stop()
	for _, l := range m.lines {
		if n, ok := strings.CutPrefix(l, "VM-EXIT "); ok {
			return strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return 0, errors.Join(errors.New("the machine died: it said no VM-EXIT"), m.err)
}
