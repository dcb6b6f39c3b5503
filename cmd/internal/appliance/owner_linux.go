package appliance

import (
	"os"
	"path/filepath"
	"syscall"
)

// giveToOwner makes a file that root has made in a state folder the file of the
// folder's owner: canseald runs as that user.
func giveToOwner(dir, name string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || !ok || owner.Uid == 0 {
		return nil
	}
	return os.Lchown(filepath.Join(dir, name), int(owner.Uid), int(owner.Gid))
}
