package appliance

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"canseal/internal/s3test"
)

// No network port listens: the kernel's socket tables are read, and no socket
// of this process but the test's own store is in them as listening or bound.
func TestNoNetworkPortListens(t *testing.T) {
	store := newTestStore(t, s3test.Options{})
	before := boundSockets(t)
	if len(before) == 0 {
		t.Fatal("the store's own port is not seen: this test could not fail")
	}
	b := newBox(t, configFor("low", store.URL))
	b.start(t)
	b.await(t, "frames and a heartbeat", func(f Facts) bool { return f.Log.Frames > 100 && store.Count() > 0 })
	for inode, line := range boundSockets(t) {
		if _, known := before[inode]; !known {
			t.Errorf("a port listens: %s", line)
		}
	}
	info, err := os.Stat(b.control.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("local socket: %v %v", info, err)
	}
}

// boundSockets lists this process's TCP sockets in LISTEN and all its UDP
// sockets, by inode.
func boundSockets(t *testing.T) map[string]string {
	t.Helper()
	mine := map[string]bool{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil {
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	found := map[string]string{}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"} {
		f, err := os.Open("/proc/net/" + table)
		if err != nil {
			continue // a kernel without IPv6
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || !mine[fields[9]] || strings.HasPrefix(table, "tcp") && fields[3] != "0A" {
				continue
			}
			found[fields[9]] = table + " " + fields[1]
		}
		f.Close()
	}
	return found
}

// Another user is told that he may not ask, not that nobody is there.
func TestAnotherUserIsToldThatHeMayNotAsk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: only root can become another user")
	}
	b := newBox(t, strings.Replace(configFor("low", "http://127.0.0.1:1"), "mode: low", "mode: off", 1))
	b.start(t)
	b.await(t, "the local socket", func(Facts) bool { _, err := Dial(filepath.Join(b.root, "state")); return err == nil })
	for dir := b.root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread() // the thread becomes nobody, and ends with this goroutine
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
		t.Fatal(errno)
	}
	_, err := Dial(filepath.Join(b.root, "state"))
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), 0, ^uintptr(0)); errno != 0 {
		t.Fatal(errno)
	}
	if !errors.Is(err, errNotAllowed) || errors.Is(err, ErrNotRunning) {
		t.Errorf("%v", err)
	}
}
