package terminal

import "golang.org/x/sys/unix"

// Requests about the attributes of a terminal. What was typed before is dropped.
const (
	getAttributes = unix.TIOCGETA
	setAttributes = unix.TIOCSETAF
)
