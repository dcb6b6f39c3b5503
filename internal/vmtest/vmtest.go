//go:build unix

package vmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// DefaultTimeout is how long a machine may run: many times what it needs on a
// quiet host.
const DefaultTimeout = 90 * time.Second

// CAN is the head of a script that wants a bus: the modules in the order of
// their dependencies, which the kernel does not know by itself.
const CAN = "mod can\nmod can-raw\nmod can-dev\nmod vcan\nmod vxcan\nmod slcan\n"

// Guest describes a machine. Keys of the maps are paths in the guest.
type Guest struct {
	Tests    map[string]string // to packages: their test binaries
	Programs map[string]string // to main packages
	Files    map[string]string // to files and folders of the host, copied
	Host     []string          // programs of the host by name, copied to /bin with their libraries
	Script   string            // what happens: see vminit
	Memory   string            // "" is 128M
	Disk     string            // a file of the host that becomes /dev/ubda
	Timeout  time.Duration     // 0: DefaultTimeout
}

// Run starts the machine and waits for its end. The test fails unless every
// step of the script worked. It returns what came out of the console.
func Run(t testing.TB, g Guest) string {
	t.Helper()
	m := Start(t, g)
	status, err := m.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if status != 0 {
		t.Fatalf("the machine ended with status %d (94 time over, 96 a step, 97 program not found, 98 killed)", status)
	}
	return m.Output()
}

// Require skips the test where there is no User-Mode Linux, or when tests
// shall be short. what names what is not run. It fails instead of skipping
// when CANSEAL_REQUIRE contains "vm".
func Require(t testing.TB, what string) {
	t.Helper()
	required := strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "vm")
	if testing.Short() && !required {
		t.Skipf("NOT RUN (-short): %s in a virtual machine", what)
	}
	_, err := find()
	switch {
	case err == nil:
	case required:
		t.Fatalf("CANSEAL_REQUIRE wants %s in a virtual machine: %v", what, err)
	default:
		t.Skipf("NOT RUN: %s: %v", what, err)
	}
}

// kernel is an installed User-Mode Linux.
type kernel struct {
	program string
	modules string // folder with *.ko somewhere below
}

type missingError string

func (e missingError) Error() string {
	return string(e) + " (apt-get install user-mode-linux)"
}

// find looks for the kernel and the modules of the Debian package.
func find() (kernel, error) {
	program, err := exec.LookPath("linux.uml")
	if err != nil {
		return kernel{}, missingError("linux.uml is not installed")
	}
	folders, err := filepath.Glob("/usr/lib/uml/modules/*/kernel")
	if err != nil || len(folders) == 0 {
		return kernel{}, missingError("no modules below /usr/lib/uml/modules")
	}
	return kernel{program, folders[len(folders)-1]}, nil
}

// Installed reports whether the host has a program.
func Installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
