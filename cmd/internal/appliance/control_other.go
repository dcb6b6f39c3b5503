//go:build !linux

package appliance

import (
	"net"
	"os"
)

// peerUID trusts the folder's mode where the kernel does not tell.
func peerUID(*net.UnixConn) (int, error) { return os.Getuid(), nil }
