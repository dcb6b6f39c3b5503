//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"canseal/internal/vmtest"
)

// A cut of the power takes from a box what its kernel had not written to the
// disk: the guest is killed while canseald records a vcan onto a disk, seals and
// uploads. Each life after a cut begins with the walker of promise_test.go over
// what is on the disk. CANSEAL_CUTS and CANSEAL_SEED set the number of cuts for
// each file system (3) and when they happen (make powercut: 20, at random). What each cut
// left, and the store, are kept for other readers in the folder CANSEAL_SURVIVORS.
func TestCansealdKeepsItsPromisesWhenThePowerIsCut(t *testing.T) {
	vmtest.Require(t, "power cuts of canseald on ext4 and vfat")
	cuts, seed := numberFrom("CANSEAL_CUTS", 3), numberFrom("CANSEAL_SEED", time.Now().UnixNano()&0xFFFFFF)
	t.Logf("%d cuts for each file system, CANSEAL_SEED=%d", cuts, seed)
	programs := guestPrograms(t)
	for _, system := range []string{"ext4", "vfat"} {
		t.Run(system, func(t *testing.T) {
			b := newBox(t, system, programs)
			random := rand.New(rand.NewPCG(uint64(seed), uint64(len(system))))
			for cut := range cuts {
				// One in four happens somewhere in the start and the repair.
				sign, after := "DRIVING", 200*time.Millisecond+time.Duration(random.Int64N(int64(2500*time.Millisecond)))
				if cut%4 == 3 {
					sign, after = "STARTING", time.Duration(random.Int64N(int64(1500*time.Millisecond)))
				}
				b.live(t, "TestGuestDriveUntilTheCut", sign, after)
			}
			b.run(t, "TestGuestAfterTheLastCut")
			t.Logf("%s: %d cuts, %d segments and %d frames promised, none missing", system, cuts, len(b.promises), b.promises.frames())
		})
	}
}

// The negative control: a card that never syncs breaks its promises in a cut,
// and the test of power cuts sees it.
func TestACardThatNeverSyncsIsCaughtInAPowerCut(t *testing.T) {
	vmtest.Require(t, "power cuts of a card that never syncs")
	programs := guestPrograms(t)
	for _, system := range []string{"ext4", "vfat"} {
		t.Run(system, func(t *testing.T) {
			b := newBox(t, system, programs)
			b.live(t, "TestGuestDriveWithoutSync", "PROMISE 1 1 1", 500*time.Millisecond)
			b.run(t, "TestGuestFindsBrokenPromises")
		})
	}
}

func numberFrom(variable string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(os.Getenv(variable), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// box is a guest's disk and the host's folder beside it.
type box struct {
	dir, disk, mount string
	programs         map[string]string
	promises         promises
	console          strings.Builder
}

// mounts are the steps that mount the disk. Without its tables of characters
// vfat is not mounted.
var mounts = map[string]string{
	"ext4": "mount /dev/ubda /data ext4\nmkdir " + guestCard + "\n",
	"vfat": "mod fat\nmod nls_cp437\nmod nls_iso8859-1\nmod vfat\nmount /dev/ubda /data vfat codepage=437,iocharset=iso8859-1\nmkdir " + guestCard + "\n",
}

func newBox(t *testing.T, system string, programs map[string]string) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "cut") // short, for the guest's mount
	must(t, err)
	t.Cleanup(func() {
		if keep := os.Getenv("CANSEAL_SURVIVORS"); keep != "" {
			must(t, os.CopyFS(filepath.Join(keep, filepath.Base(dir)), os.DirFS(dir)))
		}
		os.RemoveAll(dir)
	})
	if os.Getenv("CANSEAL_SURVIVORS") != "" {
		must(t, os.Mkdir(filepath.Join(dir, "survivors"), 0o755))
	}
	b := &box{dir: dir, disk: filepath.Join(dir, "disk"), mount: mounts[system], programs: programs, promises: promises{}}
	must(t, os.WriteFile(b.disk, nil, 0o600))
	must(t, os.Truncate(b.disk, 64<<20))
	if out, err := exec.Command(adminProgram(t, "mkfs."+system), b.disk).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.%s: %v\n%s", system, err, out)
	}
	write(t, filepath.Join(dir, "promises"), nil)
	return b
}

// adminProgram finds a program of the administrator, who alone has it in his path.
func adminProgram(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path := filepath.Join(dir, name); fileExists(path) {
			return path
		}
	}
	if strings.Contains(os.Getenv("CANSEAL_REQUIRE"), "peers") {
		t.Fatalf("CANSEAL_REQUIRE wants %s (make peers)", name)
	}
	t.Skipf("NOT RUN: no %s (apt-get install e2fsprogs dosfstools dmsetup)", name)
	return ""
}

func (b *box) guest(test string) vmtest.Guest {
	return vmtest.Guest{
		Files: b.programs, Disk: b.disk,
		Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\n" + b.mount + "mount none /road hostfs " + b.dir + "\n" +
			"env CANSEAL_ROAD /road\nrun /road.test -test.v -test.run ^" + test + "$\n",
	}
}

// check does what a box does before it mounts a FAT file system that was not
// unmounted: without fsck the kernel may find a wrong table of clusters later, and
// mount the card read-only. Its journal is ext4's own check.
func (b *box) check(t *testing.T) {
	t.Helper()
	if b.mount != mounts["vfat"] {
		return
	}
	const corrected = 1
	out, err := exec.Command(adminProgram(t, "fsck.fat"), "-a", b.disk).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == corrected) {
		t.Fatalf("fsck.fat: %v\n%s", err, out)
	}
}

// live runs a guest's test until its console shows a sign, and cuts the power a
// while later.
func (b *box) live(t *testing.T, test, sign string, after time.Duration) {
	t.Helper()
	b.check(t)
	m := vmtest.Start(t, b.guest(test))
	must(t, m.Await(sign, time.Minute))
	time.Sleep(after) // the cut comes at any moment
	m.Kill()
	_, err := m.Wait()
	if err == nil {
		t.Fatalf("the guest ended before the cut")
	}
	b.promises.note(m.Output())
	b.console.WriteString(m.Output() + "\n")
	write(t, filepath.Join(b.dir, "promises"), []byte(b.console.String()))
	t.Logf("cut %v after %s: %d segments, %d frames promised so far", after.Round(time.Millisecond), sign, len(b.promises), b.promises.frames())
}

func (b *box) run(t *testing.T, test string) {
	t.Helper()
	b.check(t)
	vmtest.Run(t, b.guest(test))
}

// guestPrograms builds what all lives run.
func guestPrograms(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	programs := map[string]string{}
	for to, words := range map[string][]string{
		"/canseald": {"build", "canseal/cmd/canseald"}, "/canseal": {"build", "canseal/cmd/canseal"}, "/road.test": {"test", "-c", "canseal/cmd/canseald"},
	} {
		path := filepath.Join(dir, to)
		last := len(words) - 1
		c := exec.Command("go", append(words[:last:last], "-o", path, words[last])...)
		c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", fmt.Sprint(words), err, out)
		}
		programs[to] = path
	}
	return programs
}
