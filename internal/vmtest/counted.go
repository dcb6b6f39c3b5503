//go:build unix

package vmtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// CountedKernel is a folder into which a Debian package linux-image-*-amd64 was
// unpacked (dpkg-deb -x); the environment variable CANSEAL_KERNEL names it.
func CountedKernel() string { return os.Getenv("CANSEAL_KERNEL") }

// Counted runs a guest on an emulated processor that takes exactly one
// nanosecond for each instruction (QEMU with -icount): processor time in the
// guest is a count of instructions, and repeats. It needs qemu-system-x86, xz
// and a kernel. Guest.Disk is not there. It returns the console.
func Counted(t testing.TB, g Guest) string {
	t.Helper()
	root := t.TempDir()
	modules, err := filepath.Glob(filepath.Join(CountedKernel(), "lib/modules/*/kernel"))
	if err != nil || len(modules) == 0 {
		t.Skipf("NOT RUN: CANSEAL_KERNEL=%q holds no lib/modules (make guest-bench)", CountedKernel())
	}
	if err := stage(root, kernel{modules: modules[0]}, g); err != nil {
		t.Fatalf("stage the guest: %v", err)
	}
	work := t.TempDir()
	vmlinux, initrd := filepath.Join(work, "vmlinux"), filepath.Join(work, "initrd")
	if err := unpackKernel(vmlinux); err != nil {
		t.Fatalf("unpack the kernel: %v", err)
	}
	if err := os.WriteFile(initrd, archive(t, root), 0o600); err != nil {
		t.Fatal(err)
	}
	limit := g.Timeout
	if limit == 0 {
		limit = 5 * time.Minute
	}
	c := exec.CommandContext(t.Context(), "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=off",
		"-m", "512", "-kernel", vmlinux, "-initrd", initrd, "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-nodefaults",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1",
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable audit=0 apparmor=0 initcall_blacklist=raid6_select_algo cryptomgr.notests rdinit=/vminit")
	timer := time.AfterFunc(limit, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	out, err := c.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		t.Log(strings.TrimRight(line, "\r\n"))
	}
	// Bit 0 is set by the device; the rest is the status of vminit.
	if c.ProcessState == nil || c.ProcessState.ExitCode() != 1 {
		t.Fatalf("the emulated machine: %v", err)
	}
	return string(out)
}

// unpackKernel writes the ELF file that a bzImage holds: its offset and length
// stand in the setup header at 0x248 and 0x24c, counted from the end of the setup
// sectors, of which there are one more than byte 0x1f1 says. Debian packs by xz.
func unpackKernel(to string) error {
	images, err := filepath.Glob(filepath.Join(CountedKernel(), "boot/vmlinuz-*"))
	if err != nil || len(images) == 0 {
		return fmt.Errorf("no boot/vmlinuz-* in %q", CountedKernel())
	}
	b, err := os.ReadFile(images[0])
	if err != nil {
		return err
	}
	if len(b) < 0x250 {
		return fmt.Errorf("%s: %d bytes are no kernel", images[0], len(b))
	}
	from := (int(b[0x1f1])+1)*512 + int(binary.LittleEndian.Uint32(b[0x248:]))
	length := int(binary.LittleEndian.Uint32(b[0x24c:]))
	if from+length > len(b) {
		return fmt.Errorf("%s: the payload ends at %d, the file at %d", images[0], from+length, len(b))
	}
	c := exec.Command("xz", "-dc", "--single-stream")
	c.Stdin = bytes.NewReader(b[from : from+length-4]) // the last four bytes are the length
	elf, err := c.Output()
	if err != nil {
		return fmt.Errorf("xz: %w", err)
	}
	return os.WriteFile(to, elf, 0o600)
}

// archive packs a folder as the kernel wants its first file system: cpio, newc.
func archive(t testing.TB, root string) []byte {
	t.Helper()
	var b bytes.Buffer
	number := 0
	entry := func(name string, mode uint32, content []byte) {
		number++
		fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name)
		b.WriteByte(0)
		pad(&b)
		b.Write(content)
		pad(&b)
	}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			entry(name, 0o040755, nil)
			return nil
		}
		content, err := os.ReadFile(path)
		entry(name, 0o100755, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	entry("TRAILER!!!", 0, nil)
	return b.Bytes()
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
