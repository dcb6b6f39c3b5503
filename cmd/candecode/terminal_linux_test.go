package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// encrypted puts content into a container as the CANedge encrypts.
func encrypted(t *testing.T, content []byte, password string) []byte {
	t.Helper()
	b := append([]byte("Generic File\x00\x00\x11\x01\xA1\xB2\xC3\xD4"), bytes.Repeat([]byte{7}, 12)...)
	b = binary.BigEndian.AppendUint32(b, 1000)
	b = append(b, bytes.Repeat([]byte{9}, 16)...)
	key, err := pbkdf2.Key(sha256.New, password, b[36:52], 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	return gcm.Seal(b[:52:52], b[20:32], content, b[:52])
}

// newTerminal returns both ends of one.
func newTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		absent(t, "peers", "no terminals here", err)
	}
	t.Cleanup(func() { master.Close() })
	control, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	control.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func TestAPasswordIsAskedForAtTheTerminalAndNotShown(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "LOG", "A1B2C3D4", "00000007", "00000001.MFE")
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, log, encrypted(t, recording(t, "A1B2C3D4", 1, chartBegin), "open sesame"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	master, slave := newTerminal(t)
	cmd := exec.Command(self, "-q", "--format", "candump", log)
	cmd.Args[0] = "candecode" // TestMain is that program then
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, &out, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shown := until(t, master, "password of the encrypted files of A1B2C3D4: ")
	if _, err := master.WriteString("open sesame\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "can0 100#01\n"); n != 10 {
		t.Errorf("%d frames: %s", n, out.String())
	}
	if slave.Close(); strings.Contains(shown+until(t, master, ""), "sesame") {
		t.Error("the password was shown")
	}
}

// until reads a terminal up to a text; "": up to its end.
func until(t *testing.T, master *os.File, text string) string {
	t.Helper()
	master.SetReadDeadline(time.Now().Add(20 * time.Second))
	var all strings.Builder
	for buf := make([]byte, 256); text == "" || !strings.Contains(all.String(), text); {
		n, err := master.Read(buf)
		all.Write(buf[:n])
		if err != nil && text == "" {
			break
		}
		if err != nil {
			t.Fatalf("the terminal shows %q: %v", all.String(), err)
		}
	}
	return all.String()
}

func TestWithoutATerminalNobodyIsAsked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.MFE")
	write(t, name, encrypted(t, recording(t, "A1B2C3D4", 1, chartBegin), "open sesame"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, name)
	cmd.Args[0] = "candecode"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitDamaged || !strings.Contains(string(out), "no password was given") {
		t.Errorf("%v: %s", err, out)
	}
	cmd = exec.Command(self, name)
	cmd.Args[0], cmd.Env = "candecode", append(os.Environ(), "CANDECODE_PASSWORD=wrong")
	if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), "wrong password") {
		t.Errorf("%s", out)
	}
}
