package appliance

import (
	"fmt"
	"syscall"
)

// blockDevice is the device that a folder is on, as MAJOR:MINOR (makedev(3)).
func blockDevice(root string) (string, bool) {
	var s syscall.Stat_t
	if err := syscall.Stat(root, &s); err != nil {
		return "", false
	}
	dev := uint64(s.Dev)
	major := dev>>8&0xFFF | dev>>32&^0xFFF
	minor := dev&0xFF | dev>>12&^0xFF
	return fmt.Sprintf("%d:%d", major, uint32(minor)), true
}
