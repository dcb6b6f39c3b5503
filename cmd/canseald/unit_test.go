//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The unit that is shipped is taken by systemd without a complaint, tells it when
// canseald is ready and alive, and shuts it off from what it has no use for.
func TestTheServiceUnitIsSoundAndHardened(t *testing.T) {
	text, err := os.ReadFile("../../docs/canseald.service")
	must(t, err)
	for _, line := range []string{"Type=notify", "WatchdogSec=30s", "Restart=always", "StateDirectory=canseal", "User=canseal"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("the unit has no line %s", line)
		}
	}
	systemd, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT RUN: judging docs/canseald.service: no systemd-analyze (apt-get install systemd)")
	}
	// The program has to exist where the unit is verified.
	here, err := os.Executable()
	must(t, err)
	unit := filepath.Join(t.TempDir(), "canseald.service")
	write(t, unit, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/canseald", here)))
	if out, err := exec.Command(systemd, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "canseald.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command(systemd, "security", "--offline=true", "--threshold=30", unit).CombinedOutput()
	level := regexp.MustCompile(`Overall exposure level .*: ([0-9.]+)`).FindStringSubmatch(string(out))
	if err != nil || level == nil {
		t.Fatalf("systemd-analyze security, at most 3.0: %v\n%s", err, out)
	}
	t.Logf("exposure %s of 10", level[1])
}
