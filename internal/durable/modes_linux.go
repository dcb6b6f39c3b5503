package durable

import (
	"os"
	"syscall"
)

// keepsModes knows the file systems that show invented modes: FAT, exFAT, NTFS.
func keepsModes(f *os.File) bool {
	const vfat, exfat, ntfs, ntfs3, fuseBlock = 0x4d44, 0x2011bab0, 0x5346544e, 0x7366746e, 0x65735546
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &fs); err != nil {
		return true
	}
	switch uint32(fs.Type) {
	case vfat, exfat, ntfs, ntfs3, fuseBlock:
		return false
	}
	return true
}
