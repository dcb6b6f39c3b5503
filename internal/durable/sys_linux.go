package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openFlags keep a pipe from blocking the open, and a terminal from becoming ours.
const openFlags = unix.O_NONBLOCK | unix.O_NOCTTY

func syncData(f *os.File) error {
	return onDescriptor(f, unix.Fdatasync)
}

// settle makes the new entry of a renamed file say where the file lies and how
// long it is. On FAT it says "empty" until the file itself is synced: syncing the
// folder first would make just that durable, and a power cut would take the file.
func settle(r *os.Root, name string) error {
	f, err := r.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syncData(f); err != nil && !errors.Is(err, unix.EINVAL) {
		return &os.PathError{Op: "sync renamed", Path: name, Err: err}
	}
	return nil
}

// syncDir takes EINVAL for done: so answer file systems that cannot sync a
// folder by itself, and nothing better can be had from them.
func syncDir(r *os.Root, name string) error {
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := onDescriptor(f, unix.Fsync); err != nil && !errors.Is(err, unix.EINVAL) {
		return &os.PathError{Op: "sync folder", Path: name, Err: err}
	}
	return nil
}

func onDescriptor(f *os.File, do func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		failed = untilDone(func() error { return do(int(fd)) })
	})
	return errors.Join(err, failed)
}

func untilDone(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}

func lock(f *os.File) error {
	err := onDescriptor(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func space(path string) (Space, error) {
	var s unix.Statfs_t
	if err := untilDone(func() error { return unix.Statfs(path, &s) }); err != nil {
		return Space{}, err
	}
	block := int64(s.Frsize)
	if block == 0 {
		block = int64(s.Bsize)
	}
	return Space{Total: int64(s.Blocks) * block, Free: int64(s.Bavail) * block}, nil
}

func identity(path string) (string, bool, error) {
	id, err := fileSystem(path)
	if err != nil {
		return "", false, err
	}
	mounted, err := isMountPoint(path)
	return id, mounted, err
}

// volumeID is FAT_IOCTL_GET_VOLUME_ID of linux/msdos_fs.h.
const volumeID = 0x80047213

// fileSystem is the serial number of a FAT, whose f_fsid is that of the slot; else
// f_fsid, which ext4 makes of its UUID.
func fileSystem(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var serial uint32
	err = onDescriptor(f, func(fd int) (err error) {
		serial, err = unix.IoctlGetUint32(fd, volumeID)
		return err
	})
	if err == nil {
		return fmt.Sprintf("fat-%08x", serial), nil
	}
	var s unix.Statfs_t
	if err := untilDone(func() error { return unix.Statfs(path, &s) }); err != nil {
		return "", err
	}
	return fmt.Sprintf("%08x%08x", uint32(s.Fsid.Val[0]), uint32(s.Fsid.Val[1])), nil
}

// isMountPoint asks statx, because a bind mount of the same file system has the
// device number of its parent.
func isMountPoint(path string) (bool, error) {
	var x unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS, &x); err != nil {
		return false, err
	}
	if x.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return x.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
	}
	return otherDevice(path)
}

// otherDevice compares with the parent folder, for kernels before 5.8.
func otherDevice(path string) (bool, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false, err
	}
	var here, above unix.Stat_t
	err = errors.Join(unix.Stat(real, &here), unix.Stat(filepath.Join(real, ".."), &above))
	return here.Dev != above.Dev || here.Ino == above.Ino, err
}
