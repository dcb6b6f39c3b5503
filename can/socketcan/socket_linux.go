package socketcan

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Error message classes that carry states, losses, and signs of a wrong bit
// rate (linux/can/error.h).
const stateClasses = unix.CAN_ERR_CRTL | unix.CAN_ERR_BUSOFF | unix.CAN_ERR_RESTARTED | unix.CAN_ERR_PROT | unix.CAN_ERR_BUSERROR

// rawXLFrames is CAN_RAW_XL_FRAMES (linux/can/raw.h, kernel 6.2): with it CAN
// XL frames are delivered, so that they can be counted as left out.
const rawXLFrames = 7

// rawSocket makes a raw CAN socket that is not bound.
func rawSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_CAN, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.CAN_RAW)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		err = fmt.Errorf("this kernel has no raw CAN sockets (modprobe can-raw): %w", err)
	}
	return fd, err
}

// openSocket binds a raw socket to the interface with this index and returns
// it with the size of its queue in bytes.
func openSocket(o Interface, index int) (fd, granted int, err error) {
	fd, err = rawSocket()
	if err != nil {
		return -1, 0, fmt.Errorf("open CAN socket: %w", err)
	}
	if granted, err = prepare(fd, o); err == nil {
		err = unix.Bind(fd, &unix.SockaddrCAN{Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, fmt.Errorf("open CAN socket on %s: %w", o.Name, err)
	}
	return fd, granted, nil
}

// prepare sets all options before the socket is bound, so that no frame comes
// without them.
func prepare(fd int, o Interface) (granted int, err error) {
	mask := unix.CAN_ERR_MASK
	if !o.ErrorFrames {
		mask = stateClasses
	}
	for _, opt := range []struct {
		name              string
		level, opt, value int
	}{
		{"CAN_RAW_FD_FRAMES", unix.SOL_CAN_RAW, unix.CAN_RAW_FD_FRAMES, 1},
		{"CAN_RAW_ERR_FILTER", unix.SOL_CAN_RAW, unix.CAN_RAW_ERR_FILTER, mask},
		{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	} {
		if err := unix.SetsockoptInt(fd, opt.level, opt.opt, opt.value); err != nil {
			return 0, fmt.Errorf("set %s: %w", opt.name, err)
		}
	}
	if err := stamp(fd); err != nil {
		return 0, err
	}
	// Kernels before 6.2 know no CAN XL.
	_ = unix.SetsockoptInt(fd, unix.SOL_CAN_RAW, rawXLFrames, 1)
	return buffer(fd, o.ReceiveBuffer)
}

// stamp turns receive stamps on, in the form that holds 64-bit seconds on
// 32-bit machines too where the kernel has it (5.1).
func stamp(fd int) error {
	const flags = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, flags)
	if err != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, flags)
	}
	if err != nil {
		return fmt.Errorf("set SO_TIMESTAMPING: %w", err)
	}
	return nil
}

// buffer asks for a receive queue and returns what was granted in bytes; the
// kernel doubles the value asked for, to cover its own overhead.
func buffer(fd, bytes int) (int, error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes); err != nil {
			return 0, fmt.Errorf("set SO_RCVBUF: %w", err)
		}
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0, fmt.Errorf("read SO_RCVBUF: %w", err)
	}
	return granted, nil
}

// dropped returns the socket's drop counter as it stands now. SO_RXQ_OVFL
// shows it only with the next frame that is queued, and a bus may stay quiet.
func dropped(fd int) (uint32, error) {
	var info [9]uint32 // SK_MEMINFO_VARS, linux/sock_diag.h; the last is SK_MEMINFO_DROPS
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("read SO_MEMINFO: %w", errno)
	}
	return info[8], nil
}
