//go:build linux || darwin

package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

func open() (*terminal, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &terminal{f, f}, nil
}

// hide stops that what is typed is shown; show undoes that.
func (t *terminal) hide() (show func(), err error) {
	fd := int(t.in.Fd())
	before, err := unix.IoctlGetTermios(fd, getAttributes)
	if err != nil {
		return nil, err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	silent.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setAttributes, &silent); err != nil {
		return nil, err
	}
	return func() { unix.IoctlSetTermios(fd, setAttributes, before) }, nil
}
