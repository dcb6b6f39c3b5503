package slcan

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lineSlcan is N_SLCAN: the line discipline that makes a CAN interface of a
// serial line.
const lineSlcan = 17

// Adapter is plugged in until Pull.
type Adapter struct {
	Name string // of the interface: slcan0 or can0, as the kernel chose

	master *os.File
	slave  int
	mu     sync.Mutex
	heard  strings.Builder // what the driver said
	pulled sync.Once
}

// Plug makes an interface. It is down and has no bit rate.
func Plug() (*Adapter, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("plug adapter: %w", err)
	}
	a := &Adapter{master: master, slave: -1}
	if err := a.connect(); err != nil {
		a.Pull()
		return nil, fmt.Errorf("plug adapter: %w", err)
	}
	go a.listen()
	return a, nil
}

// connect opens the slave end, makes it raw and turns it into an interface.
func (a *Adapter) connect() error {
	number, err := unix.IoctlGetInt(int(a.master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(int(a.master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	if a.slave, err = unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	raw := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL}
	if err := unix.IoctlSetTermios(a.slave, unix.TCSETS, &raw); err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(a.slave, unix.TIOCSETD, lineSlcan); err != nil {
		return fmt.Errorf("slcan driver: %w", err)
	}
	var name [unix.IFNAMSIZ]byte
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(a.slave), unix.SIOCGIFNAME, uintptr(unsafe.Pointer(&name))); errno != 0 {
		return errno
	}
	a.Name = unix.ByteSliceToString(name[:])
	return nil
}

func (a *Adapter) listen() {
	for b := make([]byte, 256); ; {
		n, err := a.master.Read(b)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.heard.Write(b[:n])
		a.mu.Unlock()
	}
}

// Say sends one line to the driver.
func (a *Adapter) Say(line string) error {
	_, err := a.master.WriteString(line + "\r")
	return err
}

// Heard returns all that the driver has said.
func (a *Adapter) Heard() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heard.String()
}

// Pull takes the adapter out.
func (a *Adapter) Pull() {
	a.pulled.Do(func() {
		if a.slave >= 0 {
			unix.Close(a.slave)
		}
		a.master.Close()
	})
}
