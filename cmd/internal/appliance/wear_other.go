//go:build !linux

package appliance

// blockDevice is unknown where there is no /sys.
func blockDevice(string) (string, bool) { return "", false }
