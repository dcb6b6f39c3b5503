//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"canseal/cmd/internal/appliance"
	"canseal/logger"
)

// memberDaemon starts a box that is a device of the simulator's group.
func memberDaemon(t *testing.T, address int) *daemon {
	t.Helper()
	card := t.TempDir()
	section, err := exec.Command("/canseal", "simulate", "--devices", "5", "--print-config", "--message", "0x210@6,producer=1").Output()
	must(t, err)
	text := "version: 1\ndevice: {id: " + roadDevice + "}\nupload: {mode: off}\n" + string(section) +
		fmt.Sprintf("buses:\n  - {interface: vcan0, cancrypt: {role: member, address: %d}}\n", address)
	write(t, filepath.Join(card, "config.yaml"), []byte(text))
	if out, err := exec.Command("/canseal", "simulate", "--store-demo-key", "--root", card).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return startDaemon(t, "/canseald", card)
}

// entry is that of the member, or of the judge, in section cancrypt.
func entry(f *appliance.Facts, role string) (c logger.CryptStatus) {
	for _, e := range f.Cancrypt {
		if e.Role == role {
			c = e
		}
	}
	return c
}

// members are the addresses and states that a member tells.
func members(c logger.CryptStatus) string {
	var all []string
	for _, m := range c.Members {
		all = append(all, fmt.Sprintf("%d %s", m.Address, m.State))
	}
	return strings.Join(all, " ")
}

func TestGuestMembers(t *testing.T) {
	roadFolder(t)
	one, five := memberDaemon(t, 1), memberDaemon(t, 5)
	for _, d := range []*daemon{one, five} {
		d.await(t, "grouped and in step", func(f *appliance.Facts) bool {
			node, judge := entry(f, "node"), entry(f, "member")
			return node.State == "grouped" && members(node) == "1 present 5 present" && judge.State == "in step (judge)" && judge.Verdicts["17"] > 3
		})
	}
	five.stop(t)
	one.await(t, "the other has left in order", func(f *appliance.Facts) bool {
		return members(entry(f, "node")) == "1 present 5 left"
	})
	one.await(t, "no accusation", func(f *appliance.Facts) bool {
		judge := entry(f, "member")
		return judge.Verdicts["16"] == 0 && judge.Verdicts["18"] == 0 && f.Buses[0].Sent > 3
	})
	one.stop(t)
}
