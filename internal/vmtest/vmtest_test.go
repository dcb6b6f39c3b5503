//go:build unix

package vmtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGuestSeesAHostFolder(t *testing.T) {
	Require(t, "a folder of the host in the guest")
	card, err := os.MkdirTemp("", "card")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(card)
	disk := filepath.Join(card, "disk")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, Guest{
		Disk:  disk,
		Files: map[string]string{"/seen/vmtest.go": "vmtest.go"},
		Script: CAN + `
			mount none /card hostfs ` + card + `
			mkdir /card/made/in/guest
			until 5s file /card/made
			until 5s file /dev/ubda
			until 5s text /seen/vmtest.go package vmtest
			add vcan0 vcan
			up vcan0
			show vcan0
			del vcan0`,
	})
	if _, err := os.Stat(filepath.Join(card, "made/in/guest")); err != nil {
		t.Fatal(err)
	}
}

func TestMachineFails(t *testing.T) {
	Require(t, "failing steps")
	for name, c := range map[string]struct {
		script string
		status int
		says   string
	}{
		"step fails":          {"mount none /x nosuchfs", 96, "no such device"},
		"program is missing":  {"run /nothing", 97, "no such file"},
		"program fails":       {"run /vminit nonsense", 1, `unknown step "nonsense"`},
		"program is killed":   {"bg s /vminit sleep 1m\nsignal s KILL\nwait s 10s", 98, "killed"},
		"as expected, killed": {"bg s /vminit sleep 1m\nsignal s KILL\nwait s 10s 98", 0, ""},
		"condition never":     {"until 10ms file /never", 96, "not within 10ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := Start(t, Guest{Script: c.script})
			status, err := m.Wait()
			if err != nil || status != c.status || !strings.Contains(m.Output(), c.says) {
				t.Fatalf("status %d, %v, want %d and %q", status, err, c.status, c.says)
			}
		})
	}
}

func TestPowerCutHasNoStatus(t *testing.T) {
	Require(t, "a power cut")
	m := Start(t, Guest{Script: "run /vminit show lo\nsleep 1m"})
	if err := m.Await("lo index=1", time.Minute); err != nil {
		t.Fatal(err)
	}
	m.Kill()
	if status, err := m.Wait(); err == nil {
		t.Fatalf("status %d after a power cut", status)
	}
}
