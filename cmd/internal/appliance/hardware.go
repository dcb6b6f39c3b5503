package appliance

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// hardware is what the machine says of itself; sys is "/" but in tests.
type hardware struct{ sys string }

// boardSerials are the places where boards keep their serial number, best first.
var boardSerials = []string{
	"proc/device-tree/serial-number",
	"sys/class/dmi/id/board_serial",
	"sys/class/dmi/id/product_serial",
}

// BoardSerial returns the first serial number that the board tells, unjudged.
func (h hardware) BoardSerial() string {
	for _, name := range boardSerials {
		if b, err := os.ReadFile(filepath.Join(h.sys, name)); err == nil {
			if s := strings.TrimSpace(string(bytes.Trim(b, "\x00\n"))); s != "" {
				return s
			}
		}
	}
	return ""
}

// MACs returns the permanent addresses of the network interfaces, by name. An
// address that software has assigned (addr_assign_type is not 0) names nothing.
func (h hardware) MACs() []string {
	dirs, err := filepath.Glob(filepath.Join(h.sys, "sys/class/net/*"))
	if err != nil {
		return nil
	}
	sort.Strings(dirs)
	var macs []string
	for _, dir := range dirs {
		assigned, _ := os.ReadFile(filepath.Join(dir, "addr_assign_type"))
		address, _ := os.ReadFile(filepath.Join(dir, "address"))
		_, err := os.Stat(filepath.Join(dir, "device"))
		mac, parseErr := net.ParseMAC(strings.TrimSpace(string(address)))
		if err == nil && parseErr == nil && len(mac) == 6 && strings.TrimSpace(string(assigned)) == "0" {
			macs = append(macs, mac.String())
		}
	}
	return macs
}

// CardID returns the CID of the only SD card, in hex, or "".
func (h hardware) CardID() string {
	names, err := filepath.Glob(filepath.Join(h.sys, "sys/block/mmcblk[0-9]/device/cid"))
	if err != nil || len(names) != 1 {
		return ""
	}
	cid, err := os.ReadFile(names[0])
	if err != nil {
		return ""
	}
	return strings.ToUpper(strings.TrimSpace(string(cid)))
}
